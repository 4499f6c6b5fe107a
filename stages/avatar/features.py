"""Finds eyes, irises, brows and mouth in a picture of the input convention.

The convention puts the head into the 128x128 box centred at (256, 128) and turns it to the front,
so a face is looked for, not a head: two irises (ellipses that stand out from white and skin beside
and below them) mirrored at a line near x = 256; the lashes around them; a thin dark line above each
eye; what is not skin below the nose. Where nothing convincing is found, the part is put where the
convention makes it likely, and said to be guessed.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box, Boxes

Image = NDArray[np.uint8]
Plane = NDArray[np.float32]

# The part of the picture that is looked at: the head's box, and what a face may stick out of it.
LEFT, TOP, RIGHT, BOTTOM = 176, 80, 336, 208
_AXIS = 256.0
_NOT_SKIN = 15.0  # distance in Lab from skin at which a pixel is something else, not a shadow


class Features(NamedTuple):
    """What was found. `guessed` names the boxes that are only likely places."""

    boxes: Boxes
    guessed: frozenset[str]
    skin: tuple[float, float, float]  # BGR, 0 to 255


class _Face(NamedTuple):
    """The planes the search works on, (BOTTOM - TOP, RIGHT - LEFT) each."""

    light: Plane  # L of Lab, 0 to 100
    from_skin: Plane  # distance to the skin's colour, shade counting half
    from_white: Plane  # the same to white
    from_plain: Plane  # distance to skin or white, whichever is nearer


class _Eye(NamedTuple):
    """An iris: centre and half axes in pixels of the searched part."""

    x: float
    y: float
    half_width: float
    half_height: float


def find(picture: Image, given: dict[str, Box] | None = None) -> Features:
    """Return the features of a picture, BGRA (512, 512, 4); `given` boxes are taken as they are."""
    given = given or {}
    part = np.ascontiguousarray(picture[TOP:BOTTOM, LEFT:RIGHT])
    skin = _skin_colour(part)
    face = _planes(part, skin)
    guessed: set[str] = set()
    irises = _irises(face, given, guessed)
    found: dict[str, Box] = {}
    found.update(zip(("iris_left", "iris_right"), _iris_boxes(face, irises), strict=True))
    found |= {name: box for name, box in given.items() if name in found}
    for side, iris in zip(("left", "right"), irises, strict=True):
        # A correction of the iris leads to its eye, and one of the eye to its brow.
        seen = found[f"iris_{side}"]
        found[f"eye_{side}"] = given.get(f"eye_{side}") or _eye_box(face, iris, seen)
    apart = found["iris_left"].centre[0] - found["iris_right"].centre[0]
    found["brow_left"], found["brow_right"] = _brows(
        face, found["eye_left"], found["eye_right"], apart, guessed
    )
    found["mouth"] = _mouth(face, found["iris_left"], found["iris_right"], guessed)
    boxes = Boxes(**(found | given))
    return Features(boxes, frozenset(guessed - set(given)), skin)


def _skin_colour(part: Image) -> tuple[float, float, float]:
    """The commonest colour around nose and cheeks, BGR."""
    middle = part[140 - TOP : 182 - TOP, 232 - LEFT : 281 - LEFT].reshape(-1, 4)
    colours = middle[middle[:, 3] > 200][:, :3].astype(np.int64)
    if len(colours) < 50:
        return (205.0, 220.0, 245.0)
    bins = (colours // 12) @ np.array([1, 32, 1024])
    values, counts = np.unique(bins, return_counts=True)
    centre = colours[bins == values[counts.argmax()]].mean(axis=0)
    near = colours[np.abs(colours - centre).max(axis=1) < 14]
    blue, green, red = near.mean(axis=0)
    return float(blue), float(green), float(red)


def _lab(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(colours / np.float32(255), cv2.COLOR_BGR2Lab), np.float32)


def _planes(part: Image, skin: tuple[float, float, float]) -> _Face:
    alpha = part[..., 3:].astype(np.float32) / 255
    lab = _lab((part[..., :3] * alpha).astype(np.float32))
    own = _lab(np.array([[skin]], np.float32))[0, 0]
    weight = np.array([0.5, 1.0, 1.0], np.float32)
    from_skin = np.sqrt(np.square((lab - own) * weight).sum(axis=2))
    from_white = np.sqrt(np.square((lab - [99.0, 0.0, 0.0]) * weight).sum(axis=2))
    from_plain = np.minimum(from_skin, from_white)
    return _Face(
        lab[..., 0].copy(), *(p.astype(np.float32) for p in (from_skin, from_white, from_plain))
    )


def _irises(face: _Face, given: dict[str, Box], guessed: set[str]) -> tuple[_Eye, _Eye]:
    """The subject's left and right iris."""
    left, right = given.get("iris_left"), given.get("iris_right")
    if left and right:
        return _ellipse(left), _ellipse(right)
    found = _mirrored_pair(face)
    if found is None:
        guessed.update(("iris_left", "iris_right", "eye_left", "eye_right"))
        found = (_Eye(282.0 - LEFT, 137.0 - TOP, 9.0, 11.0), _Eye(230.0 - LEFT, 137.0 - TOP, 9, 11))
    return _ellipse(left) if left else found[0], _ellipse(right) if right else found[1]


def _ellipse(box: Box) -> _Eye:
    x, y = box.centre
    return _Eye(x - LEFT, y - TOP, box.width / 2, box.height / 2)


