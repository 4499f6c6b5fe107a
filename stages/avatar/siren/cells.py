"""Which pixels are computed: a frame's cells of 4 x 4 pixels, and boxes of pixels at each level.

A pixel of one level is a mix of pixels of the level below that lie at most one beyond its own
place, so what is needed grows by a pixel from level to level.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.bool_]  # (128, 128): which cells of the frame
Pixels = NDArray[np.bool_]  # (size, size): which pixels of a level

CELL = 4
ROW = 128  # cells in a row of a frame
# Shorter gaps between two boxes are computed too: that costs less than another box.
_GAP = 8

_AROUND = np.ones((3, 3), np.uint8)


class Box(NamedTuple):
    """Rows and columns of a level; even, so that each holds whole pixels of the level below."""

    top: int
    bottom: int
    left: int
    right: int


class Rows(NamedTuple):
    """How many rows a box has at each level: even numbers, of whole cells at the highest."""

    low: int
    middle: int
    high: int


class Needs(NamedTuple):
    """The pixels that are needed at sizes 128 and 256, and the cells of the frame."""

    low: Pixels
    middle: Pixels
    high: Cells

    def without(self, known: "Needs") -> "Needs":
        """Return what of this is not known yet."""
        return Needs(*(mine & ~theirs for mine, theirs in zip(self, known, strict=True)))

    def with_all(self, others: "Needs") -> "Needs":
        """Return both together."""
        return Needs(*(mine | theirs for mine, theirs in zip(self, others, strict=True)))

    def boxes(self, rows: Rows) -> tuple[list[Box], list[Box], list[Box]]:
        """Cover what is needed at each level by boxes."""
        cells = _boxes(self.high, rows.high // CELL, 1)
        high = [Box(*(side * CELL for side in box)) for box in cells]
        return _boxes(self.low, rows.low, _GAP), _boxes(self.middle, rows.middle, _GAP), high


def everywhere() -> Cells:
    """Return all cells."""
    return np.ones((ROW, ROW), np.bool_)


def grown(cells: Pixels, by: int = 1) -> Pixels:
    """Return them with all that are at most `by` away, diagonally too."""
    found: Pixels = np.asarray(cv2.dilate(cells.view(np.uint8), _AROUND, iterations=by), np.bool_)
    return found


def apart(cells: Cells) -> Cells:
    """Return those that no chain of neighbours joins to the largest group."""
    _, groups, facts, _ = cv2.connectedComponentsWithStats(cells.view(np.uint8), connectivity=8)
    areas = facts[1:, cv2.CC_STAT_AREA]
    if len(areas) < 2:
        return np.zeros_like(cells)
    return np.asarray(cells & (groups != 1 + int(areas.argmax())), np.bool_)


def needs(cells: Cells) -> Needs:
    """Return what the cells are made of."""
    pixels = cv2.resize(cells.view(np.uint8), (256, 256), interpolation=cv2.INTER_NEAREST)
    middle = grown(np.asarray(pixels, np.bool_))
    pairs = middle[::2] | middle[1::2]
    return Needs(grown(pairs[:, ::2] | pairs[:, 1::2]), middle, cells)


def _boxes(pixels: Pixels, rows: int, gap: int) -> list[Box]:
    """Cover pixels by boxes of `rows` rows; gaps of fewer than `gap` columns are covered too."""
    wanted: Pixels = np.logical_or.reduce(pixels.reshape(-1, rows, len(pixels)), axis=1)
    if gap > 1:  # in even columns
        wanted = np.repeat(wanted[:, ::2] | wanted[:, 1::2], 2, axis=1)
    edges = np.zeros((len(wanted), len(pixels) + 1), np.bool_)
    edges[:, 1:-1] = wanted[:, 1:] != wanted[:, :-1]
    edges[:, 0], edges[:, -1] = wanted[:, 0], wanted[:, -1]
    bands, columns = (places.tolist() for places in np.nonzero(edges))
    found: list[Box] = []
    for band, left, right in zip(bands[::2], columns[::2], columns[1::2], strict=True):
        top = band * rows
        if found and found[-1].top == top and left - found[-1].right < gap:
            found[-1] = found[-1]._replace(right=right)
        else:
            found.append(Box(top, top + rows, left, right))
    return found


FACE_BOXES = tuple(_boxes(np.ones((128, 128), np.bool_), 4, _GAP))
