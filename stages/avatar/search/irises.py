"""Looks for the irises: two equal ellipses, mirrored, that stand out from white and skin."""

from typing import Any, NamedTuple

import cv2
import numpy as np

from stages.avatar.boxes import Box
from stages.avatar.search.planes import AXIS, BOTTOM, LEFT, RIGHT, TOP, FacePlanes, Plane


class Ellipse(NamedTuple):
    """An iris: centre and half axes in pixels of the searched part."""

    x: float
    y: float
    half_width: float
    half_height: float


def ellipse_in(box: Box) -> Ellipse:
    """The ellipse that fills a box; one outside of the searched part is moved to its edge."""
    x, y = box.centre
    half_width, half_height = box.width / 2, box.height / 2
    return Ellipse(
        min(max(x - LEFT, 4.0), RIGHT - LEFT - 5.0),
        min(max(y - TOP, 4.0), BOTTOM - TOP - 5.0),
        half_width,
        half_height,
    )


def mirrored_pair(face: FacePlanes) -> tuple[Ellipse, Ellipse] | None:
    """The best two equal ellipses on one row, mirrored at a line near the middle."""
    stands_out = np.minimum(face.from_plain, 30.0)
    best, pair = 7.0, None
    for half_width in np.arange(5.0, 14.5, 1.0):
        for ratio in (1.0, 1.2, 1.4):
            half_height = half_width * ratio
            seen: Any = cv2.filter2D(
                stands_out, cv2.CV_32F, _iris_kernel(half_width, half_height),
                borderType=cv2.BORDER_REPLICATE,
            )  # fmt: skip
            score, left, right = _best_columns(seen, half_width)
            # A small ellipse also fits well inside a large iris: size is worth something.
            score *= 1.0 + 0.045 * half_width
            if score > best:
                best = score
                pair = tuple(Ellipse(*place, half_width, half_height) for place in (left, right))
    return pair  # type: ignore[return-value]


def _iris_kernel(half_width: float, half_height: float) -> Plane:
    """Adds up inside an ellipse, takes away beside and below it (above it are lashes)."""
    reach_x, reach_y = int(half_width * 1.6) + 1, int(half_height * 1.6) + 1
    y, x = np.mgrid[-reach_y : reach_y + 1, -reach_x : reach_x + 1].astype(np.float32)
    radius = np.hypot(x / half_width, y / half_height)
    inside = (radius < 0.9).astype(np.float32)
    around = ((radius > 1.12) & (radius < 1.55) & (y > -0.35 * half_height)).astype(np.float32)
    kernel: Plane = inside / inside.sum() - around / around.sum()
    return kernel


def _best_columns(
    seen: Plane, half_width: float
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Score and places (x, y) of the picture's right and left member of the best mirrored pair."""
    best = (-1.0, (0.0, 0.0), (0.0, 0.0))
    rows = slice(112 - TOP, 156 - TOP)
    window = seen[rows]
    axis = float(AXIS)
    for apart in range(max(17, int(half_width * 1.6)), 38):
        for middle in range(int(axis) - 5, int(axis) + 6):
            one, other = window[:, middle + apart], window[:, middle - apart]
            both = np.minimum(one, other) + 0.25 * np.maximum(one, other)
            both = both - 0.1 * abs(middle - axis)
            row = int(both.argmax())
            if both[row] > best[0]:
                y = float(row + rows.start)
                best = (float(both[row]), (middle + apart, y), (middle - apart, y))
    return best


def iris_boxes(face: FacePlanes, irises: tuple[Ellipse, Ellipse]) -> list[Box]:
    """What is seen of both irises, their edges moved to where they end."""
    # Mirrored, so that both are (inner, outer, top, bottom).
    reaches = []
    for sign, iris in zip((1, -1), irises, strict=True):
        left, right, top, bottom = _iris_edges(face, iris)
        inner, outer = (left, right) if sign > 0 else (right, left)
        reaches.append((sign * (inner - iris.x), sign * (outer - iris.x), top, bottom))
    (inner, outer), (top, bottom) = (
        # The narrower one: a wider one has taken the lid's line for the iris' edge.
        (max(reach[0] for reach in reaches), min(reach[1] for reach in reaches)),
        # The likelier one: hair hides the top, glasses the bottom.
        (
            min(
                (reach[2] for reach in reaches), key=lambda edge: abs(edge + irises[0].half_height)
            ),
            min(
                (reach[3] for reach in reaches), key=lambda edge: abs(edge - irises[0].half_height)
            ),
        ),
    )
    boxes = []
    for sign, iris in zip((1, -1), irises, strict=True):
        left, right = sorted((iris.x + sign * inner, iris.x + sign * outer))
        boxes.append(
            Box(
                round(left) + LEFT,
                round(iris.y + top) + TOP,
                max(round(right - left) + 1, 3),
                max(round(bottom - top) + 1, 3),
            )
        )
    return boxes


def _iris_edges(face: FacePlanes, iris: Ellipse) -> tuple[float, float, float, float]:
    """Left and right column; first and last row, counted from the iris' centre."""
    x, y, half_width, half_height = iris
    row = slice(int(y - 0.3 * half_height), int(y + 0.3 * half_height) + 1)
    column = slice(max(int(x - 0.3 * half_width), 0), int(x + 0.3 * half_width) + 1)
    across = face.from_plain[row].mean(axis=0)
    down = face.from_plain[:, column].mean(axis=1)
    top = max(lash_end(face, x, y, half_height) - y, -1.35 * half_height)
    bottom = _edge(down, y, half_height) - y
    # Beside the iris a second steep place may be the line of the lid beyond the white.
    left, right = (_edge(across, x, reach, first=0.6) for reach in (-half_width, half_width))
    return left, right, top, bottom


def _edge(profile: Plane, centre: float, reach: float, first: float = 1.0) -> float:
    """The last sample that still belongs to what is at `centre`, looked for around its reach.

    That is where the profile falls most steeply, or, coming from the centre, the first place that
    is at least `first` times as steep.
    """
    step = 1 if reach > 0 else -1
    samples = np.arange(round(centre + 0.68 * reach), round(centre + 1.25 * reach) + step, step)
    samples = samples[(samples >= 1) & (samples < len(profile) - 1)]
    if samples.size < 2:
        return centre + reach
    fall = profile[samples[:-1]] - profile[samples[1:]]
    return float(samples[int((fall >= first * fall.max()).argmax())])


def lash_end(face: FacePlanes, x: float, y: float, half_height: float) -> float:
    """The row below the dark upper lid, in the columns of the iris' middle."""
    column = slice(int(x) - 1, int(x) + 3)
    light = face.light[:, column].mean(axis=1)
    top = max(int(y - 1.6 * half_height), 0)
    above = light[top : int(y - 0.35 * half_height)]
    if above.size < 3:
        return y - half_height
    darkest = int(above.argmin())
    level = above[darkest] + 0.3 * max(
        float(np.median(light[int(y) : int(y) + 3])) - above[darkest], 8
    )
    row = darkest
    while row + 1 < above.size and above[row] < level:
        row += 1
    return float(top + row)