def _mirrored_pair(face: _Face) -> tuple[_Eye, _Eye] | None:
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
                pair = tuple(_Eye(*place, half_width, half_height) for place in (left, right))
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
    axis = _AXIS - LEFT
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


def _iris_boxes(face: _Face, irises: tuple[_Eye, _Eye]) -> list[Box]:
    """What is seen of both irises, their edges moved to where they end."""
    # Mirrored, so that both are (inner, outer, top, bottom): of two edges the likelier counts.
    reaches = []
    for sign, iris in zip((1, -1), irises, strict=True):
        left, right, top, bottom = _iris_edges(face, iris)
        inner, outer = (left, right) if sign > 0 else (right, left)
        reaches.append((sign * (inner - iris.x), sign * (outer - iris.x), top, bottom))
    boxes = []
    for sign, iris in zip((1, -1), irises, strict=True):
        likely = (-iris.half_width, iris.half_width, -iris.half_height, iris.half_height)
        inner, outer, top, bottom = (
            min(pair, key=lambda edge, own=own: abs(edge - own))  # type: ignore[misc]
            for *pair, own in zip(*reaches, likely, strict=True)
        )
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


def _iris_edges(face: _Face, iris: _Eye) -> tuple[float, float, float, float]:
    """Left and right column; first and last row, counted from the iris' centre."""
    x, y, half_width, half_height = iris
    row = slice(int(y - 0.3 * half_height), int(y + 0.3 * half_height) + 1)
    column = slice(int(x - 0.3 * half_width), int(x + 0.3 * half_width) + 1)
    across = face.from_plain[row].mean(axis=0)
    down = face.from_plain[:, column].mean(axis=1)
    top = max(_lash_end(face, x, y, half_height) - y, -1.35 * half_height)
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


def _lash_end(face: _Face, x: float, y: float, half_height: float) -> float:
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


def _eye_box(face: _Face, iris: _Eye, seen: Box) -> Box:
    """The iris, the white beside it and the lashes: what is not skin and hangs together with it."""
    x, y, half_width, half_height = iris
    axis = _AXIS - LEFT
    left, right = int(x - 2.2 * half_width - 3), int(x + 2.2 * half_width + 4)
    # Never past the bridge of the nose.
    left, right = (
        (max(left, int(axis) + 4), right) if x > axis else (left, min(right, int(axis) - 3))
    )
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


def _likely_eye(iris: _Eye) -> Box:
    x, y, half_width, half_height = iris
    width, height = 3.1 * half_width, 2.5 * half_height
    return Box(LEFT + x - width / 2, TOP + y - 0.58 * height, width, height)


def _lash_top(face: _Face, iris: _Eye) -> int:
    """The first dark row of the upper lid above the iris."""
    x, y, _, half_height = iris
    light = face.light[:, int(x) - 2 : int(x) + 3].mean(axis=1)
    row = end = max(int(_lash_end(face, x, y, half_height)) - 1, 1)
    highest = max(end - int(0.7 * half_height) - 2, 1)
    darkest = float(light[max(end - 2, 0) : end + 1].min())
    level = darkest + 0.7 * (float(light[highest : end + 1].max()) - darkest)
    while row > highest and light[row - 1] < level:
        row -= 1
    return row


def _brows(
    face: _Face, eye_left: Box, eye_right: Box, apart: float, guessed: set[str]
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


def _mouth(face: _Face, left: Box, right: Box, guessed: set[str]) -> Box:
    """What is not skin, below the nose and on the face's axis."""
    apart = left.centre[0] - right.centre[0]
    axis = (left.centre[0] + right.centre[0]) / 2 - LEFT
    eyes = (left.centre[1] + right.centre[1]) / 2 - TOP
    y0, y1 = int(eyes + 0.4 * apart), min(int(eyes + 1.0 * apart), BOTTOM - TOP)
    x0, x1 = int(axis - 0.42 * apart), int(axis + 0.42 * apart) + 1
    part = face.from_skin[y0:y1, x0:x1]
    # Blush is smooth and wide: what a wide average has too is not the mouth.
    detail = np.clip(part - np.minimum(cv2.blur(part, (1, 21)), cv2.blur(part, (31, 1))), 0, 40)
    best, box = 12.0, None
    for level in (3.0, 5.0, 8.0, 12.0):
        marks = cv2.morphologyEx(
            (detail > level).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((2, 3), np.uint8)
        )
        count, _, stats, centres = cv2.connectedComponentsWithStats(marks, connectivity=8)
        for label in range(1, count):
            x, y, width, height = (int(value) for value in stats[label, :4])
            off = abs(centres[label][0] + x0 - axis) / apart
            if x == 0 or x + width == x1 - x0 or y + height == y1 - y0 or off > 0.12:
                continue
            if not (0.13 < width / apart < 0.62 and height < 0.4 * apart and width > height * 0.9):
                continue
            weight = float(detail[y : y + height, x : x + width].max(axis=0).sum())
            down = (y + y0 + height / 2 - eyes) / apart
            score = weight * (1 - 3 * off) * (1 - abs(down - 0.6))
            if score > best:
                best = score
                box = Box(float(x + x0 + LEFT), float(y + y0 + TOP), float(width), float(height))
    if box is None:
        guessed.add("mouth")
        box = Box(LEFT + axis - 0.17 * apart, TOP + eyes + 0.6 * apart, 0.34 * apart, 4.0)
    return box
