"""Where one scene ends and another begins: nothing is made in between there."""

import statistics
from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_SIZE = (64, 36)
_LEAST = 20.0  # levels: motion of a character in front of a still ground stays under 10
_TIMES = 4.0  # as much as usual: a shaking camera differs from frame to frame, too
_REMEMBERED = 12


class CutDetector:
    """Tells cuts from motion by how much small pictures differ, against what is usual."""

    def __init__(self, least: float = _LEAST) -> None:
        """`least` is the mean difference of the small pictures, in levels, that may be a cut."""
        self._least = least
        self._before: NDArray[np.float32] | None = None
        self._usual: deque[float] = deque(maxlen=_REMEMBERED)

    def is_cut(self, frame: Image) -> bool:
        """Take the next frame, BGRA or BGR; return whether a scene begins with it."""
        small = cv2.resize(frame[..., :3], _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, np.asarray(small, np.float32)
        if before is None:
            return False
        difference = float(np.abs(small - before).mean())
        usual = statistics.median(self._usual) if self._usual else 0.0
        # Cuts count as well: where every frame would be one, none is.
        self._usual.append(difference)
        return difference > max(self._least, _TIMES * usual)
