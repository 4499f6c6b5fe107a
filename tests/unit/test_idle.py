"""Idle motion: alive, gentle, and the same again every period."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.ingest.idle import BLINK_S, PERIOD_S, IdleMotion, ease
from stages.pose import HIGH, INDEX, LOW, SIZE, neutral

STEP_S = 1 / 60


def poses(motion: IdleMotion, seconds: float = PERIOD_S) -> NDArray[np.float32]:
    """One pose every 1/60 s, (n, 45)."""
    rows = np.full((round(seconds / STEP_S), SIZE), 9.0, np.float32)
    for number, row in enumerate(rows):
        motion.pose_at(number * STEP_S, row)
    return rows


@pytest.mark.parametrize("seed", range(20))
def test_every_pose_is_inside_the_ranges(seed: int) -> None:
    rows = poses(IdleMotion(seed))
    assert (rows >= LOW).all() and (rows <= HIGH).all()


@given(time_s=st.floats(-100, 1e5), periods=st.integers(1, 50))
def test_the_motion_repeats_after_a_period(time_s: float, periods: int) -> None:
    motion, now, later = IdleMotion(3), neutral(), neutral()
    motion.pose_at(time_s, now)
    motion.pose_at(time_s + periods * PERIOD_S, later)
    # The times themselves are rounded: 1e-10 s, in which a blink moves by less than 1e-8.
    assert later == pytest.approx(now, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_no_parameter_jumps_also_not_across_the_end_of_a_period(seed: int) -> None:
    rows = poses(IdleMotion(seed), PERIOD_S + 1.0)
    steps = np.abs(np.diff(rows, axis=0))
    eyes = [INDEX["eye_wink_left"], INDEX["eye_wink_right"]]
    # An eye shuts in 0.06 s, so in a sixtieth it may do 1.5 / 3.6 of the way.
    assert steps[:, eyes].max() < 0.45
    assert np.delete(steps, eyes, axis=1).max() < 0.03


@pytest.mark.parametrize("seed", range(20))
def test_it_blinks_both_eyes_at_once_briefly_and_fully(seed: int) -> None:
    motion = IdleMotion(seed)
    fine = np.zeros((round(PERIOD_S * 400), SIZE), np.float32)
    for number, row in enumerate(fine):
        motion.pose_at(number / 400, row)
    left, right = fine[:, INDEX["eye_wink_left"]], fine[:, INDEX["eye_wink_right"]]
    assert np.array_equal(left, right)
    starts = np.count_nonzero((left > 0) & (np.roll(left, 1) == 0))
    assert starts == 5  # four blinks, one of them double
    assert left.max() > 0.98
    assert np.count_nonzero(left) / 400 == pytest.approx(starts * BLINK_S, abs=0.03)


def test_blinks_do_not_come_at_equal_intervals() -> None:
    closed = poses(IdleMotion())[:, INDEX["eye_wink_left"]] > 0
    starts = np.flatnonzero(closed & ~np.roll(closed, 1))
    assert np.diff(starts).std() > 20


@pytest.mark.parametrize(
    "name", "head_x head_y neck_z body_y body_z iris_rotation_x breathing".split()
)
def test_everything_that_should_move_does(name: str) -> None:
    values = poses(IdleMotion())[:, INDEX[name]]
    assert 0.05 < np.ptp(values) <= 1.0


def test_the_same_seed_gives_the_same_motion_and_another_another() -> None:
    assert np.array_equal(poses(IdleMotion(5)), poses(IdleMotion(5)))
    assert not np.array_equal(poses(IdleMotion(5)), poses(IdleMotion(6)))


def test_whatever_was_in_the_slot_is_gone() -> None:
    first, second = np.full(SIZE, 5.0, np.float32), neutral()
    IdleMotion().pose_at(4.0, first)
    IdleMotion().pose_at(4.0, second)
    assert np.array_equal(first, second)


@pytest.mark.parametrize(("share", "weight"), [(-1, 0), (0, 0), (0.25, 0.15625), (0.5, 0.5)])
def test_ease_starts_gently(share: float, weight: float) -> None:
    start, end = np.full(SIZE, 0.2, np.float32), np.full(SIZE, 1.0, np.float32)
    assert ease(start, end, share) == pytest.approx(start + weight * (end - start), abs=1e-6)


def test_ease_arrives_exactly() -> None:
    start, end = np.full(SIZE, 0.3, np.float32), np.full(SIZE, 0.1, np.float32)
    assert np.array_equal(ease(start, end, 1.0), end)
    assert np.array_equal(ease(start, end, 7.0), end)
    assert np.array_equal(ease(start, end, 0.0), start)


def test_ease_may_write_over_its_start() -> None:
    start, end = np.full(SIZE, 0.2, np.float32), np.full(SIZE, 1.0, np.float32)
    assert ease(start, end, 0.5, out=start) is start
    assert start == pytest.approx(np.full(SIZE, 0.6), abs=1e-6)
