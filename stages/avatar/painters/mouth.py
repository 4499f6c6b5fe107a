"""The mouth: the drawn one bends, and gives way to one painted open.

An open mouth is an outline of two curves between its corners, filled with the dark of the mouth,
teeth behind the upper lip and the tongue above the lower. Shapes are mixed as numbers before
anything is drawn, so that every mixture is a mouth. It is drawn four times too large and reduced.
"""

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
    lay_over,
    lifted,
    ramp,
)
from stages.pose import INDEX

_SCALE = 4
_POINTS = 25
_SHIFT = 4  # OpenCV's fixed point: a sixteenth of a pixel


class Shape(NamedTuple):
    """An open mouth; lengths are parts of the distance between the eyes."""

    half_width: float
    up: float  # from the line of the corners to the top
    down: float  # to the bottom
    upper_power: float  # 2: an arch; larger: flat with steep corners; 1: a tip
    lower_power: float
    teeth: float  # share of the opening's height
    tongue: float


_SHAPES = {
    "aaa": Shape(0.185, 0.035, 0.205, 4.0, 2.4, 0.20, 0.50),
    "iii": Shape(0.175, 0.025, 0.055, 3.5, 3.0, 1.00, 0.00),
    "uuu": Shape(0.095, 0.040, 0.060, 2.2, 2.2, 0.00, 0.35),
    "eee": Shape(0.180, 0.030, 0.115, 4.0, 2.8, 0.35, 0.40),
    "ooo": Shape(0.115, 0.075, 0.150, 2.2, 2.2, 0.12, 0.40),
    "delta": Shape(0.125, 0.090, 0.040, 1.15, 5.0, 0.00, 0.50),
    "smirk": Shape(0.170, 0.012, 0.045, 3.0, 2.6, 0.70, 0.00),
}
_CORNER = 0.065  # how far a corner goes up or down


