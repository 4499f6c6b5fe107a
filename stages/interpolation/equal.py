"""Whether two frames are the same."""

import numpy as np
from numpy.typing import NDArray


def equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two frames, C-contiguous BGRA, have the same content."""
    # Eight bytes at a time: 0.04 ms for 512x512. An odd number of pixels, four.
    unit = np.uint64 if one.size % 8 == 0 else np.uint32
    return np.array_equal(one.reshape(-1).view(unit), other.reshape(-1).view(unit))
