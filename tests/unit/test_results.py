"""Kept results of networks: least recently used out first, within the budget, never aliased."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.backends.engine import TensorSpec, zeros
from stages.results import Counts, LastResults, ResultCache

PARTS = {
    "brows": {"face": TensorSpec("uint8", (40,)), "feature": TensorSpec("float32", (15,))},
    "face": {"face": TensorSpec("uint8", (60,))},
}
BYTES = {"brows": 100, "face": 60}
BUDGET = 400
LOOKUPS = st.lists(st.tuples(st.sampled_from(["brows", "face"]), st.integers(0, 5)), max_size=60)


@given(LOOKUPS)
def test_results_behave_as_a_least_recently_used_table(lookups):
    cache, model = ResultCache(BUDGET, PARTS, zeros), OrderedDict()
    for part, number in lookups:
        key = bytes([number])
        found = cache.get(part, key)
        assert (found is not None) == ((part, key) in model)
        if found is None:
            while sum(BYTES[owner] for owner, _ in model) + BYTES[part] > BUDGET:
                model.popitem(last=False)
            found = cache.place(part, key)
            found.memories["face"].host[:] = number
            model[part, key] = None
        model.move_to_end((part, key))
        assert cache.used_bytes == sum(BYTES[owner] for owner, _ in model) <= BUDGET
        assert (found.memories["face"].host == number).all()


@given(LOOKUPS)
def test_no_two_results_at_hand_share_memory(lookups):
    cache = ResultCache(BUDGET, PARTS, zeros)
    held = {}
    for part, number in lookups:
        key = bytes([number])
        held[part, key] = cache.get(part, key) or cache.place(part, key)
        at_hand = [result for place, result in held.items() if cache.get(*place) is result]
        places = [m.host.ctypes.data for result in at_hand for m in result.memories.values()]
        assert len(set(places)) == len(places)


def test_a_full_cache_allocates_nothing():
    allocated = []

    def allocate(spec):
        allocated.append(spec)
        return zeros(spec)

    cache = ResultCache(200, {"face": PARTS["face"]}, allocate)
    for number in range(20):
        cache.place("face", bytes([number]))
    assert len(allocated) == 3


def test_the_last_results_keep_one_of_each_part():
    cache = LastResults(PARTS, zeros)
    for key in (b"a", b"b"):
        assert cache.get("face", key) is None
        cache.place("face", key)
        cache.place("brows", key)
    assert cache.get("face", b"a") is None
    assert cache.get("face", b"b") is not None
    assert cache.counts == {"brows": Counts(0, 0), "face": Counts(1, 3)}
    assert cache.used_bytes == 160


def test_a_budget_that_cannot_hold_a_frame_is_refused():
    with pytest.raises(ValueError, match="at least 320"):
        ResultCache(300, PARTS, zeros)
