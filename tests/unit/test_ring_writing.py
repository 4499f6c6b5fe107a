"""What a writer of a ring does: it lends slots, publishes them, and stamps each frame."""

import struct
from itertools import pairwise

import pytest
from rings import SMALL, MakeRing, publish, some

from shm import RingReader, RingWriter, Stamp

pytestmark = pytest.mark.usefixtures("helper_or_python")

# --- loans


def test_slot_publishes_when_the_block_ends(writer: RingWriter, reader: RingReader) -> None:
    with writer.slot(Stamp()) as array:
        array[:] = 5
        assert reader.latest() is None
    assert set(some(reader.latest()).copy()) == {5}


def test_slot_publishes_nothing_when_the_block_raises(
    writer: RingWriter, reader: RingReader
) -> None:
    with pytest.raises(KeyError), writer.slot(Stamp()):
        raise KeyError
    assert reader.latest() is None
    assert publish(writer) == 1


def test_abandoned_slot_is_loaned_again(writer: RingWriter) -> None:
    for _ in range(20):
        writer.abandon(writer.loan(Stamp()))
    assert publish(writer) == 1


def test_several_loans_are_different_slots_and_published_in_any_order(
    writer: RingWriter, reader: RingReader
) -> None:
    first, second, third = (writer.loan(Stamp(pose_sequence=n)) for n in (1, 2, 3))
    assert len({first.index, second.index, third.index}) == 3
    assert [writer.publish(slot) for slot in (second, third, first)] == [1, 2, 3]
    frames = [some(reader.next()) for _ in range(3)]
    assert [frame.stamp.pose_sequence for frame in frames] == [2, 3, 1]


def test_loan_leaves_the_newest_frame_alone(writer: RingWriter, reader: RingReader) -> None:
    publish(writer, 5)
    frame = some(reader.latest())
    for _ in range(3):
        writer.loan(Stamp())
    assert frame.valid
    with pytest.raises(RuntimeError, match="on loan"):
        writer.loan(Stamp())
    assert frame.valid


def test_slot_cannot_be_published_twice(writer: RingWriter) -> None:
    slot = writer.loan(Stamp())
    writer.publish(slot)
    with pytest.raises(RuntimeError, match="not on loan"):
        writer.publish(slot)


@pytest.mark.parametrize("stamp", [Stamp(captured_ns=-1), Stamp(pose=b"short"), Stamp(hops=(1,))])
def test_loan_that_fails_for_its_stamp_keeps_no_slot(writer: RingWriter, stamp: Stamp) -> None:
    for _ in range(10):
        with pytest.raises((struct.error, ValueError)):
            writer.loan(stamp)
    assert publish(writer) == 1


# --- what a frame says of itself


def test_stamp_is_handed_on_and_the_stage_adds_its_hop(make_ring: MakeRing) -> None:
    first, second = make_ring(SMALL, 3), make_ring(SMALL, 3)
    with (
        RingWriter(first.name, hop=3) as ingest,
        RingWriter(second.name, hop=5) as avatar,
        RingReader(first.name) as poses,
        RingReader(second.name) as pictures,
    ):
        made = Stamp(pose_sequence=9, captured_ns=1, look=4, source=2, flags=8, pose=b"p" * 180)
        ingest.publish(ingest.loan(made))
        between = some(poses.latest()).stamp
        avatar.publish(avatar.loan(between))
        shown = some(pictures.latest()).stamp
    assert shown._replace(hops=made.hops) == made
    assert [hop >> 56 for hop in shown.hops] == [3, 5, 0, 0, 0, 0, 0, 0]
    ages = [hop & (1 << 56) - 1 for hop in shown.hops[:2]]
    assert 0 < ages[0] <= ages[1]


def test_more_stages_than_hops_write_over_the_last(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL, 3)
    with RingWriter(owner.name, hop=200) as writer, RingReader(owner.name) as reader:
        full = tuple(stage << 56 | 1 for stage in range(1, 9))
        writer.publish(writer.loan(Stamp(hops=full)))
        hops = some(reader.latest()).stamp.hops
        assert hops[:7] == full[:7]
        assert hops[7] >> 56 == 200


def test_pose_captured_in_the_future_has_age_zero(writer: RingWriter, reader: RingReader) -> None:
    writer.publish(writer.loan(Stamp(captured_ns=1 << 62)))
    assert some(reader.latest()).stamp.hops[0] == 0


def test_published_times_never_go_back(writer: RingWriter, reader: RingReader) -> None:
    publish(writer, 4)
    times = [frame.published_ns for frame in reader.history(4)]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[0] > 0


def test_look_of_the_writer_reaches_readers(writer: RingWriter, reader: RingReader) -> None:
    writer.look = 2**64 - 5
    assert (reader.look, writer.look) == (2**64 - 5, 2**64 - 5)
