"""When the next frame is due, so that a reader can be awake for it.

Sleeping until the writer wakes us costs a trip through the scheduler, most of a hand-over's time.
At a steady rate the moment is known: sleep until shortly before, then look at the head in a loop
that is bounded in time. At an unsteady rate looking would burn a core and be slower than sleeping
(7.5 times on a loaded machine), so it is not done then.
"""

from collections.abc import Callable
from typing import Final

from shm.clock import now_ns

_STEADY_NS: Final = 250_000  # greatest usual deviation at which looking pays
_FAR_OFF_NS: Final = 500_000  # a greater error counts as one of this size
_MARGIN_NS: Final = 100_000  # look from so long before a frame may come ...
_EARLIEST_NS: Final = 1_000_000  # ... but never longer before it is due than this
_SHARE: Final = 8  # a new deviation or lateness changes the usual one by one part in eight


class Cadence:
    """Estimates when a ring's frames are published: their interval, their phase, their deviation.

    A loop of the second order, as in a receiver that follows a clock: a quarter of an error
    corrects the phase, a 32nd the interval, which together neither swing nor lag.
    """

    def __init__(self, load_head: Callable[[], int], published_ns: Callable[[int], int]) -> None:
        """`published_ns(head)` is when a frame was published, 0 if that is not known any more."""
        self._load_head = load_head
        self._published_ns = published_ns
        self._sequence = 0
        self._due_ns = 0  # when the last frame should have been published
        self._interval_ns = 0
        self._deviation_ns = _STEADY_NS * 4
        self._late_ns = 0  # how long after the time asked for the system lets us wake, at worst

    def learn(self, head: int) -> None:
        """Learn from the newest frame, if it is a new one.

        When it was published counts, not when we saw it: our own lateness is no news of the writer.
        """
        if head >> 8 != self._sequence and (published := self._published_ns(head)):
            self.saw(head >> 8, published)

    def saw(self, sequence: int, published_ns: int) -> None:
        """Learn from a frame."""
        frames = sequence - self._sequence
        due = self._due_ns + frames * self._interval_ns
        error = published_ns - due
        if abs(error) > self._interval_ns // 2:  # the first, another rate, or a pause: begin anew
            known = self._sequence and not self._interval_ns and frames > 0
            self._interval_ns = error // frames if known else 0
            self._deviation_ns = _STEADY_NS * 4
            due = published_ns
        else:
            # One frame that is far off, on a loaded machine, must not undo what a hundred taught.
            error = max(-_FAR_OFF_NS, min(error, _FAR_OFF_NS))
            due += error // 4
            self._interval_ns += error // (32 * max(1, frames))
            self._deviation_ns += (abs(error) - self._deviation_ns) // _SHARE
        self._sequence, self._due_ns = sequence, due

    def _window(self) -> tuple[int, int]:
        """Return when to be awake for the next frame and when to give up on it."""
        due = self._due_ns + self._interval_ns
        around = _MARGIN_NS + 2 * self._deviation_ns
        return due - min(around + self._late_ns, _EARLIEST_NS), due + around

    def expects(self, end_ns: int) -> bool:
        """Whether the next frame is due before `end_ns` with enough certainty to look for it."""
        steady = self._interval_ns and self._deviation_ns < _STEADY_NS
        return bool(steady) and now_ns() < self._window()[0] < end_ns

    def watch(self, sleep: Callable[[int, int], None], seen: int) -> int:
        """Sleep until shortly before the frame is due, look for a while; return the head then."""
        load, now = self._load_head, now_ns
        start, end = self._window()
        left = start - now_ns()
        if left > 0:
            sleep(seen, left)
            late = now_ns() - start
            if late < 0:  # the frame came before its time, or a signal
                return load()
            # Up at once and down slowly: nearly every wake-up has to be in time, not the usual one.
            error = late - self._late_ns
            self._late_ns += error // 2 if error > 0 else error // 16
        while (head := load()) == seen and now() < end:
            pass
        return head
