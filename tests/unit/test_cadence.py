"""The estimate of when the next frame is due, on a clock of the test's own."""

from collections.abc import Callable

import pytest

import shm.cadence
from shm import FrameFormat, Kind, RingReader, RingWriter, Stamp
from shm.cadence import Cadence

FRAME_NS = 16_666_667
FAR = 1 << 62


class Clock:
    """A clock that stands still unless told otherwise."""

    def __init__(self) -> None:
        self.frames = 0
        self.now = 40 * 24 * 3600 * 10**9  # the machine has been up for 40 days

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of `shm.cadence`."""
    clock = Clock()
    monkeypatch.setattr(shm.cadence, "now_ns", clock)
    return clock


def _cadence(load_head: Callable[[], int] = lambda: 6) -> Cadence:
    return Cadence(load_head, lambda head: 0)


def see(cadence: Cadence, clock: Clock, intervals: list[int]) -> None:
    """Let frames arrive at these intervals."""
    for interval in intervals:
        clock.now += interval
        clock.frames += 1
        cadence.saw(clock.frames, clock.now)


def test_nothing_is_expected_before_any_frame(clock: Clock) -> None:
    assert not _cadence().expects(FAR)


@pytest.mark.parametrize("interval", [8_333_333, FRAME_NS, 50_000_000])
def test_steady_frames_are_expected_within_half_a_second_of_them(
    clock: Clock, interval: int
) -> None:
    cadence = _cadence()
    see(cadence, clock, [interval] * 25)
    assert cadence.expects(FAR)


def test_frame_is_not_expected_after_the_end_of_the_wait(clock: Clock) -> None:
    cadence = _cadence()
    see(cadence, clock, [FRAME_NS] * 40)
    assert not cadence.expects(clock.now + FRAME_NS // 2)
    assert cadence.expects(clock.now + FRAME_NS)


def test_frames_that_this_reader_missed_do_not_disturb_the_estimate(clock: Clock) -> None:
    cadence = _cadence()
    see(cadence, clock, [FRAME_NS] * 40)
    for missed in (3, 1, 7):
        clock.now += missed * FRAME_NS
        clock.frames += missed
        see(cadence, clock, [FRAME_NS])
        assert cadence.expects(FAR)


def test_one_late_frame_is_no_reason_to_stop_expecting(clock: Clock) -> None:
    cadence = _cadence()
    see(cadence, clock, [FRAME_NS] * 60 + [FRAME_NS + 4_000_000, FRAME_NS - 4_000_000])
    assert cadence.expects(FAR)


def test_timer_that_wakes_late_is_asked_earlier(clock: Clock) -> None:
    cadence = _cadence()
    see(cadence, clock, [FRAME_NS] * 60)

    def sleep_late(seen: int, timeout_ns: int) -> None:
        clock.now += timeout_ns + 150_000

    for _ in range(40):
        begun = clock.now
        cadence.watch(sleep_late, 5)
        woke = clock.now
        clock.now = begun
        see(cadence, clock, [FRAME_NS])
    assert woke < clock.now - 50_000


def test_frame_that_is_overdue_is_not_looked_for(clock: Clock) -> None:
    cadence = _cadence()
    see(cadence, clock, [FRAME_NS] * 40)
    clock.now += 2 * FRAME_NS
    assert not cadence.expects(FAR)


def test_unsteady_frames_are_not_expected(clock: Clock) -> None:
    cadence = _cadence()
    see(cadence, clock, [FRAME_NS - 2_000_000, FRAME_NS + 2_000_000] * 50)
    assert not cadence.expects(FAR)


def test_pause_is_forgotten_soon(clock: Clock) -> None:
    cadence = _cadence()
    see(cadence, clock, [FRAME_NS] * 40 + [20 * 10**9] + [FRAME_NS] * 25)
    assert cadence.expects(FAR)


@pytest.mark.parametrize("after", [FRAME_NS // 2, FRAME_NS * 2, FRAME_NS * 6])
def test_another_rate_is_learnt_within_two_seconds(clock: Clock, after: int) -> None:
    cadence = _cadence()
    see(cadence, clock, [FRAME_NS] * 60 + [after] * 120)
    assert cadence.expects(FAR)


def test_watch_sleeps_until_shortly_before_the_frame(clock: Clock) -> None:
    cadence = _cadence(lambda: next(heads))
    see(cadence, clock, [FRAME_NS] * 40)
    slept: list[int] = []

    def sleep(seen: int, timeout_ns: int) -> None:
        slept.append(timeout_ns)
        clock.now += timeout_ns

    assert cadence.expects(FAR)
    heads = iter([5, 5, 6])
    assert cadence.watch(sleep, 5) == 6
    assert len(slept) == 1
    assert 0 < FRAME_NS - slept[0] < 1_000_000


def test_watch_gives_up_when_no_frame_comes(clock: Clock) -> None:
    looks = 0

    def load() -> int:
        nonlocal looks
        looks += 1
        clock.now += 1000
        return 5

    cadence = _cadence(load)
    see(cadence, clock, [FRAME_NS] * 40)

    def sleep(seen: int, timeout_ns: int) -> None:
        clock.now += timeout_ns

    assert cadence.expects(FAR)
    assert cadence.watch(sleep, 5) == 5
    assert looks < 2000


def test_watch_does_not_look_when_it_was_woken_too_early(clock: Clock) -> None:
    cadence = _cadence(lambda: next(looks))
    see(cadence, clock, [FRAME_NS] * 40)
    looks = iter([5])
    assert cadence.expects(FAR)
    assert cadence.watch(lambda seen, left: None, 5) == 5


def test_predicting_reader_gets_every_frame(make_ring) -> None:  # type: ignore[no-untyped-def]
    owner = make_ring(FrameFormat(Kind.ENCODED, "uint8", (64,)))
    with RingWriter(owner.name) as writer, RingReader(owner.name, predict=True) as reader:
        for sequence in range(1, 50):
            writer.publish(writer.loan(Stamp()))
            frame = reader.newest(timeout_s=1.0)
            assert frame is not None
            assert frame.sequence == sequence
