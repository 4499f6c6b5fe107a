"""The one writer of a ring: loan a slot, fill it, publish it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from shm import layout
from shm.attached import attach
from shm.clock import now_ns
from shm.frame import FrameFormat, Stamp, State, read_stamp
from shm.identity import start_time
from shm.lock import Locked, writer_lock
from shm.publishing import Slot, protocol
from shm.segment import SegmentMissing

_HEADER = {name: offset // 8 for name, offset in layout.offsets(layout.HEADER).items()}


class WriterAlive(RuntimeError):
    """Another living process writes this ring."""


class RingWriter:
    """Writes a ring that exists. It never waits for a reader: it takes the oldest slot again.

    Taking over from a dead writer is the ordinary way in: the sequence goes on, the epoch counts
    one up, half-written slots are emptied. `hop` is this stage's number in the stamps.

    `loan(stamp)` lends the oldest slot that is neither the newest frame nor leased; several may be
    on loan. `publish(slot)` makes it the newest and returns its sequence.
    """

    loan: Callable[[Stamp], Slot]
    publish: Callable[[Slot], int]

    def __init__(self, name: str, *, hop: int = 0, timeout_s: float = 0.0) -> None:
        """Raises `SegmentMissing`, `LayoutMismatch`, `WriterAlive`."""
        self._ring = attach(name, writable=True, timeout_s=timeout_s)
        self.name = name
        self.format: FrameFormat = self._ring.format
        self._lock = writer_lock(name)
        try:
            self._lock.acquire()
        except Locked:
            owner = self._ring.word("writer_pid")
            self._ring.close()
            raise WriterAlive(f"process {owner} writes the ring {name!r} already") from None
        except FileNotFoundError:
            self._ring.close()
            raise SegmentMissing(f"the ring {name!r} was removed just now") from None
        try:
            slots, sequence = self._take_over()
            self.epoch = self._ring.word("epoch")
            self.loan, self.publish, self._abandon = protocol(
                self._ring, slots, sequence, self.epoch, hop
            )
        except BaseException:
            self._lock.release()
            self._ring.close()
            raise

    def _take_over(self) -> tuple[list[int], int]:
        """Return the slots, oldest first, and the last sequence used."""
        ring, store = self._ring, self._ring.order.store_release
        load = ring.order.load_acquire
        first = _HEADER["history"]
        history = [load(first + i) for i in range(layout.HISTORY_COUNT)]
        newest = max(load(_HEADER["head"]), *history)
        sequence = newest >> 8
        held: dict[int, int] = {}
        for slot, lock in enumerate(ring.locks):
            value = load(lock)
            # Half-written, or whole but its writer died before the history told anybody of it.
            if value & 1 or value >> 1 > sequence:
                store(lock, 0)
                value = 0
            held[slot] = value >> 1
        if newest != load(_HEADER["head"]):  # died between history and head: the frame is whole
            store(_HEADER["head"], newest)
            ring.bell.ring(sequence)
        store(_HEADER["writer_pid"], os.getpid())
        store(_HEADER["writer_start"], start_time(os.getpid()))
        store(_HEADER["epoch"], load(_HEADER["epoch"]) + 1)
        self.beat()
        store(_HEADER["state"], State.RUNNING)
        return sorted(held, key=lambda slot: held[slot]), sequence

    def abandon(self, slot: Slot) -> None:
        """Give a loan back unpublished; the slot is empty then."""
        self._abandon(slot)

    @contextmanager
    def slot(self, stamp: Stamp) -> Iterator[NDArray[Any]]:
        """Lend the next slot's array; publish when the block ends, nothing if it raises."""
        slot = self.loan(stamp)
        try:
            yield slot.array
        except BaseException:
            self.abandon(slot)
            raise
        self.publish(slot)

    @property
    def look(self) -> int:
        """What shapes the pixels besides the pose, as 64 bits, for those who cache them."""
        return self._ring.word("look")

    @look.setter
    def look(self, value: int) -> None:
        self._ring.order.store_release(_HEADER["look"], value)

    def newest_stamp(self) -> Stamp | None:
        """Return the stamp of the newest frame in the ring: a successor goes on from there."""
        head = self._ring.word("head")
        return read_stamp(self._ring.headers[head & 0xFF])[0] if head else None

    def beat(self) -> None:
        """Say that this writer lives."""
        self._ring.order.store_release(_HEADER["beat_ns"], now_ns())

    def close(self) -> None:
        """Stop writing; the frames stay, and a successor may take over."""
        if not self._ring.arrays:
            return
        if self._ring.word("state") != State.ENDED:  # which is for ever
            self._ring.order.store_release(_HEADER["state"], State.NONE)
        self._lock.release()
        self._ring.close()

    def __enter__(self) -> "RingWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
