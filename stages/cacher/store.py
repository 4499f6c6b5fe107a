"""Blobs in memory, the least recently used evicted first, never above a budget of bytes.

The last byte of a key says who made the picture. Each maker may have a share of the budget, which
nobody else's pictures can push it out of: when there is no room left, the maker that is over its
share by most gives up what it used longest ago. What a maker leaves unused the others may use.
"""

from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

# What an entry costs besides the bytes of key and blob: two bytes objects (33 each), the order's
# link and the table's slot. tracemalloc, CPython 3.11, 1 000 to 120 000 entries: 137 to 182, the
# most just after the table has grown; the rest is for the allocator's rounding.
ENTRY_OVERHEAD_BYTES = 256


class DatabaseRejected(ValueError):
    """A file cannot be used as a database of pictures: one sentence, what, where and the mend."""


Shares = Mapping[int, float]  # parts of a budget, by maker; 1 together at most
WHOLE: Final[Shares] = MappingProxyType({})


class Held(NamedTuple):
    """What there is of one maker's pictures."""

    entries: int
    used_bytes: int
    own_bytes: int  # its share of the budget
    evictions: int


NOTHING_HELD: Final[Mapping[int, Held]] = MappingProxyType({})


class Statistics(NamedTuple):
    """Counts since the store was made; `entries` and `used_bytes` are of now."""

    hits: int
    misses: int
    evictions: int
    refused: int  # blobs larger than all the room their maker has
    entries: int
    used_bytes: int
    budget_bytes: int
    unwritten: int = 0  # blobs that a database dropped because its writer could not keep up
    makers: Mapping[int, Held] = NOTHING_HELD  # those with a share


class Store(Protocol):
    """Keeps blobs by key within a budget, and forgets those that were used longest ago.

    For one thread. Nothing here raises for want of space or because a disk fails: `trouble` then
    says it in one sentence, and what cannot be kept is not found again.
    """

    @property
    def trouble(self) -> str | None:
        """What keeps it from storing at the moment."""

    def __contains__(self, key: bytes) -> bool:
        """Whether `key` is kept; counts as neither hit nor use."""

    def get(self, key: bytes) -> bytes | None:
        """Return the blob and make it the most recently used; None, counted as a miss, if none."""

    def put(self, key: bytes, blob: bytes) -> bool:
        """Keep `blob` instead of any before it under `key`; False if it is not kept."""

    def remove(self, key: bytes) -> None:
        """Forget `key`, if it is there: for a blob found damaged. Not counted as an eviction."""

    def keys(self, count: int, ending: bytes = b"") -> list[bytes]:
        """Return the keys used last that end so, at most so many, the last one first."""

    def statistics(self) -> Statistics:
        """The counts so far."""

    def close(self) -> None:
        """Write what is still to be written, and let the memory go."""


class _Room:
    """The blobs of one maker in memory, least recently used first."""

    __slots__ = ("blobs", "evictions", "own_bytes", "used_bytes")

    def __init__(self, own_bytes: int) -> None:
        self.own_bytes = own_bytes
        self.used_bytes = 0
        self.evictions = 0
        self.blobs: OrderedDict[bytes, bytes] = OrderedDict()

    def take(self, key: bytes, blob: bytes) -> None:
        self.blobs[key] = blob
        self.used_bytes += _cost(key, blob)

    def drop(self, key: bytes) -> None:
        blob = self.blobs.pop(key, None)
        if blob is not None:
            self.used_bytes -= _cost(key, blob)

    def evict(self) -> int:
        """Forget the blob used longest ago; return how many bytes that frees."""
        key, blob = self.blobs.popitem(last=False)
        self.used_bytes -= _cost(key, blob)
        self.evictions += 1
        return _cost(key, blob)


class RamStore:
    """Keeps blobs by key. Every call takes the same time at any size. For one thread."""

    trouble: None = None

    def __init__(self, budget_bytes: int, shares: Shares = WHOLE) -> None:
        """Keys, blobs and `ENTRY_OVERHEAD_BYTES` per entry together stay within the budget."""
        if budget_bytes < 0:
            raise ValueError(f"budget_bytes is {budget_bytes}, allowed is 0 and up")
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._rooms = {maker: _Room(int(share * budget_bytes)) for maker, share in shares.items()}
        # Of makers without a share: all there is, if nobody has one.
        self._other = _Room(0 if self._rooms else budget_bytes)
        self._all_rooms = (*self._rooms.values(), self._other)
        self._hits = self._misses = self._refused = 0

    def __len__(self) -> int:
        return sum(len(room.blobs) for room in self._all_rooms)

    def __contains__(self, key: bytes) -> bool:
        """Whether `key` is kept; counts as neither hit nor use."""
        return key in self._room(key).blobs

    def _room(self, key: bytes) -> _Room:
        return self._rooms.get(key[-1], self._other)

    @property
    def used_bytes(self) -> int:
        """What the entries cost, overhead included; never above the budget."""
        return self._used_bytes

    def get(self, key: bytes) -> bytes | None:
        """Return the blob and make it the most recently used; None, counted as a miss, if none."""
        blobs = self._room(key).blobs
        blob = blobs.get(key)
        if blob is None:
            self._misses += 1
            return None
        blobs.move_to_end(key)
        self._hits += 1
        return blob

    def put(self, key: bytes, blob: bytes) -> bool:
        """Keep `blob` as the most recently used, instead of any before it under `key`.

        Evicts what no longer fits. A blob larger than its maker's share is refused (False) and
        evicts nothing but its own predecessor, which it has made out of date.
        """
        self.remove(key)
        cost, room = _cost(key, blob), self._room(key)
        if cost > room.own_bytes:
            self._refused += 1
            return False
        # First make room, then take it: the budget holds at every moment.
        while self._used_bytes + cost > self._budget_bytes:
            self._used_bytes -= self._most_over(room, cost).evict()
        room.take(key, blob)
        self._used_bytes += cost
        return True

    def _most_over(self, wanting: _Room, cost: int) -> _Room:
        """Return the room that is over its share by most once `wanting` has grown."""
        return max(
            self._all_rooms,
            key=lambda room: room.used_bytes - room.own_bytes + (cost if room is wanting else 0),
        )

    def remove(self, key: bytes) -> None:
        """Forget `key`, if it is there: for a blob found damaged. Not counted as an eviction."""
        room = self._room(key)
        before = room.used_bytes
        room.drop(key)
        self._used_bytes -= before - room.used_bytes

    def keys(self, count: int, ending: bytes = b"") -> list[bytes]:
        """Return the keys used last that end so, at most so many, the last one first."""
        found = (
            key for room in self._all_rooms for key in reversed(room.blobs) if key.endswith(ending)
        )
        return list(islice(found, count))

    def close(self) -> None:
        """Let the memory go."""
        for room in self._all_rooms:
            room.blobs.clear()
            room.used_bytes = 0
        self._used_bytes = 0

    def statistics(self) -> Statistics:
        """The counts so far."""
        return Statistics(
            hits=self._hits,
            misses=self._misses,
            evictions=sum(room.evictions for room in self._all_rooms),
            refused=self._refused,
            entries=len(self),
            used_bytes=self._used_bytes,
            budget_bytes=self._budget_bytes,
            makers={
                maker: Held(len(room.blobs), room.used_bytes, room.own_bytes, room.evictions)
                for maker, room in self._rooms.items()
            },
        )


def _cost(key: bytes, blob: bytes) -> int:
    return len(key) + len(blob) + ENTRY_OVERHEAD_BYTES
