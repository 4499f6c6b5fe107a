"""A ring against a model of it, over histories that hypothesis makes up."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rings import HEADER, SMALL, some

from shm import Frame, RingOwner, RingReader, RingWriter, Slot, Stamp, create_ring
from shm.reader import read_word


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


@pytest.mark.usefixtures("helper_or_python")
def test_ring_does_what_its_model_does() -> None:
    run_state_machine_as_test(
        RingModel,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
