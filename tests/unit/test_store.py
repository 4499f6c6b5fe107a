"""The store in memory, held against a list that does the same slowly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.cacher.store import ENTRY_OVERHEAD_BYTES, RamStore

KEY_BYTES = 4
EMPTY_ENTRY = KEY_BYTES + ENTRY_OVERHEAD_BYTES

keys = st.integers(0, 7).map(lambda number: number.to_bytes(KEY_BYTES, "little"))
blobs = st.integers(0, 900).map(bytes)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, blobs),
        st.tuples(st.just("get"), keys, st.just(b"")),
        st.tuples(st.just("remove"), keys, st.just(b"")),
    ),
    max_size=60,
)


class Model:
    """Entries in a list, least recently used first."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.entries: list[tuple[bytes, bytes]] = []
        self.hits = self.misses = self.evictions = self.refused = 0

    def used(self) -> int:
        return sum(EMPTY_ENTRY + len(blob) for _, blob in self.entries)

    def remove(self, key: bytes) -> None:
        self.entries = [entry for entry in self.entries if entry[0] != key]

    def get(self, key: bytes) -> bytes | None:
        found = [blob for kept, blob in self.entries if kept == key]
        if not found:
            self.misses += 1
            return None
        self.hits += 1
        self.remove(key)
        self.entries.append((key, found[0]))
        return found[0]

    def put(self, key: bytes, blob: bytes) -> bool:
        self.remove(key)
        if EMPTY_ENTRY + len(blob) > self.budget:
            self.refused += 1
            return False
        self.entries.append((key, blob))
        while self.used() > self.budget:
            self.entries.pop(0)
            self.evictions += 1
        return True


@given(budget=st.integers(0, 4000), steps=actions)
def test_the_store_does_what_the_model_does(
    budget: int, steps: list[tuple[str, bytes, bytes]]
) -> None:
    store, model = RamStore(budget), Model(budget)
    for action, key, blob in steps:
        if action == "put":
            assert store.put(key, blob) == model.put(key, blob)
        elif action == "get":
            assert store.get(key) == model.get(key)
        else:
            store.remove(key)
            model.remove(key)
        assert store.used_bytes == model.used() <= budget
        assert len(store) == len(model.entries)
        assert all(kept in store for kept, _ in model.entries)
    counts = store.statistics()
    assert (counts.hits, counts.misses) == (model.hits, model.misses)
    assert (counts.evictions, counts.refused) == (model.evictions, model.refused)
    assert (counts.entries, counts.used_bytes) == (len(store), store.used_bytes)


def test_the_least_recently_used_goes_first() -> None:
    store = RamStore(2 * (1 + ENTRY_OVERHEAD_BYTES + 10))
    store.put(b"a", bytes(10))
    store.put(b"b", bytes(10))
    store.get(b"a")
    store.put(b"c", bytes(10))
    assert (b"a" in store, b"b" in store, b"c" in store) == (True, False, True)


def test_a_blob_larger_than_the_budget_evicts_nobody() -> None:
    store = RamStore(1000)
    store.put(b"a", b"kept")
    assert not store.put(b"b", bytes(1000))
    assert store.get(b"a") == b"kept"
    assert store.statistics().refused == 1


def test_a_refused_blob_leaves_no_older_picture_under_its_key() -> None:
    store = RamStore(1000)
    store.put(b"a", b"old")
    store.put(b"a", bytes(1000))
    assert b"a" not in store
    assert store.used_bytes == 0


def test_a_budget_of_nothing_keeps_nothing() -> None:
    store = RamStore(0)
    assert not store.put(b"a", b"")
    assert len(store) == 0


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="budget_bytes"):
        RamStore(-1)


SHARES = {0: 0.5, 1: 0.3, 2: 0.0}
of_makers = st.tuples(st.integers(0, 5), st.integers(0, 3)).map(bytes)


@given(
    budget=st.integers(1000, 6000),
    puts=st.lists(st.tuples(of_makers, st.integers(0, 700)), max_size=60),
)
def test_within_its_share_a_maker_loses_nothing_to_others(
    budget: int, puts: list[tuple[bytes, int]]
) -> None:
    store = RamStore(budget, SHARES)
    kept: dict[bytes, int] = {}
    for key, size in puts:
        before = store.statistics().makers
        taken = store.put(key, bytes(size))
        cost = len(key) + size + ENTRY_OVERHEAD_BYTES
        assert taken == (cost <= SHARES.get(key[-1], 0.0) * budget)
        if taken:
            kept[key] = cost
        else:
            kept.pop(key, None)
        for gone in [key for key in kept if key not in store]:
            del kept[gone]
            loser = before[gone[-1]]
            assert gone[-1] == key[-1] or loser.used_bytes > loser.own_bytes
        assert store.used_bytes == sum(kept.values()) <= budget
        for maker, held in store.statistics().makers.items():
            mine = [cost for key, cost in kept.items() if key[-1] == maker]
            assert (held.entries, held.used_bytes) == (len(mine), sum(mine))


def test_room_to_spare_is_for_all() -> None:
    store = RamStore(10 * (2 + ENTRY_OVERHEAD_BYTES), SHARES)
    for number in range(20):
        store.put(bytes([number, 1]), b"")
    assert store.statistics().makers[1].entries == 10
    for number in range(20):
        store.put(bytes([number, 0]), b"")
    counts = store.statistics().makers
    assert counts[1].entries >= 3 and counts[0].entries >= 5
    assert counts[0].entries + counts[1].entries == 10


def test_keys_are_found_by_how_they_end() -> None:
    store = RamStore(10_000, SHARES)
    for number in range(6):
        store.put(bytes([number, number % 2]), b"")
    assert store.keys(2, b"\x01") == [b"\x05\x01", b"\x03\x01"]
    assert store.keys(9, b"\x03\x01") == [b"\x03\x01"]
    assert len(store.keys(9)) == 6
