"""The life of a ring: made, written by one writer after the other, ended, closed."""

import os
from collections.abc import Callable

import pytest
from rings import HEADER, SMALL, MakeRing, publish, some

from shm import (
    FormatError,
    RingOwner,
    RingReader,
    RingWriter,
    SegmentMissing,
    Stamp,
    State,
    create_ring,
    layout,
    segment,
)
from shm.fence import OrderUnknown
from shm.lock import writer_lock

pytestmark = pytest.mark.usefixtures("helper_or_python")

# --- names and places


@pytest.mark.parametrize("bad", ["", "A", "a_b", "a/b", "ä", "a" * 31, "a b"])
def test_name_that_some_system_refuses_is_refused(bad: str) -> None:
    with pytest.raises(FormatError, match="name"):
        create_ring(bad, SMALL)


@pytest.mark.parametrize("slots", [0, 2, 65])
def test_number_of_slots_out_of_range_is_refused(name: str, slots: int) -> None:
    with pytest.raises(FormatError, match="slots"):
        create_ring(name, SMALL, slots)


def test_ring_that_cannot_be_made_whole_leaves_no_segment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OrderUnknown("no order")

    monkeypatch.setattr("shm.owner.order_of", refuse)
    with pytest.raises(OrderUnknown):
        create_ring(name, SMALL)
    assert segment.names(name) == []


@pytest.mark.parametrize("kind", [RingReader, RingWriter])
def test_missing_ring_is_named(kind: type, name: str) -> None:
    with pytest.raises(SegmentMissing, match=name):
        kind(name)


@pytest.mark.skipif(not segment.SHM_FOLDER.is_dir(), reason="locks of /dev/shm are Linux's")
def test_lock_of_a_ring_that_is_gone_makes_no_file(name: str) -> None:
    with pytest.raises(OSError):
        writer_lock(name).acquire()
    assert segment.names(name) == []


# --- states and takeovers


def test_state_follows_writer_and_owner(owner: RingOwner) -> None:
    with RingReader(owner.name) as reader:
        assert reader.state is State.NONE
        with RingWriter(owner.name):
            assert reader.state is owner.state is State.RUNNING
            owner.writer_died()
            assert reader.state is State.DEAD
        assert reader.state is State.NONE
        owner.writer_died()
        assert reader.state is State.NONE
        owner.end()
        assert reader.state is State.ENDED
        assert reader.ended


def test_ended_ring_stays_ended_when_its_writer_closes(owner: RingOwner) -> None:
    with RingReader(owner.name) as reader:
        with RingWriter(owner.name):
            owner.end()
        assert reader.ended


def test_iteration_gives_every_frame_and_stops_when_the_ring_has_ended(
    owner: RingOwner, writer: RingWriter, reader: RingReader
) -> None:
    publish(writer, 3)
    owner.end()
    assert [frame.sequence for frame in reader] == [1, 2, 3]


def test_wait_on_an_ended_ring_returns_at_once(owner: RingOwner, reader: RingReader) -> None:
    owner.end()
    assert reader.newest(timeout_s=60) is None
    assert reader.next(timeout_s=60) is None


def test_sequence_goes_on_and_epoch_counts_over_a_takeover(owner: RingOwner) -> None:
    with RingReader(owner.name) as reader:
        for epoch in (1, 2, 3):
            with RingWriter(owner.name) as writer:
                assert writer.epoch == reader.epoch == epoch
                assert publish(writer, 10) == 10 * epoch
        assert some(reader.latest()).sequence == 30


def test_successor_learns_the_newest_stamp(owner: RingOwner) -> None:
    with RingWriter(owner.name) as writer:
        assert writer.newest_stamp() is None
        writer.publish(writer.loan(Stamp(pose_sequence=41)))
    with RingWriter(owner.name) as successor:
        stamp = successor.newest_stamp()
        assert stamp is not None
        assert stamp.pose_sequence == 41


def _die_after(writer: RingWriter, stores: int) -> None:
    """Publish a frame but stop after so many of the stores that make it public, as a kill would."""
    slot = writer.loan(Stamp(pose_sequence=99))
    slot.array[:] = 99
    ring = writer._ring
    store = ring.order.store_release
    newest = ring.word("head") >> 8
    lock, head = ring.locks[slot.index], (newest + 1) << 8 | slot.index
    steps = [
        (lock, (newest + 1) << 1),
        (HEADER["history"] // 8 + (newest + 1) % layout.HISTORY_COUNT, head),
        (HEADER["head"] // 8, head),
    ]
    for index, value in steps[:stores]:
        store(index, value)


@pytest.mark.parametrize("stores", [0, 1, 2, 3])
def test_newest_frame_outlives_a_writer_that_died_while_publishing(
    make_ring: MakeRing, stores: int
) -> None:
    owner = make_ring(SMALL, 3)
    with RingReader(owner.name) as reader:
        with RingWriter(owner.name) as writer:
            publish(writer, 5)
            _die_after(writer, stores)
        with RingWriter(owner.name) as successor:
            newest = some(reader.latest())
            loans = [successor.loan(Stamp()) for _ in range(2)]
            assert newest.valid
            assert some(reader.latest()).sequence == newest.sequence
            following = successor.publish(loans[0])
            assert following == newest.sequence + 1
            assert some(reader.latest()).sequence == following


# --- closing


def test_owner_writer_and_reader_may_be_closed_twice(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL, 3)
    writer, reader = RingWriter(owner.name), RingReader(owner.name, leases=1)
    for closable in (writer, reader, owner):
        closable.close()
        closable.close()


def test_view_may_be_looked_at_after_reader_and_ring_are_closed(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL, 3)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        publish(writer)
        view = some(reader.latest()).array
    owner.close()
    assert set(view) == {1}


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counted on Linux")  # noqa: PTH112
def test_closing_gives_every_file_back(new_name: Callable[[], str]) -> None:
    def once() -> None:
        with (
            create_ring(new_name(), SMALL, 3) as owner,
            RingWriter(owner.name) as writer,
            RingReader(owner.name, leases=1) as reader,
        ):
            publish(writer)
            assert some(reader.latest()).valid

    once()
    before = _open_files()
    for _ in range(5):
        once()
    assert _open_files() <= before
