"""Looks for the brows: the best nearly level dark line that is above both eyes."""

from collections.abc import Iterator

import cv2
import numpy as np

from stages.avatar.boxes import Box
from stages.avatar.search.planes import LEFT, TOP, FacePlanes, Plane


def brow_boxes(
    face: FacePlanes, eye_left: Box, eye_right: Box, apart: float, guessed: set[str]
) -> tuple[Box, Box]:
    """The best nearly level dark line that is above both eyes, mirrored."""
    ridge = _dark_lines(face.light)
    width = min(eye_left.width, eye_right.width)
    # Columns from the nose outwards, for the subject's left and right.
    inner_left, inner_right = eye_left.x + 0.1 * width - LEFT, eye_right.right - 0.1 * width - LEFT
    outwards = np.linspace(0.0, 0.8 * width, 13, dtype=np.float32)
    sides = (inner_left + outwards, inner_right - outwards)
    lowest = (eye_left.y + eye_right.y) / 2 - TOP - 4.0
    best, rows = 3.0, None
    for candidate in _brow_lines(outwards.size, max(lowest - 0.4 * apart, 8.0), lowest):
        score = 0.0
        for columns in sides:
            along = _along(ridge, columns, candidate)
            # The median: a strand of hair that crosses counts little.
            score += float(np.median(along) + 0.5 * along.mean())
        score *= 1.0 - 1.5 * abs((lowest - candidate.mean()) / apart - 0.15)
        if score > best:
            best, rows = score, candidate
    if rows is None:
        guessed.update(("brow_left", "brow_right"))
        left, right = (
            Box(eye.x + 0.1 * eye.width, eye.y - 0.25 * apart, 0.8 * eye.width, 5.0)
            for eye in (eye_left, eye_right)
        )
        return left, right
    left, right = (_line_box(ridge, columns, rows) for columns in sides)
    return left, right


def _brow_lines(count: int, highest: float, lowest: float) -> Iterator[Plane]:
    """Rows of the lines that could be a brow, from the nose outwards."""
    position = np.linspace(-1.0, 1.0, count, dtype=np.float32)
    for middle in np.arange(highest, lowest, 0.5):
        for tilt in (-3.0, -1.5, 0.0, 1.5, 3.0):
            for arch in (0.0, 1.5, 3.0, 4.5):
                rows = middle + tilt * position + arch * (position**2 - 0.5)
                if rows.max() <= lowest + 1.0:
                    yield rows.astype(np.float32)


def _along(plane: Plane, columns: Plane, rows: Plane) -> Plane:
    """The samples nearest to a line."""
    x = np.clip(columns.round().astype(int), 0, plane.shape[1] - 1)
    y = np.clip(rows.round().astype(int), 1, plane.shape[0] - 2)
    along: Plane = plane[y, x]
    return along


def _dark_lines(light: Plane) -> Plane:
    """How much darker each pixel is than what lies three rows above and below; thin lines."""
    smooth = cv2.GaussianBlur(light, (5, 1), 1.2)
    above, below = np.roll(smooth, 3, axis=0), np.roll(smooth, -3, axis=0)
    ridge: Plane = np.clip(np.minimum(above, below) - smooth, 0, 30).astype(np.float32)
    return ridge


def _line_box(ridge: Plane, columns: Plane, rows: Plane) -> Box:
    """The box of a line, drawn out to where it ends."""
    level = 0.3 * float(np.median(_along(ridge, columns, rows)))
    if columns[-1] < columns[0]:
        columns, rows = columns[::-1], rows[::-1]
    curve = np.polynomial.Polynomial.fit(columns, rows, 2)

    def end(start: float, step: int) -> float:
        """Walk outwards from a quarter of the line while it is dark; gaps of two pixels count."""
        x, gap = round(start), 0
        while gap < 3 and abs(x - start) < 0.45 * (columns[-1] - columns[0]):
            x += step
            row = round(float(curve(x)))
            inside = 1 <= row < ridge.shape[0] - 1 and 0 <= x < ridge.shape[1]
            gap = 0 if inside and ridge[row - 1 : row + 2, x].max() > level else gap + 1
        return float(x - gap * step)

    span = columns[-1] - columns[0]
    first, last = end(columns[0] + span / 4, -1), end(columns[-1] - span / 4, 1)
    along_it = curve(np.linspace(first, last, 9))
    top, bottom = round(float(along_it.min())) - 1, round(float(along_it.max())) + 2
    return Box(first + LEFT, float(top + TOP), last - first + 1, float(max(bottom - top + 1, 4)))
