"""The one writer of a ring: loan a slot, fill it, publish it."""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from shm import layout
from shm.attached import AttachedRing, attach
from shm.clock import now_ns
from shm.frame import FrameFormat, Stamp, State, write_meta
from shm.identity import start_time
from shm.lock import Locked, writer_lock
from shm.segment import SegmentMissing

_HEADER = {name: offset // 8 for name, offset in layout.offsets(layout.HEADER).items()}
_SLOT = {name: offset // 8 for name, offset in layout.offsets(layout.SLOT).items()}
_LEASE = layout.offsets(layout.READER)["lease"]
# The leases of all reader entries, native so that each is one load ("<Q" would go byte by byte).
_LEASES = struct.Struct(f"@Q{f'{layout.READER_BYTES - 8}xQ' * (layout.READER_COUNT - 1)}")
_WRITING = 1  # an odd lock: readers keep away


class WriterAlive(RuntimeError):
    """Another living process writes this ring."""


class Slot:
    """A slot on loan: fill `array`, then publish. Nobody else looks at it meanwhile."""

    __slots__ = ("array", "captured_ns", "hop_word", "index", "on_loan")

    def __init__(self, index: int, array: NDArray[Any]) -> None:
        self.index = index
        self.array = array
        self.hop_word = self.captured_ns = 0
        self.on_loan = False


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
        slots, sequence = self._take_over()
        self.epoch = self._ring.word("epoch")
        self.loan, self.publish, self._abandon = _protocol(
            self._ring, slots, sequence, self.epoch, hop
        )

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
        from shm.frame import read_stamp

        head = self._ring.word("head")
        return read_stamp(self._ring.headers[head & 0xFF])[0] if head else None

    def beat(self) -> None:
        """Say that this writer lives."""
        self._ring.order.store_release(_HEADER["beat_ns"], now_ns())

    def close(self) -> None:
        """Stop writing; the frames stay, and a successor may take over."""
        if self._lock is None or not self._ring.arrays:
            return
        self._ring.order.store_release(_HEADER["state"], State.NONE)
        self._lock.release()
        self._ring.close()

    def __enter__(self) -> "RingWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _protocol(
    ring: AttachedRing, oldest_first: list[int], last: int, epoch: int, hop: int
) -> tuple[Callable[[Stamp], Slot], Callable[[Slot], int], Callable[[Slot], None]]:
    """Return (loan, publish, abandon) as closures: every name they use is a local cell.

    After a fill every step is many times dearer than usual (cold caches), so the stamp is written
    before the fill and `publish` stores only what must come after it.
    """
    store, load, _, fence = ring.order
    locks, headers, words = ring.locks, ring.headers, ring.segment.words
    slots = [Slot(index, array) for index, array in enumerate(ring.arrays)]
    ring_bell = ring.bell.ring
    nbytes = ring.format.nbytes
    order = list(oldest_first)  # slots not on loan, oldest frame first, newest last
    head_word, history, revoked = _HEADER["head"], _HEADER["history"], _HEADER["revoked"]
    history_mask = layout.HISTORY_COUNT - 1
    sequence_word, published_word = _SLOT["sequence"], _SLOT["published_ns"]
    first_hop = _SLOT["hops"]
    hop_tag = hop << 56
    table, first_lease = ring.segment.data.data, layout.READER_TABLE + _LEASE
    load_leases = _LEASES.unpack_from
    sequence = last

    def leased() -> set[int]:
        # One call for all: each is loaded whole, and the fences before it order it.
        return {value & 0xFF for value in load_leases(table, first_lease) if value}

    def take(candidates: list[int]) -> int:
        """Mark a slot as being written; a lease laid while we marked it is respected."""
        kept = leased()
        for index in candidates:
            if index in kept:
                continue
            before = load(locks[index])
            store(locks[index], _WRITING)
            fence()  # our mark before our look: the reader lays its lease before its own look
            if index not in leased():
                return index
            store(locks[index], before)
        # Everything is leased. A reader must never stall the writer: take the oldest lease back;
        # its holder sees that when it checks the frame.
        store(revoked, load(revoked) + 1)
        store(locks[candidates[0]], _WRITING)
        fence()
        return candidates[0]

    def loan(stamp: Stamp) -> Slot:
        candidates = order[:-1]  # the newest frame stays, whatever happens
        if not candidates:
            raise RuntimeError(f"all but one of {len(slots)} slots are on loan: publish one first")
        index = take(candidates)
        order.remove(index)
        slot = slots[index]
        slot.on_loan = True
        try:
            write_meta(headers[index], epoch, nbytes, now_ns(), stamp)
        except BaseException:  # a stamp out of range must not cost the ring a slot
            abandon(slot)
            raise
        slot.captured_ns = stamp.captured_ns
        hops = stamp.hops
        slot.hop_word = locks[index] + first_hop + (hops.index(0) if 0 in hops else len(hops) - 1)
        return slot

    def publish(slot: Slot) -> int:
        nonlocal sequence
        if not slot.on_loan:
            raise RuntimeError(f"slot {slot.index} is not on loan")
        slot.on_loan = False
        sequence += 1
        index = slot.index
        lock = locks[index]
        head = sequence << 8 | index
        now = now_ns()
        # Plain stores: nobody reads these words before the lock says that they are whole.
        words[lock + sequence_word] = sequence
        words[lock + published_word] = now
        age = now - slot.captured_ns
        words[slot.hop_word] = hop_tag | (age if age > 0 else 0)
        store(lock, sequence << 1)
        store(history + (sequence & history_mask), head)
        store(head_word, head)
        ring_bell(sequence)
        order.append(index)
        return sequence

    def abandon(slot: Slot) -> None:
        if slot.on_loan:
            slot.on_loan = False
            store(locks[slot.index], 0)
            order.insert(0, slot.index)

    return loan, publish, abandon