class MouthPainter:
    """Paints the mouth into the face. `origin` is the region's upper left corner in the picture."""

    def __init__(
        self, drawing: Colours, origin: tuple[int, int], mouth: Box, apart: float, skin: Colours
    ) -> None:
        box = mouth._replace(x=mouth.x - origin[0], y=mouth.y - origin[1])
        height, width = drawing.shape[:2]
        self._size = (width, height)
        self._x, self._y = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        self._apart = apart
        self._centre_x = box.centre[0]
        self._half = max(box.width / 2, 0.08 * apart)
        self._place: Plane = ((self._x[0] - self._centre_x) / self._half).astype(np.float32)
        near = ramp(np.abs(self._x - box.centre[0]), box.width / 2 + 3.5, box.width / 2 + 1.5)
        near *= ramp(np.abs(self._y - box.centre[1]), box.height / 2 + 3.5, box.height / 2 + 1.5)
        other = distance(drawing, skin)
        hidden = grown((near > 0.5) & (other > 4), 1) | (near > 0.9)
        self.below: Colours = np.where(
            hidden[..., np.newaxis],
            filled(drawing, ((~hidden) & (other < 25)).astype(np.float32)),
            drawing,
        ).astype(np.float32)
        apart_from = distance(drawing, self.below)
        depth = float(np.clip(np.percentile(apart_from[hidden], 90), 4.0, 40.0))
        alpha = ramp(apart_from, 0.8, 0.7 * depth) * hidden
        self._drawn: Layer = lifted(drawing, self.below, alpha)
        self._is_open = box.height > 0.13 * apart
        self._line_y, self._bow = _course(alpha, self._place, box, self._is_open)
        self._line, self._inside, self._tongue, self._teeth = _inks(
            drawing, alpha, self.below, self._is_open
        )
        self._canvas = np.empty((height * _SCALE, width * _SCALE, 4), np.uint8)
        self._mask = np.empty(self._canvas.shape[:2], np.uint8)

    def paint(self, pose: NDArray[np.float32], ground: Colours) -> None:
        """Paint the mouth over `ground`, the face without it, in place."""
        weights = {name: float(pose[INDEX[f"mouth_{name}"]]) for name in _SHAPES}
        total = sum(weights.values())
        amount = min(total, 1.0)
        corners = self._corners(pose, weights["smirk"])
        # The drawn mouth gives way while the painted one is hardly open.
        stays = 1.0 - float(np.clip((amount - 0.02) / 0.2, 0.0, 1.0))
        if stays > 0:
            down = np.subtract(self._y, corners, dtype=np.float32)
            pixels = self._drawn.moved(self._x, down).pixels
            lay_over(pixels * stays if stays < 1 else pixels, ground)
        if amount > 0.02:
            shape = _mixed(weights, total)
            self._paint_open(shape, amount, 1.0 - stays, pose, weights["smirk"], ground)

    def _corners(self, pose: NDArray[np.float32], smirk: float) -> Plane:
        """How far each column of the drawn mouth goes down."""
        place = np.clip(self._place, -1.25, 1.25)
        left, right = self._corner_ends(pose, smirk)
        ends = np.where(place > 0, left, right) * self._apart
        # The middle gives way a little, so that a bend is not a shift.
        rest = 0.125 * (left + right) * self._apart
        down: Plane = (ends * place * place - rest).astype(np.float32)
        return down

    def _corner_ends(self, pose: NDArray[np.float32], smirk: float) -> tuple[float, float]:
        """How far the corners go down: the subject's left (the picture's right) and right."""
        ends = [
            _CORNER
            * float(
                pose[INDEX[f"mouth_lowered_corner_{s}"]] - pose[INDEX[f"mouth_raised_corner_{s}"]]
            )
            - 0.5 * _CORNER * smirk
            for s in ("left", "right")
        ]
        return ends[0], ends[1]

    def _paint_open(
        self, shape: Shape, amount: float, opacity: float, pose: NDArray[np.float32], smirk: float,
        ground: Colours,
    ) -> None:  # fmt: skip
        grow = amount if amount < 1 else 1.0
        half = self._half + (shape.half_width * self._apart - self._half) * grow
        t = np.linspace(-1.0, 1.0, _POINTS)
        left, right = self._corner_ends(pose, smirk)
        ends = np.where(t > 0, left, right) * self._apart * 0.7
        line = self._line_y + ends * t * t + self._bow * (1 - grow * 0.7) * (1 - t * t)
        upper = line - grow * shape.up * self._apart * (1 - np.abs(t) ** shape.upper_power)
        lower = line + grow * shape.down * self._apart * (1 - np.abs(t) ** shape.lower_power)
        x = self._centre_x + half * t
        outline = np.concatenate([np.stack([x, upper], 1), np.stack([x, lower], 1)[::-1]])
        pixels = self._drawing(outline, x, upper, lower, shape)
        lay_over(pixels * opacity if opacity < 1 else pixels, ground)

    def _drawing(
        self, outline: NDArray[np.float64], x: NDArray[np.float64], upper: NDArray[np.float64],
        lower: NDArray[np.float64], shape: Shape,
    ) -> NDArray[np.float32]:  # fmt: skip
        """The open mouth as premultiplied pixels of the region."""
        canvas, mask = self._canvas, self._mask
        canvas[:] = 0
        canvas[..., :3] = self._line
        mask[:] = 0
        cv2.fillPoly(canvas, [_fixed(outline)], (*self._inside, 255), cv2.LINE_AA, _SHIFT)
        middle = len(x) // 2
        open_by = lower[middle] - upper[middle]
        if shape.teeth > 0.02:
            edge = upper + shape.teeth * 0.9 * (lower - upper)
            teeth = np.concatenate([np.stack([x, upper], 1), np.stack([x, edge], 1)[::-1]])
            cv2.fillPoly(canvas, [_fixed(teeth)], (*self._teeth, 255), cv2.LINE_AA, _SHIFT)
        if shape.tongue > 0.02 and open_by > 1.5:
            self._draw_tongue(outline, x, lower, open_by, shape)
        ink = (*self._line, 255)
        thin, thick = self._strokes(open_by)
        lower_line, upper_line = np.stack([x, lower], 1), np.stack([x, upper], 1)
        cv2.polylines(canvas, [_fixed(lower_line)], False, ink, thin, cv2.LINE_AA, _SHIFT)
        cv2.polylines(canvas, [_fixed(upper_line)], False, ink, thick, cv2.LINE_AA, _SHIFT)
        small = cv2.resize(canvas, self._size, interpolation=cv2.INTER_AREA).astype(np.float32)
        small[..., 3] *= 1 / 255
        # The colour outside of the outline is the line's: straight alpha without fringes.
        small[..., :3] *= small[..., 3:]
        return small

    def _strokes(self, open_by: float) -> tuple[int, int]:
        width = 0.018 * self._apart * _SCALE
        return max(round(width), 2), max(round(1.35 * width), 3)

    def _draw_tongue(
        self, outline: NDArray[np.float64], x: NDArray[np.float64], lower: NDArray[np.float64],
        open_by: float, shape: Shape,
    ) -> None:  # fmt: skip
        """A hump that rises from below, kept inside the outline."""
        mask, middle = self._mask, len(x) // 2
        half = (x[-1] - x[0]) / 2
        centre = (x[middle], lower[middle] + 0.25 * open_by)
        axes = (0.72 * half, (0.25 + shape.tongue) * open_by)
        around = np.linspace(0, 2 * np.pi, 32)
        hump = np.stack(
            [centre[0] + axes[0] * np.cos(around), centre[1] + axes[1] * np.sin(around)], 1
        )
        cv2.fillPoly(mask, [_fixed(hump)], 255, cv2.LINE_AA, _SHIFT)
        inside = np.zeros_like(mask)
        cv2.fillPoly(inside, [_fixed(outline)], 255, cv2.LINE_8, _SHIFT)
        np.minimum(mask, inside, out=mask)
        left, top = int(x[0] * _SCALE) - 2, int((lower.min() - open_by * 2) * _SCALE)
        part = np.s_[max(top, 0) :, max(left, 0) : int(x[-1] * _SCALE) + 8]
        share = mask[part][..., np.newaxis].astype(np.float32) / 255
        colours = self._canvas[part][..., :3]
        colours[:] = colours + (np.array(self._tongue, np.float32) - colours) * share


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Region pixels to OpenCV's fixed-point pixels of the enlarged canvas."""
    scaled = ((points + 0.5) * _SCALE - 0.5) * (1 << _SHIFT)
    return np.round(scaled).astype(np.int32)[:, np.newaxis, :]


