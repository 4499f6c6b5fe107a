"""From linear light to the levels of a display."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

STEPS: Final = 65535  # of the table


def _table() -> NDArray[np.uint8]:
    linear = np.arange(STEPS + 1) / STEPS
    curve = 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    unit = np.where(linear <= 0.003130804953560372, 12.92 * linear, curve)
    levels: NDArray[np.uint8] = np.rint(unit * 255).astype(np.uint8)
    return levels


# (65536,): the sRGB level of each linear value; at most one off for what lies between two.
DISPLAY: Final = _table()
