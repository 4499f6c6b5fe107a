"""When the next frame is due, so that a reader can be awake for it.

Sleeping until the writer wakes us costs a trip through the scheduler, most of a hand-over's time.
At a steady rate the moment is known: sleep until shortly before, then look at the head in a loop
that is bounded in time. At an unsteady rate looking would burn a core and be slower than sleeping
(7.5 times on a loaded machine), so it is not done then.
"""

from collections.abc import Callable
from typing import Final

from shm import layout
from shm.clock import now_ns

_HEAD = layout.offsets(layout.HEADER)["head"] // 8

_EARLY_NS: Final = 300_000  # be awake this long before the frame is due: a late timer wake-up fits
_LOOK_NS: Final = 700_000  # look no longer than this in all
_STEADY_NS: Final = 250_000  # greatest usual deviation at which looking pays
_SHARE: Final = 8  # a new interval changes the estimate by one part in eight


class Cadence:
    """Estimates the interval of a ring's frames from when this reader saw them."""

    def __init__(self) -> None:
        self._last_ns = 0
        self._interval_ns = 0
        self._deviation_ns = _STEADY_NS * 4
        self._start_ns = 0

    def saw(self, at_ns: int) -> None:
        """Learn from a frame seen at `at_ns`."""
        interval, first = at_ns - self._last_ns, not self._last_ns
        self._last_ns = at_ns
        if first or not self._interval_ns:
            self._interval_ns, self._deviation_ns = 0 if first else interval, _STEADY_NS * 4
            return
        if interval > 4 * self._interval_ns:  # a pause, or another rate: the next interval tells
            self._interval_ns = 0
            return
        error = interval - self._interval_ns
        self._interval_ns += error // _SHARE
        self._deviation_ns += (abs(error) - self._deviation_ns) // _SHARE

    def expects(self, end_ns: int) -> bool:
        """Whether the next frame is due before `end_ns` with enough certainty to look for it."""
        self._start_ns = self._last_ns + self._interval_ns - _EARLY_NS
        return self._deviation_ns < _STEADY_NS and now_ns() < self._start_ns < end_ns

    def watch(
        self, load: Callable[[int], int], sleep: Callable[[int, int], None], head: int
    ) -> int:
        """Sleep until shortly before the frame is due, look for a while; return the head then."""
        seen = head
        left = self._start_ns - now_ns()
        if left > 0:
            sleep(seen, left)
        end = now_ns() + _LOOK_NS
        while (head := load(_HEAD)) == seen and now_ns() < end:
            pass
        return head
