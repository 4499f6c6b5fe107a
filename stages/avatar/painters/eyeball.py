"""The white of an eye and the iris on it, whole, as if there were no lids."""

from typing import Any

import cv2
import numpy as np

from stages.avatar.boxes import Box
from stages.avatar.painters.layers import Colours, Plane, distance, filled, lay_over, lifted, ramp
from stages.avatar.painters.lids import Lids


class Eyeball:
    """White and iris of one eye; what the lids hide of them is drawn on.

    `inside` is how much each pixel lies in the opening, `below` the face without the eye.
    """

    def __init__(
        self,
        drawing: Colours,
        below: Colours,
        inside: Plane,
        x: Plane,
        y: Plane,
        iris: Box,
        lids: Lids,
    ) -> None:
        self._x, self._y = x, y
        self._below = below
        self._ellipse = _ellipse(iris)
        self._white = self._white_of(drawing, inside)
        self._iris = lifted(drawing, self._white, self._iris_alpha(drawing, inside))
        self._complete_iris(lids)

    def painted(self, across: float, down: float, size: float, lid_shift: Plane | None) -> Colours:
        """White and iris, the iris moved by pixels and shrunk about its centre.

        `lid_shift`, rows for each column, is how far the upper lid has come down: the shade below
        it goes along.
        """
        white: Any = self._white
        if lid_shift is not None:
            white = cv2.remap(
                white, self._x, self._y - 0.5 * lid_shift, cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
        else:
            white = white.copy()
        if across == 0 and down == 0 and size == 1:
            self._iris.over(white)
        else:
            lay_over(self._moved_iris(across, down, size), white)
        return np.asarray(white, np.float32)

    def _moved_iris(self, across: float, down: float, size: float) -> Colours:
        x, y = self._ellipse[:2]
        # From a place of the result to one of the layer.
        back = np.array(
            [[1 / size, 0, x - (x + across) / size], [0, 1 / size, y - (y + down) / size]]
        )
        flags = (cv2.INTER_AREA if size < 0.5 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
        extent = (self._x.shape[1], self._x.shape[0])
        return np.asarray(cv2.warpAffine(self._iris.pixels, back, extent, flags=flags), np.float32)

    def _white_of(self, drawing: Colours, inside: Plane) -> Colours:
        """The eyeball without its iris, drawn on over the whole region."""
        x, y, half_width, half_height = self._ellipse
        radius = np.hypot((self._x - x) / (half_width + 1.5), (self._y - y) / (half_height + 1.5))
        light = drawing.min(axis=2)
        white = (
            (inside > 0.99) & (radius > 1) & (light > 0.7 * np.percentile(light[inside > 0.9], 95))
        )
        from_white = distance(drawing, np.full_like(drawing, 252.0), shade=0.4)
        white &= (from_white < distance(drawing, self._below, shade=0.4)) & (from_white < 8)
        if white.sum() < 6:
            return np.full_like(drawing, (250.0, 248.0, 248.0))
        bright = white & (light > 0.97 * np.percentile(light[white], 75))
        far = filled(drawing, bright.astype(np.float32))
        return np.where(white[..., np.newaxis], drawing, far).astype(np.float32)

    def _iris_alpha(self, drawing: Colours, inside: Plane) -> Plane:
        x, y, half_width, half_height = self._ellipse
        radius = np.hypot((self._x - x) / half_width, (self._y - y) / half_height)
        reach = 1.0 / half_width
        sure = ramp(radius, 0.9, 0.9 - reach)
        may = ramp(radius, 1.0 + 2.2 * reach, 1.0 + 1.2 * reach)
        seen = ramp(distance(drawing, self._white), 3.0, 22.0) * (inside > 0)
        alpha: Plane = np.maximum(sure, may * seen)
        return alpha

    def _complete_iris(self, lids: Lids) -> None:
        """Draw the iris on below the lid and the lower lid, where the picture hides it."""
        first = np.minimum(lids.upper + 1.6, self._ellipse[1])
        last = np.maximum(lids.lower - 1.2, self._ellipse[1])
        y = np.clip(self._y, first, last).astype(np.float32)
        x, centre, half_width, half_height = self._ellipse
        hidden = (self._y < first) | (self._y > last)
        pixels = cv2.remap(self._iris.pixels, self._x, y, cv2.INTER_LINEAR)
        radius = np.hypot((self._x - x) / half_width, (self._y - centre) / half_height)
        edge = ramp(radius, 1.0 + 0.5 / half_width, 1.0 - 0.7 / half_width)
        alpha = np.maximum(pixels[..., 3:], 1e-3)
        drawn = np.concatenate([pixels[..., :3] / alpha, np.ones_like(alpha)], axis=2)
        # A gleam on the iris is not drawn on.
        near = self._iris.pixels[(self._iris.pixels[..., 3] > 0.99) & ~hidden & (self._y < centre)]
        if len(near) > 8:
            drawn[..., :3] = np.minimum(drawn[..., :3], np.median(near, axis=0)[:3] * 1.05)
        drawn *= edge[..., np.newaxis]
        self._iris.pixels[hidden] = drawn[hidden]


def _ellipse(iris: Box) -> tuple[float, float, float, float]:
    """Centre and half axes of the whole iris, of which the lids may hide the upper part."""
    x = iris.centre[0]
    half_width = iris.width / 2
    half_height = max(iris.height / 2, min(1.1 * half_width, iris.height / 2 * 1.35))
    return x, iris.bottom - 0.5 - half_height, half_width, half_height
