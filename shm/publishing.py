"""The writer's side of the protocol: lend a slot, publish it, or take it back unpublished."""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import NDArray

from shm import layout
from shm.attached import AttachedRing
from shm.clock import now_ns
from shm.frame import Stamp, write_meta

_HEADER = {name: offset // 8 for name, offset in layout.offsets(layout.HEADER).items()}
_SLOT = {name: offset // 8 for name, offset in layout.offsets(layout.SLOT).items()}
_LEASE = layout.offsets(layout.READER)["lease"]
# The leases of all reader entries, native so that each is one load ("<Q" would go byte by byte).
_LEASES = struct.Struct(f"@Q{f'{layout.READER_BYTES - 8}xQ' * (layout.READER_COUNT - 1)}")
_WRITING = 1  # an odd lock: readers keep away


class Slot:
    """A slot on loan: fill `array`, then publish. Nobody else looks at it meanwhile."""

    __slots__ = ("array", "hop_word", "index", "lock", "on_loan")

    def __init__(self, index: int, lock: int, array: NDArray[Any]) -> None:
        self.index = index
        self.lock = lock  # these two are indices of words of the segment
        self.hop_word = 0
        self.array = array
        self.on_loan = False


def protocol(
    ring: AttachedRing, oldest_first: list[int], last: int, epoch: int, hop: int
) -> tuple[Callable[[Stamp], Slot], Callable[[Slot], int], Callable[[Slot], None]]:
    """Return (loan, publish, abandon) as closures: every name they use is a local cell.

    After a fill every step is many times dearer than usual (cold caches), so the stamp is written
    before the fill and `publish` stores only what must come after it.
    """
    store, load, _, fence = ring.order
    locks, headers = ring.locks, ring.headers
    slots = [
        Slot(index, lock, array)
        for index, (lock, array) in enumerate(zip(locks, ring.arrays, strict=True))
    ]
    nbytes = ring.format.nbytes
    order = list(oldest_first)  # slots not on loan, oldest frame first, newest last
    revoked, first_hop = _HEADER["revoked"], _SLOT["hops"]
    table, first_lease = ring.segment.data.data, layout.READER_TABLE + _LEASE
    load_leases = _LEASES.unpack_from
    make_newest = _publishing(ring, hop)
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
        hops = stamp.hops
        slot.hop_word = slot.lock + first_hop + (hops.index(0) if 0 in hops else len(hops) - 1)
        return slot

    def publish(slot: Slot) -> int:
        nonlocal sequence
        if not slot.on_loan:
            raise RuntimeError(f"slot {slot.index} is not on loan")
        slot.on_loan = False
        sequence += 1
        make_newest(slot.lock, slot.hop_word, sequence << 8 | slot.index)
        order.append(slot.index)
        return sequence

    def abandon(slot: Slot) -> None:
        if slot.on_loan:
            slot.on_loan = False
            store(locks[slot.index], 0)
            order.insert(0, slot.index)

    return loan, publish, abandon


def _publishing(ring: AttachedRing, hop: int) -> Callable[[int, int, int], None]:
    """Return make_newest(lock, hop_word, head): the stores that publish a slot, and the wake-up.

    `lock` and `hop_word` are indices of words, `hop_word` that of the hop which is this stage's.
    """
    words, tag = ring.segment.words, hop << 56
    if ring.live:
        return partial(ring.live.publish, words, tag)
    store, ring_bell = ring.order.store_release, ring.bell.ring
    head_word, history = _HEADER["head"], _HEADER["history"]
    history_mask = layout.HISTORY_COUNT - 1
    sequence_word, published_word = _SLOT["sequence"], _SLOT["published_ns"]
    captured_word = _SLOT["captured_ns"]

    def make_newest(lock: int, hop_word: int, head: int) -> None:
        sequence = head >> 8
        now = now_ns()
        # Plain stores: nobody reads these words before the lock says that they are whole.
        words[lock + sequence_word] = sequence
        words[lock + published_word] = now
        age = now - words[lock + captured_word]
        words[hop_word] = tag | (age if age > 0 else 0)
        store(lock, sequence << 1)
        store(history + (sequence & history_mask), head)
        store(head_word, head)
        ring_bell(sequence)

    return make_newest
