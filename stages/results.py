"""Results of a network's parts, kept by the part of the pose they depend on.

What a part computes for a pose stays in the memory it was written to; finding it again means
binding the next part to that memory, so that nothing is copied on a hit either.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from stages.backends.engine import Memory, TensorSpec

Specs = Mapping[str, TensorSpec]
Allocate = Callable[[TensorSpec], Memory]


class Counts(NamedTuple):
    """How often a part's result was there, and how often it had to be computed."""

    hits: int
    misses: int


class Result:
    """What one part computed for one key: memory by name of the value."""

    __slots__ = ("memories", "nbytes")

    def __init__(self, memories: dict[str, Memory]) -> None:
        self.memories = memories
        self.nbytes = sum(memory.spec.nbytes for memory in memories.values())


class ResultCache:
    """Results of several parts within one budget of bytes, the least recently used out first.

    Memory that has been evicted is written again for the same part, so that a full cache allocates
    no more. The results of one frame, one per part, are never evicted by each other: a budget that
    cannot hold two per part is refused.
    """

    def __init__(
        self,
        budget_bytes: int,
        parts: Mapping[str, Specs],
        allocate: Callable[[TensorSpec], Memory],
    ) -> None:
        """`parts` are the values of each part; `allocate` gives the memory. Raises `ValueError`."""
        self._parts = parts
        self._allocate = allocate
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._results: OrderedDict[tuple[str, bytes], Result] = OrderedDict()
        self._counts = {part: [0, 0] for part in parts}
        if budget_bytes < _least(parts):
            raise ValueError(
                f"a cache of {budget_bytes} bytes is too small: at least {_least(parts)}"
            )

    def get(self, part: str, key: bytes) -> Result | None:
        """Return what the part computed for `key`, if it is still there, and count it."""
        found = self._results.get((part, key))
        if found is not None:
            self._results.move_to_end((part, key))
        self._counts[part][found is None] += 1
        return found

    def place(self, part: str, key: bytes) -> Result:
        """Return where the part shall write what it computes for `key`."""
        spare: dict[str, Memory] | None = None
        specs = self._parts[part]
        needed = sum(spec.nbytes for spec in specs.values())
        while self._used_bytes + needed > self._budget_bytes:
            (owner, _), evicted = self._results.popitem(last=False)
            self._used_bytes -= evicted.nbytes
            if owner == part:
                spare = evicted.memories
        # A new object also where the memory is old: whoever holds the evicted one can tell.
        result = Result(spare or {name: self._allocate(spec) for name, spec in specs.items()})
        self._results[part, key] = result
        self._used_bytes += result.nbytes
        return result

    def clear(self) -> None:
        """Forget every result: another picture is shown."""
        self._results.clear()
        self._used_bytes = 0

    @property
    def used_bytes(self) -> int:
        """What the results take; never above the budget."""
        return self._used_bytes

    @property
    def counts(self) -> dict[str, Counts]:
        """Hits and misses so far, by part."""
        return {part: Counts(*counts) for part, counts in self._counts.items()}


class LastResults(ResultCache):
    """The last result of each part and no other: what is left where caching is off."""

    def __init__(
        self, parts: Mapping[str, Specs], allocate: Callable[[TensorSpec], Memory]
    ) -> None:
        super().__init__(_least(parts), parts, allocate)

    def place(self, part: str, key: bytes) -> Result:
        """Return where the part shall write; what it wrote before is lost."""
        for owner, old in self._results:
            if owner == part:
                result = Result(self._results.pop((owner, old)).memories)
                self._results[part, key] = result
                return result
        return super().place(part, key)


def _least(parts: Mapping[str, Specs]) -> int:
    return 2 * sum(spec.nbytes for specs in parts.values() for spec in specs.values())
