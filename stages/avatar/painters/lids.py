"""The lids of an eye: where they are in the picture, and where a pose moves them.

Everything an eye does is a new course of its two lids: the lower edge of the upper lashes and the
upper edge of the lower lid, one row for every column.
"""

from typing import NamedTuple

import numpy as np

from stages.avatar.boxes import Box
from stages.avatar.painters.layers import Colours, Plane, distance, ramp

# Of the height of the open eye: how far each movement goes at full scale.
_WIDER = 0.15
_LOWER_LID = 0.17


class Lids(NamedTuple):
    """The edges of the opening, a row for each column; equal where the eye is shut."""

    upper: Plane
    lower: Plane

    def inside(self, y: Plane) -> Plane:
        """1 between the lids, with soft edges, for the rows `y`."""
        return ramp(y - self.upper, -0.5, 0.5) * ramp(self.lower - y, -0.5, 0.5)


class LidPose(NamedTuple):
    """What moves the lids, each 0 to 1."""

    wink: float
    happy_wink: float
    relaxed: float
    unimpressed: float
    surprised: float
    raised_lower: float

    @property
    def shut(self) -> float:
        """How far the eye is closed, by whichever way."""
        return min(self.wink + self.happy_wink + self.relaxed, 1.0)


class Opening(NamedTuple):
    """Where the open eye is in the picture."""

    lids: Lids
    position: Plane  # -1 at the inner corner, 1 at the outer, beyond outside, for each column
    height: float
    width: float
    between: Plane  # 1 in the columns of the opening, 0 beyond its corners

    @property
    def bow(self) -> Plane:
        """1 in the middle of the eye, 0 at its corners."""
        return np.asarray(1.0 - np.minimum(self.position**2, 1.0), np.float32)


class LidCourses:
    """Moves the lids of one eye."""

    def __init__(self, opening: Opening) -> None:
        self._open = opening
        (upper, lower), height, bow = opening.lids, opening.height, opening.bow
        base = float(upper.min()) + height
        # Where both lids meet: along the lower lid, but flatter; in an arch that smiles; in a tired
        # line.
        along = upper + 0.88 * (lower - upper)
        inner, outer = (int(np.abs(opening.position - corner).argmin()) for corner in (-1, 1))
        along = along - 0.42 * (along[outer] - along[inner]) * opening.position
        shut = 0.5 * along + 0.5 * (float(along.max()) - 0.1 * height * (1 - bow))
        happy, relaxed = base - height * (0.12 + 0.36 * bow), base - height * (0.26 - 0.08 * bow)
        self._meet = [np.asarray(line, np.float32) for line in (shut, happy, relaxed)]
        self._level: Plane = np.maximum(base - 0.62 * height, upper).astype(np.float32)
        self._rise: Plane = (_WIDER * height * (0.35 + 0.65 * bow)).astype(np.float32)
        self._raise: Plane = (_LOWER_LID * height * (0.4 + 0.6 * bow)).astype(np.float32)

    def moved(self, pose: LidPose) -> Lids:
        """Return the lids in a pose; they never cross."""
        upper, lower = self._open.lids
        new_upper, new_lower = upper.copy(), lower.copy()
        total = pose.wink + pose.happy_wink + pose.relaxed
        for way, meet in zip((pose.wink, pose.happy_wink, pose.relaxed), self._meet, strict=True):
            if way:
                share = way / max(total, 1.0)
                new_upper += share * (meet - upper)
                new_lower += share * (meet - lower)
        still_open = 1.0 - pose.shut
        if pose.unimpressed:
            new_upper += pose.unimpressed * still_open * (self._level - upper)
        if pose.surprised:
            new_upper -= pose.surprised * still_open * self._rise
            new_lower += 0.3 * pose.surprised * still_open * self._rise
        if pose.raised_lower:
            new_lower -= pose.raised_lower * still_open * self._raise
        middle = (new_upper + new_lower) / 2
        return Lids(np.minimum(new_upper, middle), np.maximum(new_lower, middle))


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
    between = ramp(columns, ends[0] - 1, ends[0]) * ramp(columns, ends[1] + 1, ends[1])
    position = (outwards * (columns - middle) / half).astype(np.float32)
    height = float((lower - upper).max())
    return Opening(Lids(upper, lower), position, height, 2 * half, between)


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
