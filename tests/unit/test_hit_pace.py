"""When a picture from the store is shown, where others are drawn."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.cacher.hits import Pace

MS = 1_000_000
PERIOD, DRAWING = 50 * MS, 30 * MS


def played(kinds: str, pace: Pace | None = None, start: int = 0) -> list[int]:
    """When the frames of evenly spaced poses are there, the avatar drawing the misses ("m")."""
    pace = pace or Pace()
    times = []
    for number, kind in enumerate(kinds, start):
        given_ns = 1_000 * MS + number * PERIOD
        if kind == "h":
            times.append(pace.due_ns(given_ns))
        else:
            pace.asked(number, given_ns)
            times.append(given_ns + DRAWING)
            pace.answered(number, times[-1])
    return times


def unevenness(times: list[int]) -> int:
    """The most that a step between two frames is off."""
    return max(abs(b - a - PERIOD) for a, b in pairwise(times))


def test_hits_among_misses_come_as_evenly_as_their_poses() -> None:
    assert unevenness(played("m" + "mh" * 40)[2:]) == 0


def test_a_hit_after_nothing_but_hits_does_not_wait() -> None:
    assert unevenness(played("h" * 20)) == 0
    assert played("h") == [1_000 * MS]


def test_in_a_run_of_hits_the_wait_goes_down_smoothly_to_nothing() -> None:
    times = played("mmm" + "h" * 60)
    assert unevenness(times) <= DRAWING // 8
    assert times[-1] == 1_000 * MS + 62 * PERIOD


def test_what_comes_after_a_pause_does_not_wait() -> None:
    pace = Pace()
    played("mmm", pace)
    assert played("h", pace, start=3 + 11) == [1_000 * MS + 14 * PERIOD]


def test_one_slow_drawing_does_not_hold_hits_up() -> None:
    pace = Pace()
    played("mmm", pace)
    pace.asked(90, 0)
    pace.answered(90, 2_000 * MS)
    assert pace.usual_ns == DRAWING


@given(kinds=st.text("mh", max_size=80))
def test_a_hit_never_waits_longer_than_a_miss_takes_nor_overtakes(kinds: str) -> None:
    times = played(kinds)
    for number, time in enumerate(times):
        assert 0 <= time - (1_000 * MS + number * PERIOD) <= DRAWING
    assert times == sorted(times)


@pytest.mark.parametrize("answered", [range(0), range(500)])
def test_what_was_never_answered_is_forgotten(answered: range) -> None:
    pace = Pace()
    for number in range(500):
        pace.asked(number, number)
        if number in answered:
            pace.answered(number, number + DRAWING)
    assert len(pace._asked) <= 64
