"""An eye taken apart and painted again: lid of skin, white, iris, lashes.

Everything an eye does is a new course of its two lids: the lower edge of the upper lashes and the
upper edge of the lower lid, one row for every column. Between them the white and the iris are
seen, above them skin; the lashes follow the upper lid.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.layers import (
    Colours,
    Layer,
    Plane,
    distance,
    filled,
    grown,
    lab,
    lay_over,
    lifted,
    off_the_mix,
    ramp,
)
from stages.pose import INDEX

# Of the height of the open eye: how far each movement goes at full scale.
_WIDER = 0.15
_LOWER_LID = 0.22
_LOOK_ACROSS = 0.17  # of the eye's width
_LOOK_UP = 0.22
_SMALLEST = 0.16  # what is left of the iris at iris_small = 1


class Lids(NamedTuple):
    """The edges of the opening, a row for each column; equal where the eye is shut."""

    upper: Plane
    lower: Plane


class Opening(NamedTuple):
    """Where the open eye is in the picture."""

    lids: Lids
    position: Plane  # -1 at the inner corner, 1 at the outer, beyond outside, for each column
    height: float
    width: float
    inside: Plane  # 1 in the columns of the opening, 0 beyond its corners


class EyePainter:
    """Paints one eye into the face. `origin` is the region's upper left corner in the picture."""

    def __init__(
        self,
        drawing: Colours,
        origin: tuple[int, int],
        eye: Box,
        iris: Box,
        skin: Colours,
        side: str,
    ) -> None:
        self._names = [
            INDEX[f"{name}_{side}"]
            for name in (
                "eye_wink", "eye_happy_wink", "eye_relaxed", "eye_unimpressed", "eye_surprised",
                "eye_raised_lower_eyelid", "iris_small",
            )
        ]  # fmt: skip
        eye, iris = (box._replace(x=box.x - origin[0], y=box.y - origin[1]) for box in (eye, iris))
        height, width = drawing.shape[:2]
        self._x, self._y = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        outwards = 1.0 if side == "left" else -1.0
        self._open = find_opening(drawing, eye, iris, skin, outwards)
        self._ellipse = _ellipse(iris)
        position = self._open.position
        self._inner, self._outer = (
            int(np.abs(position + 1).argmin()),
            int(np.abs(position - 1).argmin()),
        )
        self._take_apart(drawing, eye, skin)

    def _take_apart(self, drawing: Colours, eye: Box, skin: Colours) -> None:
        opening, lids = self._open, self._open.lids
        inside = ramp(self._y - lids.upper, -0.5, 0.5) * ramp(lids.lower - self._y, -0.5, 0.5)
        inside *= opening.inside
        band = _lash_band(self._x, self._y, opening, eye)
        rim = ramp(self._y - lids.lower, 3.2, 2.2) * ramp(self._y - lids.lower, -1.2, -0.2)
        rim *= opening.inside
        other = distance(drawing, skin)
        line = self._line_colour(drawing, band)
        # What is nearly as dark as the lashes counts as theirs whatever its tint.
        light, dark, bright = (lab(c)[..., 0] for c in (drawing, line.reshape(1, 1, 3), skin))
        deep = ramp(
            light,
            float(0.5 * dark[0, 0] + 0.5 * bright[0, 0]),
            float(0.65 * dark[0, 0] + 0.35 * bright[0, 0]),
        )
        pure = np.maximum(ramp(off_the_mix(drawing, skin[0, 0], line), 17.0, 11.0), deep)
        lashes = _connected((band * pure > 0.3) & (other > 14), band * opening.inside > 0.5)
        lashes &= self._y >= _upper_edge(lashes, opening) - 0.7
        fringe = grown(lashes, 1) & (pure > 0) & (self._y < (lids.upper + lids.lower) / 2)
        band = np.where(lashes | fringe, 1.0, 0.0).astype(np.float32)
        rim *= ramp(off_the_mix(drawing, skin[0, 0], line), 17.0, 11.0)
        hidden = (inside > 0) | lashes | fringe | ((rim > 0) & (other > 5))
        plain = (~hidden) & (other < 22)
        below = filled(drawing, plain.astype(np.float32))
        # Only where the eye was is anything repainted.
        soft = cv2.GaussianBlur(hidden.astype(np.float32), (3, 3), 0)[..., np.newaxis]
        self.below: Colours = drawing + (below - drawing) * np.where(
            hidden[..., np.newaxis], 1, soft
        )
        self._white = self._white_of(drawing, inside)
        alpha = self._iris_alpha(drawing, inside)
        self._iris = lifted(drawing, self._white, alpha)
        self._complete_iris()
        ground = self.below * (1 - inside[..., np.newaxis])
        ground += self._eyeball(0.0, 0.0, 1.0, self._white) * inside[..., np.newaxis]
        self._rim, ground = self._line(drawing, ground, rim)
        self._lash, ground = self._line(drawing, ground, band)
        self._rest: Colours = drawing - ground

    def _line_colour(self, drawing: Colours, band: Plane) -> NDArray[np.float32]:
        """The colour of the upper lashes, BGR."""
        among = drawing[(band > 0.9) & (self._open.inside > 0.5)]
        if len(among) < 4:
            return np.array([60.0, 50.0, 70.0], np.float32)
        light = among.sum(axis=1)
        return np.asarray(np.median(among[light <= np.percentile(light, 30)], axis=0), np.float32)

    def _line(self, drawing: Colours, ground: Colours, where: Plane) -> tuple[Layer, Colours]:
        """What differs from `ground` within `where`, as a layer; and both together."""
        apart = np.minimum(distance(drawing, ground), distance(drawing, self.below) * 1.2)
        layer = lifted(drawing, ground, where * ramp(apart, 2.0, 26.0))
        together = ground.copy()
        layer.over(together)
        return layer, together

    def _white_of(self, drawing: Colours, inside: Plane) -> Colours:
        """The eyeball without its iris, drawn on over the whole region."""
        x, y, half_width, half_height = self._ellipse
        radius = np.hypot((self._x - x) / (half_width + 1.5), (self._y - y) / (half_height + 1.5))
        light = drawing.min(axis=2)
        white = (
            (inside > 0.99) & (radius > 1) & (light > 0.7 * np.percentile(light[inside > 0.9], 95))
        )
        from_white = distance(drawing, np.full_like(drawing, 252.0), shade=0.4)
        white &= from_white < distance(drawing, self.below, shade=0.4)
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

    def _complete_iris(self) -> None:
        """Draw the iris on below the lid and the lower lid, where the picture hides it."""
        lids = self._open.lids
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

    def _eyeball(self, across: float, down: float, size: float, white: Colours) -> Colours:
        """White and iris, the iris moved by pixels and shrunk about its centre."""
        ground = white.copy()
        if across == 0 and down == 0 and size == 1:
            self._iris.over(ground)
            return ground
        x, y = self._ellipse[:2]
        # From a place of the result to one of the layer.
        back = np.array(
            [[1 / size, 0, x - (x + across) / size], [0, 1 / size, y - (y + down) / size]]
        )
        moved = cv2.warpAffine(
            self._iris.pixels, back, (self._x.shape[1], self._x.shape[0]),
            flags=(cv2.INTER_AREA if size < 0.5 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP,
        )  # fmt: skip
        lay_over(np.asarray(moved, np.float32), ground)
        return ground

    def paint(self, pose: NDArray[np.float32], ground: Colours) -> None:
        """Paint the eye over `ground`, the face without it, in place."""
        wink, happy, relaxed, unimpressed, surprised, raised, small = pose[self._names].tolist()
        lids = self._moved_lids(wink, happy, relaxed, unimpressed, surprised, raised)
        look_x = -_LOOK_ACROSS * self._open.width * float(pose[INDEX["iris_rotation_y"]])
        look_y = -_LOOK_UP * self._open.height * float(pose[INDEX["iris_rotation_x"]])
        size = (1.0 - (1.0 - _SMALLEST) * small) * (1.0 - 0.06 * surprised)
        shift = lids.upper - self._open.lids.upper
        shut = min(wink + happy + relaxed, 1.0)
        white: Any = self._white
        if np.abs(shift).max() > 1e-3:
            white = cv2.remap(
                white, self._x, self._y - 0.5 * shift, cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
        eyeball = self._eyeball(look_x, look_y, size, white)
        gap = lids.lower - lids.upper
        inside = ramp(self._y - lids.upper, -0.5, 0.5) * ramp(lids.lower - self._y, -0.5, 0.5)
        inside *= self._open.inside * np.clip(gap, 0, 1)
        ground += (eyeball - ground) * inside[..., np.newaxis]
        below = lids.lower - self._open.lids.lower
        rim = self._rim.moved(self._x, self._y - below).pixels
        lay_over(rim * (1.0 - 0.8 * shut), ground)
        thickness = 1.0 - 0.15 * shut
        row = self._open.lids.upper + (self._y - lids.upper) / thickness
        self._lash.moved(self._x, row.astype(np.float32)).over(ground)
        active = max(wink, happy, relaxed, unimpressed, surprised, raised, small)
        active = max(active, abs(look_x) / 4, abs(look_y) / 4)
        ground += self._rest * max(0.0, 1.0 - 3.0 * active)

    def _moved_lids(
        self, wink: float, happy: float, relaxed: float, unimpressed: float, surprised: float,
        raised: float,
    ) -> Lids:  # fmt: skip
        upper, lower = self._open.lids
        height, bow = self._open.height, 1.0 - np.minimum(self._open.position**2, 1.0)
        base = float(upper.min()) + height
        # Where both lids meet: along the lower lid; in an arch that smiles; in a tired line.
        shut = upper + 0.88 * (lower - upper)
        shut = shut - 0.42 * (shut[self._outer] - shut[self._inner]) * self._open.position
        meet = {
            "wink": shut,
            "happy": base - height * (0.12 + 0.36 * bow),
            "relaxed": base - height * (0.26 - 0.08 * bow),
        }
        total = wink + happy + relaxed
        scale = 1.0 / max(total, 1.0)
        new_upper, new_lower = upper.copy(), lower.copy()
        for way, name in ((wink, "wink"), (happy, "happy"), (relaxed, "relaxed")):
            if way:
                new_upper += way * scale * (meet[name] - upper)
                new_lower += way * scale * (meet[name] - lower)
        still_open = max(0.0, 1.0 - total)
        if unimpressed:
            level = np.maximum(base - 0.62 * height, upper)
            new_upper += unimpressed * still_open * (level - upper)
        if surprised:
            rise = _WIDER * height * surprised * still_open * (0.35 + 0.65 * bow)
            new_upper -= rise
            new_lower += 0.3 * rise
        if raised:
            new_lower -= raised * still_open * _LOWER_LID * height * (0.4 + 0.6 * bow)
        middle = (new_upper + new_lower) / 2
        crossed = new_upper > new_lower
        new_upper[crossed] = middle[crossed]
        new_lower[crossed] = middle[crossed]
        return Lids(new_upper.astype(np.float32), new_lower.astype(np.float32))


def _connected(mask: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of `mask` that hang together with its largest part inside `core`."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    counts = np.bincount(labels[core & mask], minlength=labels.max() + 1)
    counts[0] = 0
    # The inner end of the lashes may be drawn as strokes of their own.
    kept = np.flatnonzero(counts > 0.12 * counts.sum())
    return np.isin(labels, kept)


def _upper_edge(lashes: NDArray[np.bool_], opening: Opening) -> Plane:
    """The lashes' upper edge as a smooth curve: tips of hair that touch stand out of it."""
    rows = lashes.argmax(axis=0)
    columns = np.flatnonzero(lashes.any(axis=0) & (np.abs(opening.position) < 1.0))
    if columns.size < 6:
        return np.zeros(lashes.shape[1], np.float32)
    weight = np.ones(columns.size)
    for _ in range(4):
        fit = np.polynomial.Polynomial.fit(columns, rows[columns], 4, w=np.sqrt(weight))
        weight = np.where(fit(columns) - rows[columns] > 0.7, weight * 0.2, weight)
    edge = fit(np.arange(lashes.shape[1]))
    return np.where(np.abs(opening.position) < 1.0, edge, 0).astype(np.float32)


def _ellipse(iris: Box) -> tuple[float, float, float, float]:
    """Centre and half axes of the whole iris, of which the lids may hide the upper part."""
    x = iris.centre[0]
    half_width = iris.width / 2
    half_height = max(iris.height / 2, min(1.1 * half_width, iris.height / 2 * 1.35))
    return x, iris.bottom - 0.5 - half_height, half_width, half_height


def _lash_band(x: Plane, y: Plane, opening: Opening, eye: Box) -> Plane:
    """1 where upper lashes may be: above the lid's edge, and beyond the corners around it."""
    least = max(float(opening.lids.upper.min()) - eye.y, 2.0) + 1.5
    # Lashes grow thinner towards the nose; what is thick there is hair.
    thick = least * (1.0 - 0.35 * ramp(-opening.position, 0.5, 1.1))
    thick = thick + 2.5 * ramp(opening.position, 0.6, 1.1)
    above = opening.lids.upper - y
    below = np.where(opening.inside > 0, 1.6, 0.3 * opening.height).astype(np.float32)
    band: Plane = ramp(above - thick, 1.5, 0.5) * ramp(above, -below - 1.0, -below)
    # Never up into the hair, nor far beyond the box.
    band *= ramp(y, eye.y - 2.0, eye.y - 1.0)
    band *= ramp(x, eye.x - 4.5, eye.x - 2.5) * ramp(x, eye.right + 3.5, eye.right + 1.5)
    return band


def find_opening(drawing: Colours, eye: Box, iris: Box, skin: Colours, outwards: float) -> Opening:
    """Follow the lids from the iris to the corners; smooth curves through what is seen."""
    white = _white_rows(drawing, eye, iris, skin)
    x_iris = iris.centre[0]
    points_upper = [(x_iris + step * 0.3 * iris.width, iris.y - 0.5, 3.0) for step in (-1, 0, 1)]
    points_lower = [
        (x_iris + step * 0.2 * iris.width, iris.bottom - 0.3, 3.0) for step in (-1, 0, 1)
    ]
    for column, (first, last) in white.items():
        points_upper.append((column, first - 0.5, 1.0))
        points_lower.append((column, last + 0.5, 1.0))
    ends = [eye.x + 0.07 * eye.width, eye.right - 1 - 0.07 * eye.width]
    if white:
        ends = [min(ends[0] + 4, min(white) - 1.0), max(ends[1] - 4, max(white) + 1.0)]
    ends = [max(ends[0], eye.x - 1), min(ends[1], eye.right)]
    ends = [min(ends[0], iris.x - 1.5), max(ends[1], iris.right + 0.5)]
    corner = iris.y + 0.55 * iris.height
    for end in ends:
        points_upper.append((end, corner - 0.12 * iris.height, 0.7))
        points_lower.append((end, corner + 0.12 * iris.height, 0.7))
    columns = np.arange(drawing.shape[1], dtype=np.float32)
    within = np.clip(columns, ends[0], ends[1])
    upper, lower = _curve(points_upper, within), _curve(points_lower, within)
    lower = np.maximum(lower, upper)
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    inside = ramp(columns, ends[0] - 1, ends[0]) * ramp(columns, ends[1] + 1, ends[1])
    position = (outwards * (columns - middle) / half).astype(np.float32)
    height = float((lower - upper).max())
    return Opening(Lids(upper, lower), position, height, 2 * half, inside)


def _white_rows(
    drawing: Colours, eye: Box, iris: Box, skin: Colours
) -> dict[float, tuple[float, float]]:
    """First and last row of the white of the eye in each column beside the iris that shows it."""
    from_skin = distance(drawing, skin, shade=0.4)
    from_white = distance(drawing, np.full_like(drawing, 252.0), shade=0.4)
    white = (from_white < 0.8 * from_skin) & (from_skin > 4) | (from_white < 4)
    rows = {}
    top, bottom = max(int(iris.y - 2), 0), int(iris.bottom + 2)
    for column in range(max(int(eye.x), 0), min(int(eye.right), drawing.shape[1])):
        if abs(column - iris.centre[0]) < 0.44 * iris.width:
            continue
        seen = np.flatnonzero(white[top:bottom, column])
        if seen.size < 3:
            continue
        # The longest run: a gleam on glasses is short.
        runs = np.split(seen, np.flatnonzero(np.diff(seen) > 1) + 1)
        run = max(runs, key=len)
        if len(run) >= 3:
            rows[float(column)] = (float(run[0] + top), float(run[-1] + top))
    return rows


def _curve(points: list[tuple[float, float, float]], at: Plane, tolerance: float = 3.0) -> Plane:
    """A smooth curve through weighted points (x, y, weight), outliers ignored."""
    x, y, weight = (np.array(column, np.float64) for column in zip(*points, strict=True))
    for _ in range(3):
        fit = np.polynomial.Polynomial.fit(x, y, 3, w=np.sqrt(weight))
        off = np.abs(fit(x) - y)
        weight = np.where(off > tolerance, weight * 0.3, weight)
    return np.asarray(fit(at), np.float32)
