"""Looks for an eye around its iris: lashes above, white beside."""

import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.search.irises import Ellipse, lash_end
from stages.avatar.search.planes import AXIS, BOTTOM, LEFT, RIGHT, TOP, FacePlanes

_NOT_SKIN = 15.0  # distance in Lab from skin at which a pixel is something else, not a shadow


def eye_box(face: FacePlanes, iris: Ellipse, seen: Box) -> Box:
    """The iris, the white beside it and the lashes: what is not skin and hangs together with it."""
    x, y, half_width, half_height = iris
    left, right = int(x - 2.2 * half_width - 3), int(x + 2.2 * half_width + 4)
    # Never past the bridge of the nose.
    left, right = (max(left, AXIS + 4), right) if x > AXIS else (left, min(right, AXIS - 3))
    left, right = max(left, 0), min(right, RIGHT - LEFT)
    top = _lash_top(face, iris)
    bottom = min(int(seen.bottom - TOP) + 1, BOTTOM - TOP)
    # In the middle rows: above the lashes there may be hair, below the lid blush or glasses.
    rows = np.s_[int(y - 0.6 * half_height) : int(y + 0.6 * half_height) + 1, left:right]
    skin, white = face.from_skin[rows], face.from_white[rows]
    counts = ((skin > _NOT_SKIN) | ((skin > 6.0) & (white < skin))).sum(axis=0)
    x0 = _last_before_gap(counts, int(x - half_width) - left, -1)
    x1 = _last_before_gap(counts, int(x + half_width) - left, 1)
    if x1 - x0 < 1.7 * half_width:
        return _likely_eye(iris)
    return Box(
        float(left + x0 + LEFT), float(top + TOP), float(x1 - x0 + 1), float(bottom - top + 2)
    )


def _last_before_gap(counts: NDArray[np.intp], start: int, step: int) -> int:
    """The last column in the direction of `step` before one with hardly anything in it."""
    x = min(max(start, 0), len(counts) - 1)
    while 0 <= x + step < len(counts) and counts[x + step] > 1:
        x += step
    return x


def _likely_eye(iris: Ellipse) -> Box:
    x, y, half_width, half_height = iris
    width, height = 3.1 * half_width, 2.5 * half_height
    return Box(LEFT + x - width / 2, TOP + y - 0.58 * height, width, height)


def _lash_top(face: FacePlanes, iris: Ellipse) -> int:
    """The first dark row of the upper lid above the iris."""
    x, y, _, half_height = iris
    light = face.light[:, int(x) - 2 : int(x) + 3].mean(axis=1)
    row = end = max(int(lash_end(face, x, y, half_height)) - 1, 1)
    highest = max(end - int(0.7 * half_height) - 2, 1)
    darkest = float(light[max(end - 2, 0) : end + 1].min())
    level = darkest + 0.7 * (float(light[highest : end + 1].max()) - darkest)
    while row > highest and light[row - 1] < level:
        row -= 1
    return row
