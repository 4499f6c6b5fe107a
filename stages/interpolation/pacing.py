"""When to show frames so that they are evenly spaced in time, and how many of them."""

import time
from collections import deque
from typing import Final

from shm.clock import now_ns
from stages.interpolation.beat import Beat

_KEPT: Final = 64  # pairs of frames whose times are known
_ENOUGH: Final = 16  # of these before the wait may only creep
_STEP: Final = 32  # the wait for a frame changes by no more than this part of a step at once
_RARELY: Final = 0.05  # so many may be late
_OFTEN: Final = 0.15  # so many late ones are too many ...
_LATE: Final = 0.15  # ... that are late by more than this part of a step
_ROOM: Final = 0.9  # of the time there is, so that an accident does not make the next one late
_SLOWER: Final = 1.25  # input so much slower than before leaves time for all again
_PATIENCE: Final = 64  # pairs before more frames are tried again; twice as many each time it failed
_MOST_PATIENCE: Final = 4096
_LONGEST_NS: Final = 1_000_000_000
_MOST_LATE_NS: Final = 500_000  # more is an accident, from which nothing is learnt
_LEARN: Final = 16  # how late it usually wakes gives way by one part in so many


class Pacer:
    """Lays a grid of times over the beat of the input, on which frames are to be shown.

    A frame is due as much after the beat as making the first one of a pair usually takes, so that
    a slow one is not late at once, and never so late that the read frame would wait for longer than
    a period. Where that is too little time for all frames of a scale, fewer are to be made, evenly
    spaced as well.
    """

    def __init__(self) -> None:
        self._beat = Beat()
        self._wait_ns = 0  # from the beat until the first frame of a pair
        self._ready: deque[int] = deque(maxlen=_KEPT)  # when it was made, after the beat
        self._work: deque[int] = deque(maxlen=_KEPT)  # what all frames of a pair took
        self._scale = self._parts = 0
        self.reason = ""  # why the number of frames to show changed
        self._patience = _PATIENCE
        self._settled_ns = 0  # the period when `_parts` was settled
        self._raised = False  # whether `_parts` was less before
        self._pairs = 0  # since `_parts` changed

    @property
    def period_ns(self) -> int:
        """The time between two input frames, 0 while it is not known."""
        return self._beat.period_ns

    @property
    def span_ns(self) -> int:
        """The time that the frames between two are shown in.

        A period, or as many as it takes to make them: then frames of the input are passed over.
        """
        period = self.period_ns
        return (
            period * -(-_quantile(self._work, 0.5) // period) if period and self._work else period
        )

    def arrive(self, at_ns: int, passed_over: int) -> None:
        """Note that an input frame came at `at_ns`, and how many before it were passed over."""
        self._beat.arrive(at_ns, passed_over)

    def made(self, at_ns: int) -> None:
        """Note when the first frame of a pair could have been shown."""
        self._ready.append(at_ns - self._beat.tick_ns)

    def worked(self, took_ns: int) -> None:
        """Note how long the frames of a pair took to make, all together."""
        self._work.append(took_ns)
        self._pairs += 1

    def due_ns(self, part: int, parts: int) -> int:
        """Return when frame `part` (0 .. parts-1) of this arrival is to be shown.

        The last one is due at most `span_ns` after the arrival, also of a frame that came early.
        """
        spacing = self.span_ns // parts
        if part == 0:
            self._adjust(spacing)
        due = self._beat.tick_ns + self._wait_ns + part * spacing
        return min(due, self._beat.arrived_ns + (part + 1) * spacing)

    def _adjust(self, spacing: int) -> None:
        """Lead the wait to what it takes: at once where all is new, else too slowly to be seen."""
        most = max(0, spacing - 2 * self._beat.deviation_ns)
        wanted = max(0, min(_quantile(self._ready, 1 - _RARELY), most))
        step = spacing if len(self._ready) < _ENOUGH else spacing // _STEP
        self._wait_ns += max(-step, min(wanted - self._wait_ns, step))
        self._wait_ns = min(self._wait_ns, spacing)

    def parts(self, scale: int) -> int:
        """Return how many frames to show for the next one read: `scale`, or as many as can be.

        Fewer when too many were late, more again when there is time.
        """
        if scale != self._scale or self.period_ns > _SLOWER * self._settled_ns:
            self._scale, self._patience = scale, _PATIENCE
            self._settle(scale)
        elif len(self._work) == _KEPT and self._parts > 1 and not self._fits(self._parts):
            # Had they fitted for long, it is the machine that changed, and may again.
            failed = self._raised and self._pairs < 2 * _PATIENCE
            self._patience = min(2 * self._patience, _MOST_PATIENCE) if failed else _PATIENCE
            self._settle(max(filter(self._are_in_time, range(2, self._parts)), default=1))
        elif self._may_try(scale) and self._fits(self._parts + 1, _RARELY):
            self._settle(self._parts + 1)
        return self._parts

    def _may_try(self, scale: int) -> bool:
        return self._parts < scale and self._pairs >= self._patience

    def _settle(self, parts: int) -> None:
        """Show so many from here on; the reason is what was measured of as many as were shown."""
        first, all_ = (_quantile(times, 0.5) / 1e6 for times in (self._ready, self._work))
        self.reason = (
            f"of {self._parts} frames for each one read the first is there after {first:.1f} ms, "
            f"all take {all_:.1f} ms, and {1e9 / max(1, self.period_ns):.0f} a second are read"
        )
        self._raised = parts > self._parts
        self._parts, self._pairs, self._settled_ns = parts, 0, self.period_ns
        self._ready.clear()
        self._work.clear()

    def _fits(self, parts: int, late: float = _OFTEN) -> bool:
        """Whether of so many frames for each one read no more than a share would come late."""
        took = _quantile(self._work, 1 - late)
        return took <= _ROOM * self.period_ns and self._are_in_time(parts, late)

    def _are_in_time(self, parts: int, late: float = _OFTEN) -> bool:
        # The last frame in between is kept unless it is late more often than not.
        first = _quantile(self._ready, 1 - late if parts > 2 else 0.5)
        return first <= (1 + _LATE) * self.period_ns / parts


def _quantile(values: deque[int], share: float) -> int:
    """Return the least value that so many are not above, 0 of none."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0


class Alarm:
    """Sleeps until a moment, and learns how much longer than asked the system lets it sleep."""

    def __init__(self) -> None:
        self._late_ns = 0

    def sleep_until(self, due_ns: int) -> None:
        """Return at `due_ns`, or at once if that is past; never sleeps more than a second."""
        wake_ns = due_ns - self._late_ns
        left = wake_ns - now_ns()
        if left > 0:
            time.sleep(min(left, _LONGEST_NS) / 1e9)
            late = min(now_ns() - wake_ns, _MOST_LATE_NS)
            self._late_ns = max(0, self._late_ns + (late - self._late_ns) // _LEARN)
