"""Lines as SVG path data: smooth curves, and strokes whose width changes along them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIZE = 512
MIDDLE = 256.0

Point = tuple[float, float]
Knot = tuple[float, float, float]  # x, y, half of the width
Array = NDArray[np.float64]


def num(value: float) -> str:
    """A coordinate as short text."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def curve(points: Array, start: str = "M") -> str:
    """Path data of a smooth line through the points (Catmull-Rom written as Bezier curves)."""
    p = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    parts = [f"{start}{num(p[1][0])},{num(p[1][1])}"]
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        e, f = b + (c - a) / 6, c - (d - b) / 6
        parts.append("C" + " ".join(f"{num(q[0])},{num(q[1])}" for q in (e, f, c)))
    return "".join(parts)


def spline(knots: Sequence[Sequence[float]], count: int = 12) -> Array:
    """`count` samples along a Catmull-Rom spline through the knots, whatever their dimension."""
    k = np.asarray(knots, dtype=np.float64)
    p = np.vstack([2 * k[0] - k[1], k, 2 * k[-1] - k[-2]])
    where = np.linspace(0, len(k) - 1, count)
    i = np.minimum(where.astype(int), len(k) - 2)
    t = (where - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    cubic = (3 * b - a - 3 * c + d) * t**3
    return np.asarray(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + cubic))


def across(samples: Array, u: float | Array) -> Array:
    """The line at `u` of a ribbon's width: -1 is its right edge going forward, 1 its left one."""
    step = np.gradient(samples[:, :2], axis=0)
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-6)
    normal = np.stack([step[:, 1], -step[:, 0]], axis=1)
    width = np.maximum(samples[:, 2], 0) * u
    return np.asarray(samples[:, :2] + normal * width[:, None])


def between(samples: Array, u0: float | Array, u1: float | Array) -> str:
    """Path data of the closed area of a ribbon between two lines along it."""
    return curve(across(samples, u0)) + curve(across(samples, u1)[::-1], "L") + "Z"


def ribbon(*knots: Knot, count: int = 14) -> str:
    """Path data of a stroke whose width changes along it: a pen line, a strand."""
    return between(spline(knots, count), -1, 1)


def pen(*points: Point, width: float = 1.0, count: int = 12) -> str:
    """Path data of a pen line that is `width` thick in its middle and thin at both ends."""
    line = spline(points, count)
    swell = np.sin(np.linspace(0.12, 0.92, count) * np.pi) ** 0.7 * width / 2
    return between(np.column_stack([line, swell]), -1, 1)


def flip(points: Sequence[Knot]) -> list[Knot]:
    """The same knots on the other side of the picture's middle line."""
    return [(SIZE - x, y, w) for x, y, w in points]


def whole(half: Sequence[Point]) -> str:
    """A closed symmetric outline from the Bezier points of its left half, top to bottom."""
    other = [(SIZE - x, y) for x, y in half[::-1]]
    points = [*half[1:], *other[1:]]
    body = " ".join(f"{num(x)},{num(y)}" for x, y in points)
    return f"M{num(half[0][0])},{num(half[0][1])}C{body}Z"
