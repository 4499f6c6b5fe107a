"""Blobs in memory, the least recently used evicted first, never above a budget of bytes."""

from collections import OrderedDict
from itertools import islice
from typing import NamedTuple, Protocol

# What an entry costs besides the bytes of key and blob: two bytes objects (33 each), the order's
# link and the table's slot. tracemalloc, CPython 3.11, 1 000 to 120 000 entries: 137 to 182, the
# most just after the table has grown; the rest is for the allocator's rounding.
ENTRY_OVERHEAD_BYTES = 256


class DatabaseRejected(ValueError):
    """A file cannot be used as a database of pictures: one sentence, what, where and the mend."""


class Statistics(NamedTuple):
    """Counts since the store was made; `entries` and `used_bytes` are of now."""

    hits: int
    misses: int
    evictions: int
    refused: int  # blobs larger than the whole budget
    entries: int
    used_bytes: int
    budget_bytes: int
    unwritten: int = 0  # blobs that a database dropped because its writer could not keep up


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

    def keys(self, count: int) -> list[bytes]:
        """Return the keys used last, at most so many, the last one first."""

    def statistics(self) -> Statistics:
        """The counts so far."""

    def close(self) -> None:
        """Write what is still to be written, and let the memory go."""


class RamStore:
    """Keeps blobs by key. Every call takes the same time at any size. For one thread."""

    trouble: None = None

    def __init__(self, budget_bytes: int) -> None:
        """Keys, blobs and `ENTRY_OVERHEAD_BYTES` per entry together stay within the budget."""
        if budget_bytes < 0:
            raise ValueError(f"budget_bytes is {budget_bytes}, allowed is 0 and up")
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._blobs: OrderedDict[bytes, bytes] = OrderedDict()  # least recently used first
        self._hits = self._misses = self._evictions = self._refused = 0

    def __len__(self) -> int:
        return len(self._blobs)

    def __contains__(self, key: bytes) -> bool:
        """Whether `key` is kept; counts as neither hit nor use."""
        return key in self._blobs

    @property
    def used_bytes(self) -> int:
        """What the entries cost, overhead included; never above the budget."""
        return self._used_bytes

    def get(self, key: bytes) -> bytes | None:
        """Return the blob and make it the most recently used; None, counted as a miss, if none."""
        blob = self._blobs.get(key)
        if blob is None:
            self._misses += 1
            return None
        self._blobs.move_to_end(key)
        self._hits += 1
        return blob

    def put(self, key: bytes, blob: bytes) -> bool:
        """Keep `blob` as the most recently used, instead of any before it under `key`.

        Evicts what no longer fits. A blob that could never fit is refused (False) and evicts
        nothing but its own predecessor, which it has made out of date.
        """
        self.remove(key)
        cost = _cost(key, blob)
        if cost > self._budget_bytes:
            self._refused += 1
            return False
        # First make room, then take it: the budget holds at every moment.
        while self._used_bytes + cost > self._budget_bytes:
            oldest, gone = self._blobs.popitem(last=False)
            self._used_bytes -= _cost(oldest, gone)
            self._evictions += 1
        self._blobs[key] = blob
        self._used_bytes += cost
        return True

    def remove(self, key: bytes) -> None:
        """Forget `key`, if it is there: for a blob found damaged. Not counted as an eviction."""
        blob = self._blobs.pop(key, None)
        if blob is not None:
            self._used_bytes -= _cost(key, blob)

    def keys(self, count: int) -> list[bytes]:
        """Return the keys used last, at most so many, the last one first."""
        return list(islice(reversed(self._blobs), count))

    def close(self) -> None:
        """Let the memory go."""
        self._blobs.clear()
        self._used_bytes = 0

    def statistics(self) -> Statistics:
        """The counts so far."""
        return Statistics(
            hits=self._hits,
            misses=self._misses,
            evictions=self._evictions,
            refused=self._refused,
            entries=len(self._blobs),
            used_bytes=self._used_bytes,
            budget_bytes=self._budget_bytes,
        )


def _cost(key: bytes, blob: bytes) -> int:
    return len(key) + len(blob) + ENTRY_OVERHEAD_BYTES