def _mixed(weights: dict[str, float], total: float) -> Shape:
    mixed = np.zeros(len(Shape._fields))
    for name, weight in weights.items():
        mixed += weight / total * np.array(_SHAPES[name])
    return Shape(*mixed.tolist())


def _course(alpha: Plane, place: Plane, box: Box, is_open: bool) -> tuple[float, float]:
    """The row of the corners of the drawn mouth and how far its middle hangs below them."""
    if is_open:
        return box.y + 0.25 * box.height, 0.0
    columns = np.flatnonzero((np.abs(place) < 1) & (alpha.max(axis=0) > 0.2))
    if columns.size < 5:
        return box.centre[1], 0.0
    part = alpha[:, columns]
    rows = (part * np.arange(len(part))[:, np.newaxis]).sum(axis=0) / part.sum(axis=0)
    bend = np.polynomial.Polynomial.fit(place[columns], rows, 2, domain=[-1, 1])
    middle, ends = float(bend(0.0)), float(bend(-1.0) + bend(1.0)) / 2
    bow = float(np.clip(middle - ends, -0.5 * box.height, box.height))
    return middle - bow, bow


def _inks(
    drawing: Colours, alpha: Plane, below: Colours, is_open: bool
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Line, inside, tongue and teeth, BGR: shades of the skin, the line near the drawn one."""
    skin = np.median(below.reshape(-1, 3), axis=0)
    core = drawing[alpha > 0.8]
    line = skin * (0.36, 0.38, 0.62)
    if core.size:
        light = lab(core[np.newaxis])[0, :, 0]
        drawn = core[light <= np.percentile(light, 25)].mean(axis=0)
        line = 0.5 * line + 0.5 * np.minimum(drawn, skin * (0.5, 0.5, 0.75))
    inside = skin * (0.42, 0.40, 0.70)
    tongue = skin * (0.62, 0.58, 0.95)
    if is_open and core.size:
        tongue = np.median(core, axis=0)
        inside = tongue * (0.78, 0.76, 0.88)
        line = inside * 0.85
    teeth = np.minimum(skin * 0.35 + 165.0, 252.0)
    bgr = [
        tuple(int(v) for v in np.clip(np.round(c), 0, 255)) for c in (line, inside, tongue, teeth)
    ]
    return bgr[0], bgr[1], bgr[2], bgr[3]
