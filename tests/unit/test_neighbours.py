"""Neighbours, held against a search through all of them; and how finely poses are told apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.cacher import neighbours
from stages.cacher.key import key_of, read_key
from stages.cacher.neighbours import Neighbours
from stages.cacher.perception import CHANGE, levels_for
from stages.cacher.quantiser import GridQuantiser
from stages.gaps import Gap, gaps
from stages.pose import HIGH, INDEX, LOW, SIZE


def some_poses(seed: int, count: int, spread: float) -> list[NDArray[np.float32]]:
    chance = np.random.default_rng(seed)
    middle = chance.uniform(LOW, HIGH)
    return [
        np.clip(middle + spread * chance.normal(size=SIZE), LOW, HIGH).astype(np.float32)
        for _ in range(count)
    ]


def distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square((one - other) * CHANGE).sum()))


@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0.001, 0.01, 0.1]),
    within=st.floats(0.01, 20.0),
)
@settings(max_examples=60, deadline=None)
def test_the_nearest_is_the_one_a_full_search_finds(
    seed: int, spread: float, within: float
) -> None:
    *stored, asked = some_poses(seed, 30, spread)
    keys = [key_of(pose.tobytes(), 1, 85) for pose in stored]
    found = Neighbours()
    found.fill(keys[:10])
    for key in keys[5:]:
        found.add(key)
    forgotten = keys[seed % 30 : seed % 30 + 3]
    for key in forgotten:
        found.forget(key)
    left = [key for key in keys if key not in forgotten]
    best = min(left, key=lambda key: distance(read_key(key).parameters, asked))
    near = distance(read_key(best).parameters, asked)
    if abs(near - within) > 1e-3:
        assert found.nearest(asked, within) == (best if near <= within else None)
    assert len(found) == len(left)


def test_no_parameter_of_a_neighbour_may_be_far_off() -> None:
    rest, smiling = np.zeros(SIZE, np.float32), np.zeros(SIZE, np.float32)
    smiling[INDEX["mouth_raised_corner_left"]] = 0.5
    found = Neighbours()
    found.add(key_of(rest.tobytes(), 1, 85))
    assert found.nearest(smiling, 1.5) is not None  # it is little of a frame
    assert found.nearest(smiling, 1.5, each=0.1) is None


def test_only_the_last_ones_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "REMEMBERED", 8)
    stored = some_poses(1, 20, 0.2)
    found = Neighbours()
    for pose in stored:
        found.add(key_of(pose.tobytes(), 1, 85))
    assert len(found) == 8
    for number, pose in enumerate(stored):
        assert (found.nearest(pose, 1e-3) is not None) == (number >= 12)


def test_nothing_is_near_when_there_is_nothing() -> None:
    assert Neighbours().nearest(some_poses(1, 1, 0.1)[0], 20.0) is None


@given(seed=st.integers(0, 2**32 - 1), error=st.floats(0.05, 5.0))
def test_rounding_one_parameter_changes_the_picture_by_the_error_at_most(
    seed: int, error: float
) -> None:
    (pose,) = some_poses(seed, 1, 0.3)
    off = np.abs(GridQuantiser(levels_for(error)).quantise(pose) - pose) * CHANGE
    assert off.max() <= error * 1.001


def test_what_moves_the_picture_more_is_told_apart_more_finely() -> None:
    levels = levels_for(0.125)
    assert (np.diff(levels[np.argsort(CHANGE)]) >= 0).all()
    assert levels.min() >= 1 and levels.max() > 500


@given(inner=st.lists(st.booleans(), max_size=6))
def test_gaps_are_what_is_missing_between_neighbours_that_are_there(inner: list[bool]) -> None:
    row = [True, *inner, True]
    found = gaps(row)
    missing = [place for gap in found for place in range(gap.first, gap.last + 1)]
    assert missing == [place for place, present in enumerate(row) if not present]
    assert all(row[gap.first - 1] and row[gap.last + 1] for gap in found)


def test_phases_of_a_gap_are_even() -> None:
    assert Gap(1, 3).phases == [0.25, 0.5, 0.75]
    assert Gap(2, 2).phases == [0.5]


@pytest.mark.parametrize("row", [[], [True], [False, True], [True, False]])
def test_a_row_without_ends_is_refused(row: list[bool]) -> None:
    with pytest.raises(ValueError):
        gaps(row)
