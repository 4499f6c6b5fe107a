"""Writer and reader of one ring, in one process: what each call promises."""

import os
import struct
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shm import (
    POSE_FORMAT,
    FormatError,
    Frame,
    FrameFormat,
    FrameLost,
    Kind,
    LeaseRefused,
    RingOwner,
    RingReader,
    RingWriter,
    SegmentMissing,
    Slot,
    Stamp,
    State,
    create_ring,
    image_format,
    layout,
    now_ns,
    segment,
)
from shm.lock import writer_lock
from shm.reader import read_word

MakeRing = Callable[..., RingOwner]
SMALL = FrameFormat(Kind.ENCODED, "uint8", (64,))
HEADER = layout.offsets(layout.HEADER)


@pytest.fixture
def owner(make_ring: MakeRing) -> RingOwner:
    """A ring of four slots."""
    return make_ring(SMALL, 4)


@pytest.fixture
def writer(owner: RingOwner) -> Iterator[RingWriter]:
    """Its writer."""
    with RingWriter(owner.name) as ring_writer:
        yield ring_writer


@pytest.fixture
def reader(owner: RingOwner) -> Iterator[RingReader]:
    """A reader of it."""
    with RingReader(owner.name) as ring_reader:
        yield ring_reader


def publish(writer: RingWriter, count: int = 1) -> int:
    """Publish frames whose bytes are all their sequence's low byte; return the last sequence."""
    sequence = 0
    for _ in range(count):
        slot = writer.loan(Stamp())
        sequence = writer.publish(slot)
        slot.array[:] = sequence & 0xFF  # nobody reads yet: this is one thread
    return sequence


def some(frame: Frame | None) -> Frame:
    """Return the frame that must be there."""
    assert frame is not None
    return frame


# --- reading


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


# --- leases


def test_leased_frame_is_not_overwritten(owner: RingOwner, writer: RingWriter) -> None:
    publish(writer)
    with RingReader(owner.name, leases=1) as reader:
        frame = some(reader.latest())
        with reader.lease(frame) as held:
            publish(writer, 50)
            assert set(held.copy()) == {1}
        publish(writer, 50)
        assert not frame.valid


def test_lease_of_one_reader_does_not_change_what_others_see(
    owner: RingOwner, writer: RingWriter, reader: RingReader
) -> None:
    publish(writer)
    with RingReader(owner.name, leases=1) as holder, holder.lease(some(holder.latest())):
        for sequence in range(2, 40):
            publish(writer)
            assert some(reader.newest()).sequence == sequence


