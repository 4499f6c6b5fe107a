"""Several rings read as one stream, ordered by the sequence of the pose their frames show.

The cacher's hits and the avatar's frames come in two rings with a writer each; together they answer
every pose at most once. Whoever follows reads them through this, and never goes back in time.
"""

from collections.abc import Sequence

from shm.clock import now_ns
from shm.doorbell import wait_any
from shm.frame import Frame, FrameFormat, FrameLost, State
from shm.reader import RingReader

_LOOK_AGAIN_NS = 1_000_000_000


class MergedReader:
    """Reads one or more rings of one format, newest pose first, never an older one afterwards.

    Opens and owns its readers. With several rings `shown` is the pose sequence of the last frame
    returned and `late` counts frames that came after a newer pose had been returned; `dropped`
    counts all that were passed over.
    """

    def __init__(self, names: Sequence[str], *, timeout_s: float = 0.0) -> None:
        """Raises `SegmentMissing`, `LayoutMismatch`, or ValueError if the formats differ."""
        self.readers = [RingReader(name, timeout_s=timeout_s) for name in names]
        self.format: FrameFormat = self.readers[0].format
        if any(reader.format != self.format for reader in self.readers):
            formats = {reader.name: reader.format for reader in self.readers}
            self.close()
            raise ValueError(f"rings of different formats cannot be one stream: {formats}")
        self.shown = 0
        self.late = 0
        self._bells = [reader.bell for reader in self.readers]

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
        end = now_ns() + int(timeout_s * 1e9)
        while True:
            seen = [reader.head for reader in self.readers]
            frame = self._newest_of_all()
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
            if frame is None:
                continue
            try:
                pose = frame.stamp.pose_sequence
            except FrameLost:
                reader.dropped += 1
                continue
            if pose <= self.shown:
                self.late += 1
                continue
            if best is not None:
                reader.dropped += 1  # one of two whole frames is passed over
            best, self.shown = frame, pose
        return best

    def close(self) -> None:
        """Let the rings go."""
        for reader in self.readers:
            reader.close()

    def __enter__(self) -> "MergedReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
