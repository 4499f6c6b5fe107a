"""Hair, lock by lock: a lock is a ribbon with shadow, light, strands and an outline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.avatar.pictures.drawing.pen import (
    Array,
    Knot,
    across,
    between,
    flip,
    num,
    pen,
    ribbon,
    spline,
)
from stages.avatar.pictures.drawing.sheet import Sheet

CROWN: list[Knot] = [
    (196, 103, 0.05),
    (204, 86, 0.6),
    (218, 72.5, 0.75),
    (236, 63.5, 0.7),
    (256, 60.5, 0.7),
]


@dataclass(frozen=True)
class Hair:
    """The paints of a head of hair."""

    base: str
    shade: str
    light: str
    ink: str


def lock(sheet: Sheet, hair: Hair, knots: Sequence[Knot]) -> None:
    """One lock: its base, a crisp shadow on the side away from the light, strands and outline."""
    s = spline(knots, 16)
    along = np.linspace(0, 1, len(s))
    sheet.fill(between(s, -1, 1), hair.base)
    edge = 1 - 0.75 * np.sin(np.clip(along * 1.25, 0, 1) * np.pi / 2)
    sheet.fill(between(s, edge, 1), hair.shade, 0.75)
    glow = 0.2 * np.sin(along * np.pi) ** 2
    sheet.fill(between(s, -0.62 - glow, -0.62 + glow), hair.light, 0.5)
    for u, first, last in ((-0.25, 4, 12), (0.1, 7, 15)):
        strand = across(s, u)[first:last]
        sheet.fill(pen(*map(tuple, strand), width=0.7), hair.ink, 0.4)
    _edges(sheet, hair.ink, s)


def pairs(sheet: Sheet, hair: Hair, locks: Sequence[Sequence[Knot]]) -> None:
    """Each lock, and its like on the other side of the head."""
    for knots in locks:
        lock(sheet, hair, knots)
        lock(sheet, hair, flip(knots))


def fringe(sheet: Sheet, hair: Hair, locks: Sequence[Sequence[Knot]]) -> None:
    """The locks over the forehead with the light on them, and the outline of the crown."""
    for knots in locks:
        lock(sheet, hair, knots)
        _shine(sheet, hair, knots)
    sheet.fill(ribbon(*CROWN, *flip(CROWN[:-1])[::-1], count=20), hair.ink)


def _edges(sheet: Sheet, ink: str, s: Array) -> None:
    """Pen lines along both edges of a lock, thin at its root."""
    swell = 0.625 * np.clip(0.15 + np.linspace(0, 1.6, len(s)), 0, 1)
    swell[-1] *= 0.5
    for u in (-1.0, 1.0):
        edge = np.column_stack([across(s, u), swell])
        sheet.fill(between(edge, -1, 1), ink)


def _shine(sheet: Sheet, hair: Hair, knots: Sequence[Knot]) -> None:
    """A lock's piece of the ring of light on the crown: where the lock crosses an ellipse."""
    s = spline(knots, 64)
    inside = ((s[:, 0] - 256) / 53) ** 2 + ((s[:, 1] - 127) / 42) ** 2 < 1
    if not inside.any():
        return
    at = int(np.argmax(inside))
    upper = [at - up for up in (0, 3, 2, 4, 2, 0)]
    lower = [at + down for down in (1, 5, 3, 7, 2, 1)]
    us = (-0.95, -0.6, -0.3, 0.0, 0.35, 0.7)
    rows = [
        [across(s, u)[min(max(i, 0), 63)] for u, i in zip(us, row, strict=True)]
        for row in (upper, lower)
    ]
    points = [*rows[0], *rows[1][::-1]]
    sheet.fill("M" + "L".join(f"{num(x)},{num(y)}" for x, y in points) + "Z", hair.light, 0.85)
