"""When frames are shown, and how many."""

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.interpolation import pacing
from stages.interpolation.pacing import Alarm, Pacer

MS = 1_000_000
PERIOD = 33 * MS


class Show:
    """A pacer with a made-up clock: frames arrive, take their time, and are shown when due."""

    def __init__(self, scale: int, first_ms: float = 7.0, next_ms: float = 2.0) -> None:
        self.pacer = Pacer()
        self.scale = scale
        self.first_ms, self.next_ms = first_ms, next_ms
        self.chance = random.Random(scale)
        self.at = 1_000 * MS
        self.shown: list[int] = []
        self.delays: list[float] = []  # of the read frame, in periods
        self.parts: list[int] = []

    def run(self, count: int, period: int = PERIOD, jitter: int = 0) -> "Show":
        arrivals = [
            self.at + n * period + self.chance.randint(-jitter, jitter) for n in range(1, count + 1)
        ]
        self.at += count * period
        while arrivals:
            waiting = sum(at <= self.shown[-1] for at in arrivals) if self.shown else 0
            passed_over = max(0, waiting - 1)
            self._give(arrivals[passed_over], passed_over, period)
            del arrivals[: passed_over + 1]
        return self

    def _give(self, arrived: int, passed_over: int, period: int) -> None:
        parts = self.pacer.parts(self.scale)
        self.pacer.arrive(arrived, passed_over)
        # Not before the frames before are shown: one thread does it all.
        now = max(arrived, self.shown[-1] if self.shown else 0)
        work = 0
        for part in range(parts):
            took = (self.next_ms if part else self.first_ms) * self.chance.uniform(0.8, 1.2)
            took = int(took * MS) if part < parts - 1 else 0
            now, work = now + took, work + took
            if part == 0:
                self.pacer.made(now)
            now = max(now, self.pacer.due_ns(part, parts)) if parts > 1 else now
            self.shown.append(now)
        self.pacer.worked(work)
        self.delays.append((now - arrived) / period)
        self.parts.append(parts)


def jitter(shown: list[int], spacing: float) -> float:
    """The 95th percentile of how far steps are from even, as a part of one."""
    off = sorted(abs(after - before - spacing) for before, after in pairwise(shown))
    return off[int(0.95 * len(off))] / spacing


@pytest.mark.parametrize("hz", [15, 20, 30])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_steps_are_even_though_arrivals_and_work_jitter(scale: int, hz: int) -> None:
    show = Show(scale, first_ms=5.0).run(300, int(1e9 / hz), jitter=MS)
    assert show.parts == [scale] * 300
    assert jitter(show.shown[40 * scale :], 1e9 / hz / scale) < 0.05
    assert max(show.delays[40:]) <= 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_new_rate_is_shown_evenly_after_a_few_frames(scale: int) -> None:
    show = Show(scale, first_ms=3.0, next_ms=1.0).run(60, jitter=MS // 4)
    for hz in (15, 60, 30):
        done = len(show.shown)
        period = int(1e9 / hz)
        show.run(30, period, jitter=MS // 4)
        assert jitter(show.shown[done + 14 :], period / scale) < 0.15


def test_it_waits_no_longer_than_making_takes() -> None:
    show = Show(2, first_ms=5.0).run(100, 66 * MS)
    spacing = 33 * MS
    assert max(show.delays[40:]) * 66 * MS <= spacing + 1.2 * 5 * MS + MS


def test_after_a_pause_the_grid_begins_at_the_new_frame() -> None:
    show = Show(2).run(30)
    show.pacer.arrive(60_000 * MS, 0)
    assert show.pacer.due_ns(0, 1) == 60_000 * MS


def test_where_the_first_frame_comes_too_late_fewer_are_shown_evenly() -> None:
    show = Show(4, first_ms=10.0).run(400, jitter=MS // 4)  # a step of four is 8 ms, of three 11
    assert set(show.parts[100:]) == {3}
    assert jitter(show.shown[-900:], PERIOD / 3) < 0.15
    assert re.match("of 4 frames for each one read .* after (9|10)", show.pacer.reason)


def test_where_all_take_too_long_fewer_are_shown() -> None:
    show = Show(4, first_ms=4.0, next_ms=15.0).run(200)
    assert show.parts[-1] < 4


def test_where_nothing_can_be_made_in_time_nothing_is() -> None:
    show = Show(2, first_ms=25.0).run(1000)
    assert show.parts.count(1) > 600  # the rest are attempts


def test_more_are_shown_again_when_there_is_time() -> None:
    show = Show(4, first_ms=10.0).run(100)
    assert show.parts[-1] == 3
    show.first_ms = 5.0
    assert show.run(300).parts[-1] == 4


def test_a_slower_rate_brings_all_back() -> None:
    show = Show(4, first_ms=10.0).run(100)
    assert show.run(150, 66 * MS).parts[-1] == 4


def test_what_failed_is_tried_more_and_more_rarely() -> None:
    # All at once, as a network makes them: three are quick enough, four are not.
    show = Show(4)
    tries = 0
    for _ in range(3000):
        show.first_ms = 10.0 if show.pacer.parts(4) == 4 else 6.0
        before = show.parts[-1:] or [0]
        show.run(1)
        tries += show.parts[-1] > before[0]
    assert tries <= 7


def test_the_slowest_of_methods_shows_at_its_own_rate() -> None:
    pacer = Pacer()
    for n in range(0, 90, 3):  # 80 ms of work: two of three frames are passed over
        at = 1_000 * MS + n * PERIOD
        pacer.arrive(at, 2)
        pacer.made(at + 80 * MS)
        pacer.worked(80 * MS)
    assert pacer.period_ns == PERIOD and pacer.span_ns == 3 * PERIOD
    first, last = pacer.due_ns(0, 2), pacer.due_ns(1, 2)
    assert last - first == 3 * PERIOD // 2 and last <= at + 3 * PERIOD


def test_the_alarm_makes_up_for_a_system_that_wakes_it_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0]

    def sleep(seconds: float) -> None:
        clock[0] += int(seconds * 1e9) + 200_000

    monkeypatch.setattr(pacing, "now_ns", lambda: clock[0])
    monkeypatch.setattr(pacing.time, "sleep", sleep)
    alarm, late = Alarm(), []
    for n in range(1, 120):
        alarm.sleep_until(n * 16 * MS)
        late.append(clock[0] - n * 16 * MS)
    assert late[0] == 200_000 and abs(late[-1]) < 20_000
    alarm.sleep_until(clock[0] - MS)
    assert clock[0] == 119 * 16 * MS + late[-1], "what is past is not waited for"


@given(
    st.lists(st.integers(1, 90), min_size=3, max_size=40),
    st.lists(st.integers(0, 60), min_size=40, max_size=40),
    st.integers(2, 4),
)
def test_no_frame_waits_longer_than_a_period_however_input_comes(
    steps: list[int], took: list[int], parts: int
) -> None:
    pacer, at = Pacer(), 10_000 * MS
    for step, making in zip(steps, took, strict=False):
        at += step * MS
        pacer.arrive(at, 0)
        pacer.made(at + making * MS)
        due = [pacer.due_ns(part, parts) for part in range(parts)]
        assert due == sorted(due)
        assert due[-1] <= at + pacer.period_ns
