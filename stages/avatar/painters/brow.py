"""A brow lifted off the face and put back elsewhere, tilted or bent."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.painters.layers import (
    Colours,
    Layer,
    Plane,
    distance,
    filled,
    grown,
    lab,
    lifted,
    ramp,
)
from stages.pose import INDEX


class _Way(NamedTuple):
    """Where a brow goes at full scale: parts of the distance between the eyes, downwards."""

    name: str
    inner: float
    middle: float
    outer: float
    inwards: float = 0.0


_WAYS = (
    _Way("troubled", -0.11, -0.045, 0.045, 0.01),
    _Way("angry", 0.105, 0.02, -0.075, 0.04),
    _Way("lowered", 0.11, 0.115, 0.10),
    _Way("raised", -0.10, -0.115, -0.10),
    _Way("happy", -0.075, -0.105, -0.055),
    _Way("serious", 0.07, 0.03, 0.005, 0.03),
)


class BrowPainter:
    """Paints one brow into the face. `origin` is the region's upper left corner in the picture."""

    def __init__(
        self, drawing: Colours, origin: tuple[int, int], brow: Box, apart: float, side: str
    ) -> None:
        self._names = [INDEX[f"eyebrow_{way.name}_{side}"] for way in _WAYS]
        box = brow._replace(x=brow.x - origin[0], y=brow.y - origin[1])
        height, width = drawing.shape[:2]
        self._x, self._y = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        self._outwards = 1.0 if side == "left" else -1.0
        middle = box.centre[0]
        position = self._outwards * (self._x[0] - middle) / (box.width / 2)
        self._place: Plane = np.clip(position, -1.3, 1.3).astype(np.float32)
        self._bends = apart * np.stack([_bend(way, self._place) for way in _WAYS])
        self._inwards = apart * np.array([way.inwards for way in _WAYS], np.float32)
        alpha, self.below = _found(drawing, box, self._x, self._y)
        self._brow: Layer = lifted(drawing, self.below, alpha)

    def paint(self, pose: NDArray[np.float32], ground: Colours) -> None:
        """Paint the brow over `ground`, the face without it, in place."""
        ways = pose[self._names]
        total = float(ways.sum())
        if total > 1.5:
            ways = ways * (1.5 / total)
        down = ways @ self._bends
        shift = self._outwards * float(ways @ self._inwards)
        moved_x = np.add(self._x, shift, dtype=np.float32)
        self._brow.moved(moved_x, np.subtract(self._y, down, dtype=np.float32)).over(ground)


def _bend(way: _Way, place: Plane) -> Plane:
    """The parabola through the three points of a way."""
    tilt = (way.outer - way.inner) / 2
    arch = (way.outer + way.inner) / 2 - way.middle
    bend: Plane = way.middle + tilt * place + arch * place * place
    return bend


def _found(drawing: Colours, box: Box, x: Plane, y: Plane) -> tuple[Plane, Colours]:
    """The share of the brow in each pixel, and the face without it."""
    light = lab(drawing)[..., 0]
    rows = _line(light, box)
    half = 0.5 * _thickness(light, rows, box) + 0.6
    near = ramp(np.abs(y - rows), half + 0.8, half - 0.2)
    near *= ramp(x, box.x - 3.5, box.x - 1.5) * ramp(x, box.right + 2.5, box.right + 0.5)
    # Lines of hair cross a brow: what goes on above and below the band is not the brow's.
    band = near > 0
    around = grown(band, 4) & ~grown(band, 1)
    smooth = filled(drawing, around.astype(np.float32))
    dark = lab(smooth)[..., 0] - light
    on_line = dark[np.abs(y - rows) < 1.0]
    depth = (
        float(np.clip(np.percentile(on_line[on_line > 0], 60), 6, 60))
        if (on_line > 0).any()
        else 20.0
    )
    share = near * ramp(dark, 0.12 * depth, 0.6 * depth)
    hidden = grown(share > 0.05, 1) & band
    below = _healed(drawing, hidden)
    # What differs from the healed face, but only near what is dark enough for a brow.
    seen = ramp(distance(drawing, below), 1.5, max(0.55 * depth, 6.0))
    alpha = seen * hidden * cv2.GaussianBlur(grown(share > 0.3, 1).astype(np.float32), (3, 3), 0)
    below = np.where(alpha[..., np.newaxis] > 0.004, below, drawing).astype(np.float32)
    return alpha, below


def _line(light: NDArray[np.float32], box: Box) -> Plane:
    """The row of the brow's darkest line in each column, as a parabola."""
    top, bottom = max(int(box.y) - 1, 0), int(box.bottom) + 1
    left, right = max(int(box.x), 0), int(box.right)
    part = light[top:bottom, left:right]
    dark = np.clip(np.median(part) - part, 0, None) + 1e-3
    weight = np.square(dark)
    rows = (weight * np.arange(top, top + part.shape[0])[:, np.newaxis]).sum(axis=0) / weight.sum(
        axis=0
    )
    columns = np.arange(left, left + part.shape[1])
    strength = np.sqrt(dark.max(axis=0))
    for _ in range(3):
        fit = np.polynomial.Polynomial.fit(columns, rows, 2, w=strength)
        strength = np.where(np.abs(fit(columns) - rows) > 1.5, 0.3 * strength, strength)
    return np.asarray(fit(np.clip(np.arange(light.shape[1]), left, right)), np.float32)


def _thickness(light: NDArray[np.float32], rows: Plane, box: Box) -> float:
    """How many rows of the line are dark, in its median column."""
    counts = []
    for column in range(max(int(box.x), 0), min(int(box.right), light.shape[1])):
        top = max(int(rows[column]) - 4, 0)
        part = light[top : int(rows[column]) + 6, column]
        if part.size:
            level = (float(part.min()) + float(part.max())) / 2
            counts.append(int((part < level).sum()))
    return float(np.clip(np.median(counts) if counts else 2.0, 1.5, 6.0))


def _healed(drawing: Colours, hidden: NDArray[np.bool_]) -> Colours:
    """The drawing with the hidden part drawn on from above and below.

    A brow is level, and the hair it may be drawn over falls: its lines go on through the gap.
    """
    rows = np.arange(len(drawing))[:, np.newaxis]
    last = len(drawing) - 1
    above = np.maximum.accumulate(np.where(hidden, -1, rows), axis=0)
    below = np.minimum.accumulate(np.where(hidden, last + 1, rows)[::-1], axis=0)[::-1]
    above, below = np.where(above < 0, below, above), np.where(below > last, above, below)
    share = ((rows - above) / np.maximum(below - above, 1)).astype(np.float32)[..., np.newaxis]
    columns = np.arange(drawing.shape[1])
    healed = drawing[above.clip(0, last), columns] * (1 - share)
    healed += drawing[below.clip(0, last), columns] * share
    return np.where(hidden[..., np.newaxis], healed, drawing).astype(np.float32)