def test_oldest_lease_is_revoked_when_every_slot_is_leased(
    owner: RingOwner, writer: RingWriter
) -> None:
    publish(writer, 4)
    with RingReader(owner.name, leases=4) as reader:
        frames = reader.history(4)
        leases = [reader.lease(frame) for frame in frames]
        for lease in leases:
            lease.__enter__()
        publish(writer)
        assert [frame.valid for frame in frames] == [False, True, True, True]
        assert read_word(reader, HEADER["revoked"] // 8) == 1
        for lease in leases:
            lease.__exit__(None, None, None)


def test_writer_never_fails_for_leases(owner: RingOwner, writer: RingWriter) -> None:
    publish(writer, 4)
    with RingReader(owner.name, leases=16) as reader:
        for _ in range(4):
            for frame in reader.history(4):
                reader.lease(frame).__enter__()
        assert publish(writer, 100) == 104
        assert some(reader.latest()).sequence == 104


def test_lease_of_an_overwritten_frame_is_refused_and_kept_by_nobody(
    owner: RingOwner, writer: RingWriter
) -> None:
    publish(writer)
    with RingReader(owner.name, leases=1) as reader:
        frame = some(reader.latest())
        publish(writer, 4)
        with pytest.raises(FrameLost), reader.lease(frame):
            pass
        with reader.lease(some(reader.latest())) as held:
            assert held.valid


def test_reader_holds_as_many_leases_as_it_asked_for(owner: RingOwner, writer: RingWriter) -> None:
    publish(writer)
    with RingReader(owner.name, leases=1) as reader:
        frame = some(reader.latest())
        with reader.lease(frame), pytest.raises(LeaseRefused), reader.lease(frame):
            pass


def test_reader_that_asked_for_no_lease_gets_none(writer: RingWriter, reader: RingReader) -> None:
    publish(writer)
    with pytest.raises(LeaseRefused), reader.lease(some(reader.latest())):
        pass


def test_ring_has_sixteen_leases_and_gives_them_back(owner: RingOwner) -> None:
    with RingReader(owner.name, leases=10):
        with pytest.raises(LeaseRefused, match="6 of 16"):
            RingReader(owner.name, leases=7)
        with RingReader(owner.name, leases=6):
            pass
    with RingReader(owner.name, leases=16):
        pass


# --- life of a ring


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


# --- names and places


@pytest.mark.parametrize("bad", ["", "A", "a_b", "a/b", "ä", "a" * 31, "a b"])
def test_name_that_some_system_refuses_is_refused(bad: str) -> None:
    with pytest.raises(FormatError, match="name"):
        create_ring(bad, SMALL)


@pytest.mark.parametrize("slots", [0, 2, 65])
def test_number_of_slots_out_of_range_is_refused(name: str, slots: int) -> None:
    with pytest.raises(FormatError, match="slots"):
        create_ring(name, SMALL, slots)


@pytest.mark.parametrize("kind", [RingReader, RingWriter])
def test_missing_ring_is_named(kind: type, name: str) -> None:
    with pytest.raises(SegmentMissing, match=name):
        kind(name)


@pytest.mark.skipif(not segment.SHM_FOLDER.is_dir(), reason="locks of /dev/shm are Linux's")
def test_lock_of_a_ring_that_is_gone_makes_no_file(name: str) -> None:
    with pytest.raises(OSError):
        writer_lock(name).acquire()
    assert segment.names(name) == []


# --- against a model


class RingModel(RuleBasedStateMachine):
    """A ring and what it should hold; hypothesis looks for a history that tells them apart."""

    numbers = iter(range(10**9))

    def __init__(self) -> None:
        super().__init__()
        self.owner: RingOwner | None = None

    @initialize(slots=st.integers(3, 6))
    def make(self, slots: int) -> None:
        """Begin with an empty ring."""
        self.slots = slots
        self.owner = create_ring(f"aya-t-{os.getpid()}-m{next(self.numbers)}", SMALL, slots)
        self.writer = RingWriter(self.owner.name)
        self.reader = RingReader(self.owner.name, leases=2)
        self.in_order = RingReader(self.owner.name)
        self.content: dict[int, int] = {}  # sequence -> what its bytes are
        self.loans: list[Slot] = []
        self.held: list[tuple[Any, Frame]] = []
        self.seen = self.taken = 0

    @rule(value=st.integers(0, 255))
    def loan(self, value: int) -> None:
        """Take a slot and fill it."""
        if len(self.loans) == self.slots - 1:
            with pytest.raises(RuntimeError):
                self.writer.loan(Stamp())
            return
        slot = self.writer.loan(Stamp(pose_sequence=value))
        slot.array[:] = value
        self.loans.append(slot)

    @precondition(lambda self: self.loans)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        """Publish any of the slots on loan."""
        slot = self.loans.pop(data.draw(st.integers(0, len(self.loans) - 1)))
        value = int(slot.array[0])
        sequence = self.writer.publish(slot)
        assert sequence == len(self.content) + 1
        self.content[sequence] = value

    @precondition(lambda self: self.loans)
    @rule()
    def abandon(self) -> None:
        """Give a loan back."""
        self.writer.abandon(self.loans.pop())

    @rule()
    def read_newest(self) -> None:
        """The newest frame, once."""
        frame = self.reader.newest()
        if self.seen == len(self.content):
            assert frame is None
            return
        frame = some(frame)
        assert frame.sequence == len(self.content)
        assert frame.dropped == frame.sequence - self.seen - 1
        self.seen = frame.sequence

    @rule()
    def read_next(self) -> None:
        """Some later frame, in order."""
        frame = self.in_order.next()
        if self.taken == len(self.content):
            assert frame is None
            return
        frame = some(frame)
        assert frame.sequence == self.taken + frame.dropped + 1
        assert set(frame.copy()) == {self.content[frame.sequence]}
        self.taken = frame.sequence

    @precondition(lambda self: self.content and len(self.held) < 2)
    @rule()
    def hold(self) -> None:
        """Lease the newest frame."""
        lease = self.reader.lease(some(self.reader.latest()))
        self.held.append((lease, lease.__enter__()))

    @precondition(lambda self: self.held)
    @rule()
    def let_go(self) -> None:
        """Give the oldest lease back."""
        self.held.pop(0)[0].__exit__(None, None, None)

    @rule()
    def take_over(self) -> None:
        """The writer goes without a word, its loans with it; a successor comes."""
        self.writer.close()
        self.loans.clear()
        epoch = self.writer.epoch
        assert self.owner is not None
        self.writer = RingWriter(self.owner.name)
        assert self.writer.epoch == epoch + 1

    @invariant()
    def latest_is_the_last_published(self) -> None:
        """Whatever happened, the last frame is there and whole."""
        if self.owner is None:
            return
        frame = self.reader.latest()
        if not self.content:
            assert frame is None
            return
        frame = some(frame)
        assert frame.sequence == len(self.content)
        assert set(frame.copy()) == {self.content[frame.sequence]}

    @invariant()
    def history_holds_what_was_published(self) -> None:
        """Every frame in the history is whole and what it was."""
        if self.owner is None:
            return
        for frame in self.reader.history(self.slots):
            assert set(frame.copy()) == {self.content[frame.sequence]}

    @invariant()
    def leases_hold_unless_one_was_revoked(self) -> None:
        """A held frame is whole, or the ring says that it took a lease back."""
        if self.owner is None:
            return
        revoked = read_word(self.reader, HEADER["revoked"] // 8)
        for _, frame in self.held:
            assert revoked or set(frame.copy()) == {self.content[frame.sequence]}

    def teardown(self) -> None:
        """Nothing may be left."""
        if self.owner is not None:
            for closable in (self.writer, self.reader, self.in_order, self.owner):
                closable.close()


TestRingAgainstModel = RingModel.TestCase
TestRingAgainstModel.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
