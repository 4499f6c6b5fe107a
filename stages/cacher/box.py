"""A part of a frame."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class Box(NamedTuple):
    """The part of the frame that is stored, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, frame: Image) -> Image:
        """The view of `frame` inside the box."""
        return frame[self.top : self.top + self.height, self.left : self.left + self.width]

    def around(self, other: "Box") -> "Box":
        """The smallest box that both are in."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        right = max(self.left + self.width, other.left + other.width)
        bottom = max(self.top + self.height, other.top + other.height)
        return Box(left, top, right - left, bottom - top)
