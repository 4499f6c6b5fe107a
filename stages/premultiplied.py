"""Between straight and premultiplied alpha, only where it makes a difference.

Pixels may be averaged (resampled, blended) only premultiplied: otherwise the colour of invisible
pixels bleeds into the edges. The two forms differ in the soft pixels alone (0 < alpha < 255), a few
per cent of a frame, so only those are calculated here.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_LEVELS = np.arange(256, dtype=np.float32)
_TO_PREMULTIPLIED: NDArray[np.float32] = np.divide(_LEVELS, 255, dtype=np.float32)
_TO_STRAIGHT: NDArray[np.float32] = np.divide(255, np.maximum(_LEVELS, 1), dtype=np.float32)


class AlphaEdge:
    """Converts BGRA frames of one size. Holds the planes it needs, allocated once."""

    def __init__(self, height: int, width: int) -> None:
        self._alpha: Image = np.empty((height, width), np.uint8)
        self._soft: Image = np.empty((height, width), np.uint8)

    def premultiply(self, frame: Image, out: Image) -> None:
        """Write the premultiplied form of `frame`, straight, into `out`, C-contiguous.

        Whatever colours `frame` has under alpha 0, `out` has 0 there.
        """
        cv2.extractChannel(frame, 3, dst=self._alpha)
        out.fill(0)
        cv2.copyTo(frame, self._alpha, out)
        self._scale_soft_pixels(out, _TO_PREMULTIPLIED)

    def straighten(self, frame: Image) -> None:
        """Make `frame`, premultiplied and C-contiguous, straight. Colour stays 0 under alpha 0."""
        cv2.extractChannel(frame, 3, dst=self._alpha)
        self._scale_soft_pixels(frame, _TO_STRAIGHT)

    def _scale_soft_pixels(self, frame: Image, factor_of_alpha: NDArray[np.float32]) -> None:
        """Multiply the colours by a factor for each alpha; `self._alpha` is that of `frame`."""
        cv2.inRange(self._alpha, 1, 254, dst=self._soft)
        # Seen as booleans this search is ten times as fast (0.05 ms against 0.48).
        where = np.flatnonzero(self._soft.view(np.bool_))
        if where.size == 0:
            return
        # A pixel as one 32-bit number: gathering and scattering cost a quarter of four bytes'.
        packed = frame.reshape(-1).view(np.uint32)
        pixels = packed[where].view(np.uint8).reshape(-1, 4)
        alpha = pixels[:, 3]
        scaled = cv2.convertScaleAbs(pixels * np.take(factor_of_alpha, alpha)[:, np.newaxis])
        scaled[:, 3] = alpha
        packed[where] = scaled.reshape(-1).view(np.uint32)
