"""When to show frames so that they are evenly spaced in time."""

import statistics
import time
from collections import deque
from typing import Final

from shm.clock import now_ns

_INTERVALS: Final = 5  # the period is the median of so many: a new rate is followed after three
_FOLLOW: Final = 8  # the grid gives way by one part in eight of what it is off
_LEARN: Final = 8  # the time to make a frame is learnt by one part in eight
_LOST: Final = 0.5  # off by more than this part of a period, the grid is laid anew
_PAUSE_NS: Final = 500_000_000


class Pacer:
    """Lays a grid of times over the input's arrivals, on which frames are to be shown.

    Input arrives with jitter; the grid follows it slowly, as a phase-locked loop does, and begins
    anew when the rate changes or the input pauses. A frame is due some time after the grid's point,
    as much as it usually takes to make it, so that a slow one is not late at once.
    """

    def __init__(self) -> None:
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._arrived_ns = 0
        self._expected_ns = 0
        self._making_ns = 0
        self._spread_ns = 0

    @property
    def period_ns(self) -> int:
        """The time between two input frames, 0 while it is not known."""
        return int(statistics.median(self._intervals)) if self._intervals else 0

    def arrive(self, at_ns: int, passed_over: int) -> None:
        """Note that an input frame came at `at_ns`, and how many before it were passed over.

        They count: who takes every second frame for a slow rate shows it slowly and so misses every
        second frame for ever.
        """
        interval = at_ns - self._arrived_ns
        self._arrived_ns = at_ns
        if interval > _PAUSE_NS:
            self._intervals.clear()
            self._expected_ns = at_ns
            return
        frames = passed_over + 1
        self._intervals.append(interval // frames)
        period = self.period_ns
        self._expected_ns += period * frames
        off = at_ns - self._expected_ns
        self._expected_ns = (
            at_ns if abs(off) > _LOST * period else self._expected_ns + off // _FOLLOW
        )

    def made(self, took_ns: int) -> None:
        """Note how long it took from the arrival until the first frame could be shown."""
        error = took_ns - self._making_ns
        self._spread_ns += (abs(error) - self._spread_ns) // _LEARN
        self._making_ns += error // _LEARN

    def due_ns(self, part: int, parts: int) -> int:
        """Return when frame `part` (0 .. parts-1) of this arrival is to be shown.

        The last one is due at most one period after the arrival, also of a frame that came early.
        """
        spacing = self.period_ns // parts
        allowance = min(self._making_ns + 3 * self._spread_ns, spacing)
        due = self._expected_ns + allowance + part * spacing
        return min(due, self._arrived_ns + (part + 1) * spacing)


def sleep_until(due_ns: int) -> None:
    """Return at `due_ns`, or at once if that is past; never sleeps more than a second."""
    left = due_ns - now_ns()
    if left > 0:
        time.sleep(min(left, 1_000_000_000) / 1e9)
