"""The quantiser: which poses share a picture, and which pose that picture shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stages.cacher.quantiser import Quantiser
from stages.pose import HIGH, INDEX, LOW, SIZE, neutral

poses = hnp.arrays(np.float32, SIZE, elements=st.floats(-2, 2, width=32))
all_levels = st.sampled_from([1, 2, 3, 7, 20, 50, 100, 127, 128, 255, 1000])


@given(pose=poses, levels=all_levels)
def test_rounding_twice_is_rounding_once(pose: NDArray[np.float32], levels: int) -> None:
    quantiser = Quantiser(levels)
    once = quantiser.quantise(pose)
    assert np.array_equal(quantiser.quantise(once), once)
    assert quantiser.key(once) == quantiser.key(pose)


@given(pose=poses, levels=all_levels)
def test_a_pose_is_moved_by_half_a_step_at_most(pose: NDArray[np.float32], levels: int) -> None:
    moved = np.abs(Quantiser(levels).quantise(pose) - np.clip(pose, LOW, HIGH))
    assert moved.max() <= 0.5 / levels + 1e-6


@given(one=poses, other=poses, levels=all_levels)
def test_keys_are_equal_exactly_when_the_rendered_poses_are(
    one: NDArray[np.float32], other: NDArray[np.float32], levels: int
) -> None:
    quantiser = Quantiser(levels)
    mixed = np.where(np.arange(SIZE) % 5 == 0, other, one).astype(np.float32)
    same_pose = np.array_equal(quantiser.quantise(one), quantiser.quantise(mixed))
    assert (quantiser.key(one) == quantiser.key(mixed)) == same_pose


@given(levels=all_levels)
def test_rest_and_both_ends_are_exact(levels: int) -> None:
    quantiser = Quantiser(levels)
    for pose in (neutral(), LOW, HIGH):
        assert np.array_equal(quantiser.quantise(pose), pose)


def test_two_poses_half_a_step_apart_share_a_key_and_a_step_apart_do_not() -> None:
    quantiser, rest = Quantiser(50), neutral()
    near, far = neutral(), neutral()
    near[INDEX["head_x"]], far[INDEX["head_x"]] = 0.009, 0.011
    assert quantiser.key(near) == quantiser.key(rest)
    assert quantiser.key(far) != quantiser.key(rest)


def test_every_parameter_is_part_of_the_key() -> None:
    quantiser = Quantiser()
    keys = {quantiser.key(neutral())}
    for index in range(SIZE):
        pose = neutral()
        pose[index] = 1.0
        keys.add(quantiser.key(pose))
    assert len(keys) == SIZE + 1


def test_minus_zero_is_zero() -> None:
    rounded = Quantiser().quantise(-neutral())
    assert not np.signbit(rounded).any()


@pytest.mark.parametrize(("levels", "length"), [(50, 45), (127, 45), (128, 90), (255, 90)])
def test_key_length(levels: int, length: int) -> None:
    assert len(Quantiser(levels).key(HIGH)) == length


def test_a_key_is_the_same_on_every_machine() -> None:
    pose = neutral()
    pose[INDEX["head_y"]], pose[INDEX["breathing"]] = -0.5, 1.0
    assert Quantiser(50).key(pose) == bytes(40) + b"\xe7" + bytes(3) + b"\x32"


def test_values_out_of_range_share_the_key_of_the_bound() -> None:
    assert Quantiser().key(HIGH * 9) == Quantiser().key(HIGH)
    assert Quantiser().key(np.full(SIZE, -np.inf, np.float32)) == Quantiser().key(LOW)


def test_the_pose_given_is_left_alone_and_out_is_filled() -> None:
    pose, out = np.full(SIZE, 0.123, np.float32), np.empty(SIZE, np.float32)
    assert Quantiser().quantise(pose, out) is out
    assert (pose == np.float32(0.123)).all()
    assert (out == np.float32(0.12)).all()


def test_nan_is_refused() -> None:
    pose = neutral()
    pose[7] = np.nan
    for ask in (Quantiser().quantise, Quantiser().key):
        with pytest.raises(ValueError, match="NaN"):
            ask(pose)


def test_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="45"):
        Quantiser().key(np.zeros(44, np.float32))


@pytest.mark.parametrize("levels", [0, -1, 10_001])
def test_senseless_levels_are_refused(levels: int) -> None:
    with pytest.raises(ValueError, match="levels"):
        Quantiser(levels)
