"""When interpolated frames are shown."""

import random
from itertools import pairwise

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
