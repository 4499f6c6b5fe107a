"""The period and phase of input that jitters."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.interpolation.beat import Beat

MS = 1_000_000
PERIOD = 33 * MS


def came(beat: Beat, count: int, period: int = PERIOD, jitter: int = 0, seed: int = 1) -> list[int]:
    """Let frames come one after the other; return how far each tick is from where it belongs."""
    chance, off = random.Random(seed), []
    start = (beat.arrived_ns or 1_000 * MS - period) + period
    for n in range(count):
        due = start + n * period
        beat.arrive(due + chance.randint(-jitter, jitter), 0)
        off.append(abs(beat.tick_ns - due))
    return off


def test_the_period_is_known_with_the_second_frame() -> None:
    beat = Beat()
    beat.arrive(1_000 * MS, 0)
    assert beat.period_ns == 0
    beat.arrive(1_000 * MS + PERIOD, 0)
    assert (beat.period_ns, beat.tick_ns) == (PERIOD, 1_000 * MS + PERIOD)


@pytest.mark.parametrize("jitter_ms", [1, 3, 6])
def test_jitter_is_taken_out(jitter_ms: int) -> None:
    beat = Beat()
    off = came(beat, 300, jitter=jitter_ms * MS)
    assert max(off[60:]) < 0.7 * jitter_ms * MS
    assert abs(beat.period_ns - PERIOD) < 0.06 * jitter_ms * MS


@pytest.mark.parametrize("hz", [15, 25, 40, 60])
def test_another_rate_is_followed_after_three_frames(hz: int) -> None:
    beat, period = Beat(), int(1e9 / hz)
    came(beat, 60, jitter=MS // 2)
    came(beat, 3, period)
    assert abs(beat.period_ns - period) < MS
    assert max(came(beat, 20, period)) < MS


def test_one_late_frame_moves_it_little() -> None:
    beat = Beat()
    came(beat, 60, jitter=MS // 10)
    tick = beat.tick_ns
    beat.arrive(tick + PERIOD + 12 * MS, 0)
    assert abs(beat.tick_ns - tick - PERIOD) < MS // 2
    assert abs(beat.period_ns - PERIOD) < MS // 10


def test_a_frame_that_never_came_leaves_it_as_it_is() -> None:
    beat = Beat()
    came(beat, 60)
    tick = beat.tick_ns
    beat.arrive(tick + 2 * PERIOD, 0)
    assert (beat.period_ns, beat.tick_ns) == (PERIOD, tick + 2 * PERIOD)


def test_a_stall_and_a_burst_after_it_do_not_change_the_period() -> None:
    beat = Beat()
    came(beat, 60)
    start = beat.tick_ns
    for after_ms in (132, 133, 165, 198):  # three frames late by up to three periods, then on time
        beat.arrive(start + after_ms * MS, 0)
    assert abs(beat.period_ns - PERIOD) < MS // 2
    assert abs(beat.tick_ns - start - 6 * PERIOD) < 2 * MS


def test_a_pause_makes_it_begin_anew() -> None:
    beat = Beat()
    came(beat, 60)
    beat.arrive(60_000 * MS, 0)
    assert (beat.period_ns, beat.tick_ns, beat.is_new) == (0, 60_000 * MS, True)


def test_slow_input_is_no_pause() -> None:
    beat = Beat()
    came(beat, 4, 400 * MS)
    came(beat, 4, 900 * MS)
    assert beat.period_ns == 900 * MS


def test_frames_passed_over_do_not_make_the_rate_seem_slower() -> None:
    beat = Beat()
    for n in range(0, 60, 2):
        beat.arrive(1_000 * MS + n * PERIOD, 1)
    assert beat.period_ns == PERIOD


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 3)), min_size=1, max_size=60))
def test_whatever_comes_the_tick_is_near_the_arrival(steps: list[tuple[int, int]]) -> None:
    beat, at = Beat(), 1_000 * MS
    for step, passed_over in steps:
        at += step * MS
        beat.arrive(at, passed_over)
        assert beat.period_ns >= 0
        assert abs(beat.tick_ns - at) <= max(1, beat.period_ns)
