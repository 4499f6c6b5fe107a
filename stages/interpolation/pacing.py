"""When to show frames so that they are evenly spaced in time."""

import time
from typing import Final

from shm.clock import now_ns

_FOLLOW: Final = 8  # the grid gives way by one part in eight of what it is off
_LEARN: Final = 8  # the period and the time to make a frame are learnt by one part in eight
_LOST_PERIODS: Final = 1.5  # off by more than this, the grid is laid anew


class Pacer:
    """Lays a grid of times over the input's arrivals and shows `scale` frames per arrival on it.

    Input arrives with jitter; the grid follows it slowly, as a phase-locked loop does, and begins
    anew when the rate changes or the input pauses. A frame is due `allowance` after the grid's
    point, the usual time it takes to make it, so that a slow one is not late at once.
    """

    def __init__(self) -> None:
        self._expected_ns = 0
        self._arrived_ns = 0
        self.period_ns = 0
        self._making_ns = 0
        self._making_spread_ns = 0

    def arrive(self, at_ns: int) -> None:
        """Note that an input frame came at `at_ns`."""
        interval = at_ns - self._arrived_ns
        self._arrived_ns = at_ns
        off = at_ns - self._expected_ns
        if not self.period_ns or abs(off) > _LOST_PERIODS * self.period_ns:
            # The first frame, or a pause, or quite another rate: believe what was just seen.
            self._expected_ns = at_ns
            self.period_ns = min(interval, 1_000_000_000) if self.period_ns or interval > 0 else 0
            return
        self.period_ns += (interval - self.period_ns) // _LEARN
        self._expected_ns += off // _FOLLOW

    def made(self, took_ns: int) -> None:
        """Note how long it took from arrival until the first frame could be shown."""
        self._making_spread_ns += (
            abs(took_ns - self._making_ns) - self._making_spread_ns
        ) // _LEARN
        self._making_ns += (took_ns - self._making_ns) // _LEARN

    def due_ns(self, part: int, scale: int) -> int:
        """Return when frame `part` (0 .. scale-1) of this arrival is to be shown."""
        spacing = self.period_ns // scale
        allowance = min(self._making_ns + 3 * self._making_spread_ns, spacing)
        return self._expected_ns + allowance + part * spacing

    def next_period(self) -> None:
        """Move the grid on by one period; call it after the last frame of an arrival."""
        self._expected_ns += self.period_ns


def sleep_until(due_ns: int) -> None:
    """Return at `due_ns`, or at once if that is past; never sleeps more than a second."""
    left = due_ns - now_ns()
    if left > 0:
        time.sleep(min(left, 1_000_000_000) / 1e9)
