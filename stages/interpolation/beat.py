"""The beat of the input: how often frames come, and when each should have come."""

import statistics
from collections import deque
from typing import Final

_MEMORY: Final = 32  # frames: what came before these has no weight
_PAUSE_NS: Final = 500_000_000  # so long without a frame is one ...
_PAUSE: Final = 3  # ... if it is more than so many periods, too
_STRAYS: Final = 3  # so many frames in a row far off on the same side are another rate
_FAR: Final = 1 / 8  # of a period, at least, is far off ...
_FAR_DEVIATIONS: Final = 4  # ... and so many usual deviations
_LEARN: Final = 8  # the usual deviation gives way by one part in eight
_LOST: Final = 8  # so many in a row on the same side are no chance: what was long ago misleads


class Beat:
    """Estimates the period and the phase of arrivals that jitter.

    A phase-locked loop whose gains are those of the straight line of least squares through the
    arrivals: through all of them at first, so that it locks at once, later through about the last
    `_MEMORY`, so that one arrival moves it little. A frame that never came leaves it as it is; a
    pause, or another rate, makes it begin anew.
    """

    def __init__(self) -> None:
        self.period_ns = 0  # between two frames, 0 while it is not known
        self.tick_ns = 0  # when the last frame should have come
        self.arrived_ns = 0  # when it did
        self.deviation_ns = 0  # how far apart these two usually are
        self._frames = 0  # that the line is through
        self._strays = 0  # far off in a row: positive those that came late
        self._run = 0  # off at all in a row, likewise
        self._intervals: deque[int] = deque(maxlen=_STRAYS)

    @property
    def is_new(self) -> bool:
        """Whether too few frames came yet to rely on it."""
        return self._frames < 2 * _STRAYS

    def arrive(self, at_ns: int, passed_over: int) -> None:
        """Note that a frame came at `at_ns`, and how many before it were passed over.

        They count: who takes every second frame for a slow rate shows it slowly and so misses every
        second frame for ever.
        """
        interval, frames = at_ns - self.arrived_ns, passed_over + 1
        self.arrived_ns = at_ns
        if not self._frames or interval > max(_PAUSE_NS, _PAUSE * self.period_ns):
            self._begin(0)
            return
        self._intervals.append(interval // frames)
        if not self.period_ns:
            self._begin(interval // frames)
            return
        expected = self.tick_ns + frames * self.period_ns
        error = at_ns - expected
        if self._is_another_rate(error):
            self._begin(int(statistics.median(self._intervals)))
            return
        missing = max(0, round(error / self.period_ns))
        self._follow(expected + missing * self.period_ns, frames + missing)

    def _begin(self, period_ns: int) -> None:
        """Lay the line through the frame that just came."""
        if not period_ns:
            self._intervals.clear()
        self.period_ns, self.tick_ns = period_ns, self.arrived_ns
        self.deviation_ns = period_ns // 16  # not known yet, and soon forgotten
        self._frames = min(2, len(self._intervals) + 1)
        self._strays = self._run = 0

    def _is_another_rate(self, error: int) -> bool:
        far = max(self.period_ns * _FAR, _FAR_DEVIATIONS * self.deviation_ns)
        self._strays = _longer(self._strays, error if abs(error) > far else 0)
        return abs(self._strays) >= _STRAYS

    def _follow(self, expected_ns: int, frames: int) -> None:
        """Lead the line nearer to the frame that came, which was expected then."""
        error = self.arrived_ns - expected_ns
        if abs(error) > self.period_ns // 2:  # too early for one frame more: hold it to be the next
            self.tick_ns = self.arrived_ns
            return
        # One frame that is far off, on a loaded machine, must not undo what many taught.
        most = max(int(self.period_ns * _FAR) // 2, 2 * self.deviation_ns)
        kept = error if self.is_new else max(-most, min(error, most))
        self.deviation_ns += (abs(kept) - self.deviation_ns) // _LEARN
        self._run = _longer(self._run, error)
        if abs(self._run) == _LOST:
            self._frames, self._run = self._frames // 4, 0
        n = self._frames = min(self._frames + 1, _MEMORY)
        self.tick_ns = expected_ns + 2 * (2 * n - 1) * kept // (n * (n + 1))
        self.period_ns += 6 * kept // (n * (n + 1) * frames)


def _longer(run: int, error: int) -> int:
    """Return how many errors in a row are on the same side with this one, negative if below."""
    if not error:
        return 0
    side = 1 if error > 0 else -1
    return run + side if run * side > 0 else side
