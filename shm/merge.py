"""Several rings read as one stream, ordered by the sequence of the pose their frames show.

The cacher's hits and the avatar's frames come in two rings with a writer each; together they answer
every pose at most once. Whoever follows reads them through this, and never goes back in time.
"""

from collections.abc import Callable, Sequence

from shm.clock import now_ns
from shm.doorbell import wait_any
from shm.frame import Frame, FrameFormat, State
from shm.reader import RingReader, open_readers

_LOOK_AGAIN_NS = 1_000_000_000


class MergedReader:
    """Reads one or more rings of one format, newest pose first, never an older one afterwards.

    Opens and owns its readers. With several rings `shown` is the pose sequence of the last frame
    returned and `late` counts frames that came after a newer pose had been returned; `dropped`
    counts all that were passed over.
    """

    def __init__(self, names: Sequence[str], *, timeout_s: float = 0.0) -> None:
        """Raises `SegmentMissing`, `LayoutMismatch`, or ValueError if the formats differ."""
        self.readers = open_readers(names, timeout_s)
        self.format: FrameFormat = self.readers[0].format
        if any(reader.format != self.format for reader in self.readers):
            formats = {reader.name: reader.format for reader in self.readers}
            self.close()
            raise ValueError(f"rings of different formats cannot be one stream: {formats}")
        self.shown = 0
        self.late = 0
        self._bells = [reader.bell for reader in self.readers]
        self._waiting: dict[int, Frame] = {}  # read with `next`, by reader, not returned yet

    @property
    def dropped(self) -> int:
        """Frames that were never returned."""
        return self.late + sum(reader.dropped for reader in self.readers)

    @property
    def ended(self) -> bool:
        """Whether no ring will get another frame."""
        return all(reader.ended for reader in self.readers)

    @property
    def dead(self) -> bool:
        """Whether every writer is gone for the moment."""
        return all(reader.state in (State.DEAD, State.ENDED) for reader in self.readers)

    def newest(self, timeout_s: float = 0.0) -> Frame | None:
        """Return the newest frame not yet seen, waiting for one; None when the time is over."""
        if len(self.readers) == 1:
            return self.readers[0].newest(timeout_s)
        return self._wait_for(self._newest_of_all, timeout_s)

    def next(self, timeout_s: float = 0.0) -> Frame | None:
        """Return the frame after the last one, waiting for it; None when the time is over."""
        if len(self.readers) == 1:
            return self.readers[0].next(timeout_s)
        return self._wait_for(self._next_of_all, timeout_s)

    def _wait_for(self, look: Callable[[], Frame | None], timeout_s: float) -> Frame | None:
        end = now_ns() + int(timeout_s * 1e9)
        while True:
            seen = [reader.head for reader in self.readers]
            frame = look()
            if frame is not None:
                return frame
            left = end - now_ns()
            if left <= 0 or self.ended:
                return None
            wait_any(self._bells, seen, min(left, _LOOK_AGAIN_NS))

    def _newest_of_all(self) -> Frame | None:
        best: Frame | None = None
        for reader in self.readers:
            frame = reader.newest()
            pose = self._pose_of(reader, frame)
            if frame is None or pose is None:
                continue
            if best is not None:
                reader.dropped += 1  # one of two whole frames is passed over
            best, self.shown = frame, pose
        return best

    def _next_of_all(self) -> Frame | None:
        """Return the waiting frame of the oldest pose. None of an older pose can come after it: a
        hit is not published before the misses before it.
        """
        for number, reader in enumerate(self.readers):
            if number not in self._waiting and (frame := reader.next()) is not None:
                self._waiting[number] = frame
        while self._waiting:
            number = min(self._waiting, key=lambda n: self.readers[n].pose_of(self._waiting[n]))
            frame = self._waiting.pop(number)
            pose = self._pose_of(self.readers[number], frame)
            if pose is not None:
                self.shown = pose
                return frame
        return None

    def _pose_of(self, reader: RingReader, frame: Frame | None) -> int | None:
        """Return the sequence of a frame's pose if it is newer than what was returned."""
        if frame is None:
            return None
        pose = reader.pose_of(frame)
        if not frame.valid:
            reader.dropped += 1
            return None
        if pose < self.shown:
            self.late += 1
            return None
        return pose

    def close(self) -> None:
        """Let the rings go."""
        for reader in self.readers:
            reader.close()

    def __enter__(self) -> "MergedReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
