"""When interpolated frames are shown."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.interpolation.pacing import Pacer

MS = 1_000_000
PERIOD = 33 * MS


def _arrivals(count, period=PERIOD, start=1_000 * MS, jitter=0):
    chance = random.Random(1)
    return [start + n * period + chance.randint(-jitter, jitter) for n in range(count)]


def _shown(pacer, arrivals, parts=2, took=8 * MS):
    """Return every due time of a run in which each frame takes `took` to make."""
    due = []
    for at in arrivals:
        pacer.arrive(at, 0)
        pacer.made(took)
        due += [pacer.due_ns(part, parts) for part in range(parts)]
    return due


def test_steady_input_is_shown_at_even_steps():
    due = _shown(Pacer(), _arrivals(120))[120:]
    off = [abs(b - a - PERIOD // 2) for a, b in pairwise(due)]
    assert max(off) < 0.1 * MS


def test_jitter_of_the_input_is_mostly_taken_out():
    due = _shown(Pacer(), _arrivals(200, jitter=6 * MS))[200:]
    steps = sorted(abs(b - a - PERIOD / 2) for a, b in pairwise(due))
    assert steps[len(steps) // 2] < 1.5 * MS


def test_passed_over_frames_do_not_make_the_rate_seem_slower():
    pacer = Pacer()
    for at in _arrivals(40)[::2]:
        pacer.arrive(at, 1)
    assert pacer.period_ns == PERIOD


def test_a_new_rate_is_followed_after_three_frames():
    pacer = Pacer()
    _shown(pacer, _arrivals(30))
    last = 1_000 * MS + 29 * PERIOD
    for n in range(1, 4):
        pacer.arrive(last + n * 50 * MS, 0)
    assert pacer.period_ns == 50 * MS


def test_after_a_pause_the_grid_begins_at_the_new_frame():
    pacer = Pacer()
    _shown(pacer, _arrivals(30))
    pacer.arrive(60_000 * MS, 0)
    assert pacer.due_ns(0, 1) == 60_000 * MS


def test_the_last_frame_waits_at_most_one_period():
    pacer = Pacer()
    for at in _arrivals(100):
        pacer.arrive(at, 0)
        pacer.made(25 * MS)  # slower than a step
        for parts in (2, 3, 4):
            assert pacer.due_ns(parts - 1, parts) <= at + PERIOD


def test_the_first_frame_is_due_at_once():
    pacer = Pacer()
    pacer.arrive(5_000 * MS, 0)
    assert pacer.due_ns(0, 1) == 5_000 * MS


def _jitter(due, parts, period=PERIOD):
    """The 95th percentile of what two steps differ from the spacing, as a part of it."""
    spacing = period / parts
    off = sorted(abs(b - a - spacing) for a, b in pairwise(due))
    return off[int(0.95 * len(off))] / spacing


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_jitter_at_steady_input_stays_under_15_per_cent(parts):
    # Arrivals that jitter by a millisecond and frames that take 3 to 7 ms, as measured with flow.
    chance = random.Random(parts)
    pacer, due = Pacer(), []
    for at in _arrivals(300, jitter=MS):
        pacer.arrive(at, 0)
        took = chance.randint(3, 7) * MS
        pacer.made(took)
        due += [max(at + took, pacer.due_ns(part, parts)) for part in range(parts)]
    assert _jitter(due[60:], parts) < 0.15


def test_after_a_change_of_the_rate_the_steps_are_even_again_within_a_few_frames():
    pacer = Pacer()
    _shown(pacer, _arrivals(40))
    slower = _arrivals(12, period=50 * MS, start=1_000 * MS + 39 * PERIOD + 50 * MS)
    due = _shown(pacer, slower)
    assert max(abs(b - a - 25 * MS) for a, b in pairwise(due[8:])) < 0.15 * 25 * MS


@given(
    st.lists(st.integers(1, 90), min_size=3, max_size=40),
    st.lists(st.integers(0, 60), min_size=40, max_size=40),
    st.integers(2, 4),
)
def test_no_frame_waits_longer_than_a_period_however_input_comes(steps, took, parts):
    pacer, at = Pacer(), 10_000 * MS
    for step, making in zip(steps, took, strict=False):
        at += step * MS
        pacer.arrive(at, 0)
        pacer.made(making * MS)
        due = [pacer.due_ns(part, parts) for part in range(parts)]
        assert due == sorted(due)
        assert due[-1] <= at + pacer.period_ns
