"""The rule by which two poses share one cached picture.

Each parameter is rounded to the nearest multiple of 1/levels: 0 and both ends of every range are
multiples, so a resting face and a closed eye come out exactly. The rounded pose is what gets
rendered, so a picture never depends on which of the poses sharing it came first.
"""

import numpy as np
from numpy.typing import NDArray

from stages.pose import HIGH, LOW, SIZE

DEFAULT_LEVELS = 50
# A key must tell all steps from -levels to levels apart: one byte each up to 127, else two.
_ONE_BYTE_LEVELS = 127
_MOST_LEVELS = 10_000


class Quantiser:
    """Rounds poses to `levels` steps per unit of every parameter. Holds no state."""

    def __init__(self, levels: int = DEFAULT_LEVELS) -> None:
        if not 1 <= levels <= _MOST_LEVELS:
            raise ValueError(f"levels is {levels}, allowed are 1 to {_MOST_LEVELS}")
        self._levels = np.float32(levels)
        self._key_type = np.dtype("<i1" if levels <= _ONE_BYTE_LEVELS else "<i2")

    def quantise(
        self, pose: NDArray[np.float32], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return the pose to render for `pose`, (45,), in `out` if given; a fresh array if not.

        A value out of range counts as the nearer bound; NaN raises `ValueError`. Rounding a
        rounded pose changes nothing.
        """
        rounded = np.empty(SIZE, np.float32) if out is None else out
        np.divide(self._steps(pose), self._levels, out=rounded)
        return rounded

    def key(self, pose: NDArray[np.float32]) -> bytes:
        """Return 45 bytes (90 above 127 levels), equal for poses that `quantise` makes equal.

        The same on every machine and in every process. NaN raises `ValueError`.
        """
        return self._steps(pose).astype(self._key_type).tobytes()

    def _steps(self, pose: NDArray[np.float32]) -> NDArray[np.float32]:
        """Whole numbers from -levels to levels, as float32; -0 becomes 0."""
        if pose.shape != (SIZE,):
            raise ValueError(f"a pose is ({SIZE},), not {pose.shape}")
        if np.isnan(pose).any():
            raise ValueError("a pose holds NaN")
        bounded = np.clip(pose, LOW, HIGH, dtype=np.float32)
        steps: NDArray[np.float32] = np.rint(bounded * self._levels)
        steps += np.float32(0)
        return steps
