"""The quantisers: which poses share a picture, and which pose that picture shows."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stages.cacher.key import KEY_BYTES, Maker, PictureKey, key_between, key_of, read_key
from stages.cacher.quantiser import GridQuantiser, SimplifyQuantiser
from stages.pose import HIGH, INDEX, LOW, SIZE, neutral

SIMPLIFIED = (
    Path(__file__).parents[3] / "shared" / "fixtures" / "mocap" / "easyvtuber_simplify.json"
)

poses = hnp.arrays(np.float32, SIZE, elements=st.floats(-2, 2, width=32))
all_levels = st.one_of(
    st.sampled_from([1, 2, 3, 7, 20, 50, 100, 127, 128, 255, 1000]),
    hnp.arrays(np.float64, SIZE, elements=st.integers(1, 300)),
)


@given(pose=poses, levels=all_levels)
def test_rounding_twice_is_rounding_once(
    pose: NDArray[np.float32], levels: "int | NDArray[np.float64]"
) -> None:
    quantiser = GridQuantiser(levels)
    once = quantiser.quantise(pose)
    assert quantiser.quantise(once).tobytes() == once.tobytes()


@given(pose=poses, levels=all_levels)
def test_a_pose_is_moved_by_half_a_step_at_most(
    pose: NDArray[np.float32], levels: "int | NDArray[np.float64]"
) -> None:
    moved = np.abs(GridQuantiser(levels).quantise(pose) - np.clip(pose, LOW, HIGH))
    assert (moved <= 0.5 / levels + 1e-6).all()


@given(levels=all_levels)
def test_rest_and_both_ends_are_exact(levels: "int | NDArray[np.float64]") -> None:
    quantiser = GridQuantiser(levels)
    for pose in (neutral(), LOW, HIGH):
        assert np.array_equal(quantiser.quantise(pose), pose)


def test_two_poses_half_a_step_apart_are_one_and_a_step_apart_are_not() -> None:
    quantiser, rest = GridQuantiser(50), neutral()
    near, far = neutral(), neutral()
    near[INDEX["head_x"]], far[INDEX["head_x"]] = 0.009, 0.011
    assert np.array_equal(quantiser.quantise(near), rest)
    assert not np.array_equal(quantiser.quantise(far), rest)


def test_minus_zero_is_zero() -> None:
    for quantiser in (GridQuantiser(50), SimplifyQuantiser(0), SimplifyQuantiser(8)):
        assert quantiser.quantise(-neutral()).tobytes() == neutral().tobytes()


def test_the_pose_given_is_left_alone_and_out_is_filled() -> None:
    pose, out = np.full(SIZE, 0.123, np.float32), np.empty(SIZE, np.float32)
    assert GridQuantiser(50).quantise(pose, out) is out
    assert (pose == np.float32(0.123)).all()
    assert (out == np.float32(0.12)).all()


@pytest.mark.parametrize("quantiser", [GridQuantiser(50), SimplifyQuantiser(4)])
def test_what_is_no_pose_is_refused(quantiser: "GridQuantiser | SimplifyQuantiser") -> None:
    pose = neutral()
    pose[7] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        quantiser.quantise(pose)
    with pytest.raises(ValueError, match="45"):
        quantiser.quantise(np.zeros(44, np.float32))


@pytest.mark.parametrize("levels", [0, -1, 10_001, 2.5, [1.0] * 44 + [0.0]])
def test_senseless_levels_are_refused(levels: "int | NDArray[np.float64]") -> None:
    with pytest.raises(ValueError, match="levels"):
        GridQuantiser(levels)


@given(pose=poses, level=st.integers(0, 8), brows=st.booleans())
def test_a_simplified_pose_is_one_that_can_be_drawn(
    pose: NDArray[np.float32], level: int, brows: bool
) -> None:
    simplified = SimplifyQuantiser(level, brows).quantise(pose)
    assert ((simplified >= LOW) & (simplified <= HIGH)).all()
    assert brows or not simplified[:12].any()


@pytest.mark.skipif(not SIMPLIFIED.is_file(), reason="runs where the shared fixtures lie")
def test_poses_are_simplified_as_the_program_itself_does() -> None:
    fixture = json.loads(SIMPLIFIED.read_text())
    compared = 0
    for case in fixture["cases"]:
        for level, expected in case["by_level"].items():
            quantiser = SimplifyQuantiser(int(level), case["eyebrow"])
            found = quantiser.quantise(np.array(case["pose"], np.float32))
            assert np.abs(found - np.array(expected)).max() <= fixture["tolerance"]
            compared += 1
    assert compared >= 15


def test_higher_simplification_makes_fewer_poses_of_a_turning_head() -> None:
    turns = [neutral() for _ in range(401)]
    for step, turn in enumerate(turns):
        turn[INDEX["head_x"]] = step / 400
    counts = [
        len({SimplifyQuantiser(level).quantise(turn).tobytes() for turn in turns})
        for level in range(9)
    ]
    assert counts == [401, 201, 101, 101, 51, 41, 33, 27, 22]


@pytest.mark.parametrize("level", [-1, 9])
def test_unknown_simplification_is_refused(level: int) -> None:
    with pytest.raises(ValueError, match="0 to 8"):
        SimplifyQuantiser(level)


@given(
    pose=poses,
    look=st.integers(0, 2**64 - 1),
    quality=st.integers(0, 100),
    maker=st.sampled_from(Maker),
)
def test_a_key_says_what_it_was_made_of(
    pose: NDArray[np.float32], look: int, quality: int, maker: Maker
) -> None:
    key = PictureKey(pose.tobytes(), look, quality, maker).packed()
    assert len(key) == KEY_BYTES
    assert read_key(key) == PictureKey(pose.tobytes(), look, quality, maker)
    assert (key == key_of(pose.tobytes(), look, quality)) == (maker is Maker.POSER)


def test_everything_is_part_of_a_key() -> None:
    pose = neutral().tobytes()
    keys = {key_of(pose, 1, 85), key_of(pose, 2, 85), key_of(pose, 1, 86)}
    keys |= {key_between(pose, 1, how, 85) for how in (1, 2)}
    keys |= {key_between(pose, 2, 1, 85), key_between(pose, 1, 1, 86)}
    for index in range(SIZE):
        other = neutral()
        other[index] = 1.0
        keys.add(key_of(other.tobytes(), 1, 85))
    assert len(keys) == SIZE + 7


@pytest.mark.parametrize("key", [b"", bytes(KEY_BYTES - 1), bytes(KEY_BYTES - 1) + b"\x09"])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError):
        read_key(key)
