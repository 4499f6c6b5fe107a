"""Rings in order of preference: the first, and the next while the first one's writer is gone."""

from collections.abc import Sequence

from shm.clock import now_ns
from shm.doorbell import wait_any
from shm.frame import Frame, FrameLost, State
from shm.reader import RingReader, open_readers

_LOOK_AGAIN_NS = 1_000_000_000


class FallbackReader:
    """Reads poses from the first ring whose writer lives, never an older pose after a newer one.

    `passed_over` counts poses that came too late to be returned, `dropped` those never looked at.
    """

    def __init__(self, names: Sequence[str], *, timeout_s: float = 0.0) -> None:
        """Raises `SegmentMissing`, `LayoutMismatch`."""
        self.readers = open_readers(names, timeout_s)
        self.shown = 0
        self.passed_over = 0
        self._last = self.readers[0]

    @property
    def current(self) -> RingReader:
        """The ring that is read now."""
        return self.awaited()[-1]

    def awaited(self) -> list[RingReader]:
        """Return the rings to wait for: the current one, and those it stands in for.

        Not those behind it: every pose would wake us twice. When the current one's writer dies the
        supervisor rings its bell.
        """
        for index, reader in enumerate(self.readers):
            if reader.state is State.RUNNING:
                return self.readers[: index + 1]
        return self.readers[:1]

    @property
    def dropped(self) -> int:
        """Poses that were never returned."""
        return self.passed_over + sum(reader.dropped for reader in self.readers)

    def newest(self, timeout_s: float = 0.0) -> Frame | None:
        """Return the newest pose not yet seen, waiting for one; None when the time is over."""
        end = now_ns() + int(timeout_s * 1e9)
        while True:
            awaited = self.awaited()
            seen = [reader.head for reader in awaited]
            frame = self._take()
            if frame is not None:
                return frame
            left = end - now_ns()
            if left <= 0:
                return None
            bells = [reader.bell for reader in awaited]
            wait_any(bells, seen, min(left, _LOOK_AGAIN_NS))

    def _take(self) -> Frame | None:
        current = self.current
        if current is not self._last:
            # What went through this ring while another one was read was not dropped by us.
            current.skip()
            self._last = current
        frame = current.newest()
        if frame is None:
            return None
        try:
            pose = frame.stamp.pose_sequence
        except FrameLost:
            return None
        if pose <= self.shown:
            self.passed_over += 1
            return None
        self.shown = pose
        return frame

    def close(self) -> None:
        """Let the rings go."""
        for reader in self.readers:
            reader.close()
