"""What a reader of a ring gets: which frames, in which order, and views of them."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rings import SMALL, MakeRing, publish, some

from shm import (
    POSE_FORMAT,
    Frame,
    FrameLost,
    RingOwner,
    RingReader,
    RingWriter,
    Stamp,
    image_format,
    layout,
    now_ns,
)

pytestmark = pytest.mark.usefixtures("helper_or_python")

# --- which frames


def test_ring_without_frames_gives_none(reader: RingReader) -> None:
    assert reader.latest() is None
    assert reader.newest() is None
    assert reader.next() is None
    assert reader.history(5) == []
    assert reader.newest_pose() == 0


def test_latest_gives_the_same_frame_until_there_is_a_newer(
    writer: RingWriter, reader: RingReader
) -> None:
    publish(writer)
    assert [some(reader.latest()).sequence for _ in range(3)] == [1, 1, 1]
    publish(writer)
    assert some(reader.latest()).sequence == 2


def test_newest_gives_each_frame_once_and_counts_those_passed_over(
    writer: RingWriter, reader: RingReader
) -> None:
    publish(writer, 3)
    frame = some(reader.newest())
    assert (frame.sequence, frame.dropped) == (3, 2)
    assert reader.newest() is None
    publish(writer)
    frame = some(reader.newest())
    assert (frame.sequence, frame.dropped, reader.dropped) == (4, 0, 2)


def test_next_gives_frames_in_order(writer: RingWriter, reader: RingReader) -> None:
    publish(writer, 3)
    assert [some(reader.next()).sequence for _ in range(3)] == [1, 2, 3]
    assert reader.next() is None
    assert reader.dropped == 0


def test_next_reports_frames_that_were_overwritten(writer: RingWriter, reader: RingReader) -> None:
    publish(writer, 10)
    frame = some(reader.next())
    assert (frame.sequence, frame.dropped, reader.dropped) == (7, 6, 6)
    assert [some(reader.next()).sequence for _ in range(3)] == [8, 9, 10]


def test_reader_that_lags_past_the_whole_history_goes_on(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL, layout.MAX_SLOTS)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        last = publish(writer, 3 * layout.HISTORY_COUNT)
        frame = some(reader.next())
        assert frame.sequence == last - layout.MAX_SLOTS + 1
        assert set(frame.array) == {frame.sequence & 0xFF}


def test_history_gives_the_last_frames_oldest_first(writer: RingWriter, reader: RingReader) -> None:
    publish(writer, 9)
    assert [frame.sequence for frame in reader.history(3)] == [7, 8, 9]
    assert [frame.sequence for frame in reader.history(100)] == [6, 7, 8, 9]


def test_history_leaves_out_a_slot_that_is_being_filled(
    writer: RingWriter, reader: RingReader
) -> None:
    publish(writer, 4)
    writer.loan(Stamp())
    assert [frame.sequence for frame in reader.history(4)] == [2, 3, 4]


def test_late_reader_begins_with_the_newest_frame(owner: RingOwner, writer: RingWriter) -> None:
    publish(writer, 3)
    with RingReader(owner.name) as late:
        assert some(late.next()).sequence == 3
        assert late.dropped == 0


def test_newest_pose_is_that_of_the_newest_frame(writer: RingWriter, reader: RingReader) -> None:
    writer.publish(writer.loan(Stamp(pose_sequence=77)))
    assert reader.newest_pose() == 77


def test_waiting_reader_gets_none_when_the_time_is_over(reader: RingReader) -> None:
    before = now_ns()
    assert reader.newest(timeout_s=0.05) is None
    assert now_ns() - before >= 50_000_000


# --- views


def test_frame_is_seen_without_a_copy(writer: RingWriter, reader: RingReader) -> None:
    slot = writer.loan(Stamp())
    slot.array[:] = 9
    writer.publish(slot)
    frame = some(reader.latest())
    slot.array[0] = 200  # what no writer may do; it shows that the memory is one
    assert frame.array[0] == 200


def test_view_stays_valid_until_its_slot_is_taken_again(
    writer: RingWriter, reader: RingReader
) -> None:
    publish(writer)
    frame = some(reader.latest())
    publish(writer, 3)
    assert frame.valid
    writer.loan(Stamp())
    assert not frame.valid


@pytest.mark.parametrize("use", [Frame.check, Frame.copy, lambda f: f.stamp, Frame.copy])
def test_use_of_an_overwritten_frame_raises(
    writer: RingWriter, reader: RingReader, use: Callable[[Frame], Any]
) -> None:
    publish(writer)
    frame = some(reader.latest())
    publish(writer, 4)
    with pytest.raises(FrameLost):
        use(frame)


def test_published_time_of_an_overwritten_frame_raises(
    writer: RingWriter, reader: RingReader
) -> None:
    publish(writer)
    frame = some(reader.latest())
    publish(writer, 4)
    with pytest.raises(FrameLost):
        _ = frame.published_ns


def test_copy_outlives_the_slot(writer: RingWriter, reader: RingReader) -> None:
    publish(writer)
    copy = some(reader.latest()).copy()
    publish(writer, 8)
    assert set(copy) == {1}


def test_copy_goes_where_the_caller_wants_it(writer: RingWriter, reader: RingReader) -> None:
    publish(writer)
    out = np.zeros(64, np.uint8)
    assert some(reader.latest()).copy(out) is out
    assert set(out) == {1}


def test_image_arrives_in_its_shape(make_ring: MakeRing) -> None:
    owner = make_ring(image_format(5, 7), 3)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        picture = np.arange(140, dtype=np.uint8).reshape(5, 7, 4)
        with writer.slot(Stamp()) as array:
            array[:] = picture
        assert np.array_equal(some(reader.latest()).array, picture)
        assert reader.format == image_format(5, 7)


def test_pose_arrives_as_float32(make_ring: MakeRing) -> None:
    owner = make_ring(POSE_FORMAT, 3)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        pose = np.linspace(-1, 1, 45, dtype=np.float32)
        with writer.slot(Stamp()) as array:
            array[:] = pose
        assert np.array_equal(some(reader.latest()).array, pose)


@pytest.mark.parametrize("leases", [0, 1])
def test_reader_cannot_write_into_a_frame(
    owner: RingOwner, writer: RingWriter, leases: int
) -> None:
    publish(writer)
    with RingReader(owner.name, leases=leases) as reader:
        frame = some(reader.latest())
        with pytest.raises(ValueError, match="read-only"):
            frame.array[0] = 1


@pytest.mark.skipif(os.name != "posix", reason="a read-only mapping is made on Linux")
def test_mapping_of_a_reader_is_read_only(owner: RingOwner, reader: RingReader) -> None:
    lines = open("/proc/self/maps", encoding="ascii").read().splitlines()  # noqa: SIM115, PTH123
    kinds = {line.split()[1] for line in lines if line.endswith(f"/dev/shm/{owner.name}")}
    assert kinds == {"rw-s", "r--s"}  # the owner's and the reader's
