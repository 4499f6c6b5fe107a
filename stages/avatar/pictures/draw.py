"""Draws the characters of ayatsuri: writes NAME.svg, NAME.png and NAME.yaml beside this file.

How to run (resvg-py renders, OpenCV reduces; neither is needed to use the pictures):

    pip install resvg-py opencv-python-headless numpy
    python stages/avatar/pictures/draw.py            # every character
    python stages/avatar/pictures/draw.py ito        # one of them

Everything is drawn in the 512 x 512 picture's own pixels. "left" and "right" are the subject's:
the subject's left is the picture's right. Light falls from the picture's upper left.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 512
RENDER = 2048
MIDDLE = 256.0
HERE = Path(__file__).resolve().parent

Point = tuple[float, float]
Knot = tuple[float, float, float]  # x, y, half of the width
Box = tuple[int, int, int, int]  # x, y, width, height
Stops = Sequence[tuple[float, str, float]]  # offset, colour, opacity
Array = NDArray[np.float64]


# --------------------------------------------------------------------------- geometry


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


# --------------------------------------------------------------------------- the sheet


@dataclass
class Sheet:
    """An SVG document as it is being drawn."""

    title: str
    defs: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)

    def paint(self, name: str, stops: Stops, line: tuple[float, float, float, float]) -> str:
        """A linear gradient from (x1, y1) to (x2, y2), as a fill."""
        x1, y1, x2, y2 = map(num, line)
        head = f'<linearGradient id="{name}" gradientUnits="userSpaceOnUse"'
        return self._gradient(
            name, f'{head} x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}">', stops, "linearGradient"
        )

    def glow(self, name: str, stops: Stops) -> str:
        """A radial gradient that fits the shape it fills."""
        return self._gradient(name, f'<radialGradient id="{name}">', stops, "radialGradient")

    def _gradient(self, name: str, head: str, stops: Stops, kind: str) -> str:
        marks = "".join(
            f'<stop offset="{num(at)}" stop-color="{colour}" stop-opacity="{num(alpha)}"/>'
            for at, colour, alpha in stops
        )
        self.defs.append(f"{head}{marks}</{kind}>")
        return f"url(#{name})"

    def clip(self, name: str, *data: str) -> str:
        paths = "".join(f'<path d="{d}"/>' for d in data)
        self.defs.append(f'<clipPath id="{name}">{paths}</clipPath>')
        return f"url(#{name})"

    def fill(self, data: str, paint: str, alpha: float = 1.0) -> None:
        opacity = "" if alpha >= 1 else f' opacity="{num(alpha)}"'
        self.body.append(f'<path d="{data}" fill="{paint}"{opacity}/>')

    def line(self, data: str, paint: str, width: float, alpha: float = 1.0) -> None:
        opacity = "" if alpha >= 1 else f' opacity="{num(alpha)}"'
        self.body.append(
            f'<path d="{data}" fill="none" stroke="{paint}" stroke-width="{num(width)}"'
            f' stroke-linecap="round" stroke-linejoin="round"{opacity}/>'
        )

    def shape(self, data: str, paint: str, ink: str, width: float = 1.2) -> None:
        """A filled area with its outline."""
        self.body.append(
            f'<path d="{data}" fill="{paint}" stroke="{ink}" stroke-width="{num(width)}"'
            ' stroke-linejoin="round"/>'
        )

    def oval(
        self, at: Point, radii: Point, paint: str, alpha: float = 1.0, turn: float = 0
    ) -> None:
        opacity = "" if alpha >= 1 else f' opacity="{num(alpha)}"'
        spin = f' transform="rotate({num(turn)} {num(at[0])} {num(at[1])})"' if turn else ""
        self.body.append(
            f'<ellipse cx="{num(at[0])}" cy="{num(at[1])}" rx="{num(radii[0])}"'
            f' ry="{num(radii[1])}" fill="{paint}"{opacity}{spin}/>'
        )

    def within(self, clip: str, draw: Callable[[], None]) -> None:
        """Draws with everything outside of the clip cut away."""
        self.body.append(f'<g clip-path="{clip}">')
        draw()
        self.body.append("</g>")

    def both(self, draw: Callable[[], None]) -> None:
        """Draws once as it is and once mirrored at the picture's middle line."""
        start = len(self.body)
        draw()
        again = self.body[start:]
        self.body += [f'<g transform="matrix(-1 0 0 1 {SIZE} 0)">', *again, "</g>"]

    def svg(self) -> str:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}">'
        inner = "\n".join([f"<title>{self.title}</title>", "<defs>", *self.defs, "</defs>"])
        return "\n".join([head, inner, *self.body, "</svg>", ""])


# --------------------------------------------------------------------------- hair


@dataclass(frozen=True)
class Hair:
    """The paints of a head of hair."""

    base: str
    shade: str
    light: str
    ink: str


def lock(sheet: Sheet, hair: Hair, knots: Sequence[Knot], shade: float = 0.25) -> None:
    """One lock: its base, a crisp shadow on the side away from the light, strands and outline.

    `shade` is where across the lock the shadow begins (-1 left edge, 1 right edge).
    """
    s = spline(knots, 16)
    along = np.linspace(0, 1, len(s))
    sheet.fill(between(s, -1, 1), hair.base)
    edge = 1 - (1 - shade) * np.sin(np.clip(along * 1.25, 0, 1) * np.pi / 2)
    sheet.fill(between(s, edge, 1), hair.shade, 0.75)
    glow = 0.2 * np.sin(along * np.pi) ** 2
    sheet.fill(between(s, -0.62 - glow, -0.62 + glow), hair.light, 0.5)
    for u, first, last in ((-0.25, 4, 12), (0.1, 7, 15)):
        strand = across(s, u)[first:last]
        sheet.fill(pen(*map(tuple, strand), width=0.7), hair.ink, 0.4)
    outline(sheet, hair.ink, s)


def outline(sheet: Sheet, ink: str, s: Array, width: float = 1.25) -> None:
    """Pen lines along both edges of a lock, thin at its root."""
    swell = width / 2 * np.clip(0.15 + np.linspace(0, 1.6, len(s)), 0, 1)
    swell[-1] *= 0.5
    for u in (-1.0, 1.0):
        edge = np.column_stack([across(s, u), swell])
        sheet.fill(between(edge, -1, 1), ink)


def crown(sheet: Sheet, hair: Hair) -> None:
    """The outline of the top of the head."""
    edge: list[Knot] = [
        (196, 103, 0.05),
        (204, 86, 0.6),
        (218, 72.5, 0.75),
        (236, 63.5, 0.7),
        (256, 60.5, 0.7),
    ]
    sheet.fill(ribbon(*edge, *flip(edge[:-1])[::-1], count=20), hair.ink)


def shine(sheet: Sheet, hair: Hair, knots: Sequence[Knot]) -> None:
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


# --------------------------------------------------------------------------- face


@dataclass(frozen=True)
class Face:
    """The paints of a face."""

    lash: tuple[str, str]
    iris: tuple[str, str, str, str]  # top, middle, bottom, rim
    brow: str
    tall: float = 1.0  # how tall the eyes are
    heavy: float = 1.0  # how thick the brows are
    flick: bool = True  # a second tip at the outer end of the lashes


EYE_OUT, EYE_Y = 26.5, 135.0
SKIN, SKIN_SHADE, SKIN_INK = "#ffeadf", "#eda79f", "#96504f"


def face_outline() -> str:
    return whole(
        [
            (206, 96), (204, 116), (204.4, 136), (209.5, 149.5),
            (216, 163), (236, 172), (249, 175.8), (252, 176.7), (254, 177), (256, 177),
        ]
    )  # fmt: skip


def eye_path(side: int, *points: float | str) -> str:
    """Path data in an eye's own coordinates: x grows outward from its middle, y downward."""
    out: list[str] = []
    values = list(points)
    while values:
        item = values.pop(0)
        if isinstance(item, str):
            out.append(item)
            continue
        y = values.pop(0)
        assert not isinstance(y, str)
        out.append(f"{num(MIDDLE + side * (EYE_OUT + item))},{num(EYE_Y + y)} ")
    return "".join(out)


def eye(sheet: Sheet, face: Face, side: int) -> None:
    """One open eye: side 1 is the subject's left (the picture's right), -1 the right."""
    name = "left" if side > 0 else "right"
    ball = eye_path(
        side, "M", -13, 1.5, "C", -12, -7, -6.5, -13, 1, -13, "C", 9, -13, 14, -6, 14.3, 2.5,
        "C", 13.5, 9, 8, 12.6, 0, 12.6, "C", -8, 12.6, -12.6, 8, -13, 1.5, "Z",
    )  # fmt: skip
    white = sheet.paint(
        f"white_{name}", [(0, "#b9a8c9", 1), (0.42, "#f4eff8", 1), (1, "#ffffff", 1)],
        (0, EYE_Y - 13, 0, EYE_Y + 9),
    )  # fmt: skip
    sheet.fill(ball, white)
    sheet.within(sheet.clip(f"eye_{name}", ball), lambda: iris(sheet, face, side))
    lashes(sheet, face, side)
    glints(sheet, side)


def iris(sheet: Sheet, face: Face, side: int) -> None:
    name = "left" if side > 0 else "right"
    top, middle, bottom, rim = face.iris
    x, y = MIDDLE + side * (EYE_OUT - 0.2), EYE_Y - 0.4
    fill = sheet.paint(
        f"iris_{name}", [(0, top, 1), (0.38, middle, 1), (0.95, bottom, 1)], (0, y - 11, 0, y + 12)
    )
    sheet.oval((x, y), (11.2, 13.4), rim)
    sheet.oval((x, y + 0.3), (10, 12.2), fill)
    lamp = sheet.glow(f"lamp_{name}", [(0, "#ffffff", 0.75), (1, bottom, 0)])
    sheet.oval((x, y + 8.6), (8, 5), lamp)
    sheet.oval((x, y - 0.3), (4.3, 5.6), rim)
    sheet.oval((x, y + 1.2), (2.6, 3.2), top)
    for tilt in (-1, 1):
        sheet.fill(
            pen((x + tilt * 8.2, y), (x + tilt * 7.2, y + 5.6), (x + tilt * 4, y + 9.8),
                width=1.3), bottom, 0.8,
        )  # fmt: skip
    shadow = sheet.paint(
        f"lid_{name}", [(0, "#1a1030", 0.75), (1, "#1a1030", 0)], (0, y - 12, 0, y - 3)
    )
    sheet.fill(f"M{x - 16},{y - 16}h32v13h-32Z", shadow)


def lashes(sheet: Sheet, face: Face, side: int) -> None:
    name = "left" if side > 0 else "right"
    middle = MIDDLE + side * EYE_OUT
    ink = sheet.paint(
        f"lash_{name}", [(0, face.lash[0], 1), (0.62, face.lash[0], 1), (1, face.lash[1], 1)],
        (middle - side * 14, 0, middle + side * 17, 0),
    )  # fmt: skip
    upper = eye_path(
        side, "M", 19.6, -5.2, "C", 17.6, -4.8, 16, -6, 14.6, -8.2,
        "C", 11.2, -13.6, 6.5, -16.3, 0.5, -16.3, "C", -7, -16.3, -12.6, -10.6, -14.6, -0.4,
        "C", -11.8, -8.4, -6.5, -12.2, 0.6, -12.2, "C", 6.6, -12.2, 11.4, -7.6, 13, 0.4,
        "C", 13.4, 3, 13.4, 5, 12.6, 8, "C", 14.6, 5.4, 15.4, 2.6, 15.4, 0.2,
        "C", 16.8, -1, 18.4, -2.6, 19.6, -5.2, "Z",
    )  # fmt: skip
    sheet.fill(upper, ink)
    if face.flick:
        sheet.fill(
            eye_path(
                side,
                "M",
                10.6,
                -12.4,
                "Q",
                13.6,
                -10.8,
                17.4,
                -11.2,
                "Q",
                15.6,
                -8.6,
                13.6,
                -7.4,
                "Z",
            ),
            ink,
        )
    sheet.fill(
        sided(side, (-6.5, -17.4), (0.5, -19.2), (7.5, -17.8), (12.5, -14), width=0.9),
        SKIN_INK,
        0.5,
    )
    sheet.fill(sided(side, (-3, 13.6), (4, 13.5), (10, 10.6), (13.4, 6), width=1.2), ink)


def sided(side: int, *points: Point, width: float) -> str:
    """A pen line in an eye's own coordinates."""
    return pen(*((MIDDLE + side * (EYE_OUT + x), EYE_Y + y) for x, y in points), width=width)


def glints(sheet: Sheet, side: int) -> None:
    """The reflections, on the same side in both eyes, over the lashes' shadow."""
    x, y = MIDDLE + side * EYE_OUT, EYE_Y
    sheet.oval((x - 4.2, y - 5.6), (3.2, 4.1), "#ffffff", turn=18)
    sheet.oval((x + 4.8, y + 5.4), (1.9, 2.2), "#ffffff", 0.92)
    sheet.oval((x + 5.9, y - 3.2), (0.9, 1.1), "#ffffff", 0.8)


def brow(sheet: Sheet, face: Face, side: int) -> None:
    knots: list[Knot] = [(-12, -24, 0.7), (-4.5, -26.2, 1.5), (5, -26, 1.35), (13.5, -22, 0.25)]
    placed: list[Knot] = [
        (MIDDLE + side * (EYE_OUT + x), EYE_Y + y, w * face.heavy) for x, y, w in knots
    ]
    sheet.fill(ribbon(*placed), face.brow)


def head(sheet: Sheet, face: Face) -> None:
    """The face without its features."""
    sheet.paint(
        "skin", [(0, "#ffe9dc", 1), (0.75, "#fff0e6", 1), (1, "#ffe3d6", 1)], (0, 100, 0, 178)
    )
    sheet.shape(face_outline(), "url(#skin)", SKIN_INK, 1.2)
    blush = sheet.glow("blush", [(0, "#ff7f86", 0.5), (0.55, "#ff8f90", 0.25), (1, "#ff8f90", 0)])
    for side in (-1, 1):
        sheet.oval((MIDDLE + side * 34, 153), (13, 7), blush)


def features(sheet: Sheet, face: Face) -> None:
    sheet.body.append(f'<g transform="matrix(1 0 0 {face.tall} 0 {num(EYE_Y * (1 - face.tall))})">')
    for side in (-1, 1):
        eye(sheet, face, side)
    sheet.body.append("</g>")
    sheet.fill("M254.6,150.6 Q256.6,153.4 258.2,150.9 Q256.6,151.6 254.6,150.6Z", SKIN_INK, 0.75)
    sheet.oval((254.6, 148.2), (1.1, 1.5), "#ffffff", 0.7)
    sheet.fill(
        pen((247.2, 159.4), (251, 161.6), (256, 162.4), (261, 161.6), (264.8, 159.4), width=1.5),
        "#a3414b",
    )
    sheet.fill(pen((252.6, 166.4), (256, 167), (259.4, 166.4), width=0.8), "#d98a83", 0.8)


def fringe_shadow(sheet: Sheet, fringe: Sequence[Sequence[Knot]], paint: str) -> None:
    """What the fringe throws on the face."""
    cut = sheet.clip("face", face_outline())
    down = [[(x + 1.5, y + 5.5 * min(1.0, (y - 60) / 40), w) for x, y, w in k] for k in fringe]

    def shadow() -> None:
        for knots in down:
            sheet.fill(between(spline(knots, 16), -1, 1), paint)
        sheet.fill("M200,90 L211,90 C208,120 208,150 217,166 L200,170Z", paint)

    sheet.body.append('<g opacity="0.75">')
    sheet.within(cut, shadow)
    sheet.body.append("</g>")


def hand(sheet: Sheet) -> None:
    """The hand on the picture's left, hanging down."""
    sheet.shape(
        "M184,400 C181,412 182,422 185,430 C185.4,436 187.4,442 189.6,442.4"
        " C190.8,442.6 191.6,441.6 191.8,440 C192.6,443.6 195.4,443.6 196.2,440.4"
        " C198,442.4 200.4,440.6 200.8,436 C202.4,434 203,430 202.6,426"
        " C205,424 207.6,419 207,413 L205,400Z",
        SKIN,
        SKIN_INK,
        1.1,
    )
    sheet.fill("M183,400 L206,400 L205,416 C196,420 188,420 182,416Z", SKIN_SHADE, 0.7)
    sheet.fill(pen((191.8, 440), (191, 434), (191.4, 428), width=0.9), SKIN_INK, 0.8)
    sheet.fill(pen((196.4, 440), (196.4, 433), (196, 427), width=0.9), SKIN_INK, 0.8)


def cross(sheet: Sheet, at: Point, size: float, paint: str, width: float) -> None:
    """The small control cross that is the theatre's crest."""
    x, y = at
    half = size * 0.7
    sheet.line(
        f"M{num(x - half)},{num(y - half)}l{num(2 * half)},{num(2 * half)}"
        f"M{num(x + half)},{num(y - half)}l{num(-2 * half)},{num(2 * half)}",
        paint,
        width,
    )


# --------------------------------------------------------------------------- Ito

ITO_HAIR = Hair(base="url(#hair)", shade="#a877b4", light="#fff0fb", ink="#54325f")
ITO_FACE = Face(
    lash=("#2b1733", "#7c2f50"),
    iris=("#14335c", "#1c8ea3", "#8cf3dc", "#10284a"), brow="#512a5b",
)  # fmt: skip
RED, RED_DARK, RED_INK = "#dd4460", "#a92a50", "#641735"
NAVY, NAVY_DARK, NAVY_INK = "#343a6e", "#242750", "#171736"
CREAM, CREAM_DARK, CREAM_INK = "#fff7ea", "#e6d0d0", "#8a6470"
PLUM, PLUM_DARK, PLUM_INK = "#8b2f58", "#652046", "#3d1231"
GOLD, GOLD_DARK = "#f2c766", "#a9722b"

ITO_FRINGE: list[list[Knot]] = [
    [(236, 72, 9), (214, 92, 11), (204.5, 112, 8), (201.5, 126, 4.5), (204, 138, 0)],
    [(276, 72, 9), (298, 92, 11), (307.5, 112, 8), (310.5, 125, 4.5), (308, 137, 0)],
    [(243, 69, 9), (226, 88, 11.5), (217, 105, 8.5), (213.5, 116, 4), (214, 126, 0)],
    [(269, 69, 9), (286, 88, 11.5), (295, 105, 8.5), (298, 115, 4), (296.5, 124, 0)],
    [(264, 67, 9), (277, 86, 11), (284, 101, 8.5), (285, 111, 4), (280, 119.5, 0)],
    [(249, 67, 9), (237, 86, 11.5), (229, 102, 8.5), (227.5, 112, 4), (232, 119.5, 0)],
    [(254, 66, 8), (249, 86, 10), (244, 103, 7), (243, 114, 3.5), (246.5, 123, 0)],
    [(260, 66, 8), (265, 86, 11), (265, 104, 8.5), (261, 117, 4.5), (253.5, 128, 0)],
]
ITO_SIDE: list[list[Knot]] = [
    [(199, 140, 5), (190, 176, 6.5), (184, 204, 5), (171, 226, 0)],
    [(220, 80, 9), (203, 104, 11), (195.5, 138, 9), (195, 176, 8), (203, 214, 7.5), (206, 250, 5.5),
     (198, 286, 0)],
    [(214, 96, 5), (205, 120, 4.6), (202, 146, 4), (206, 172, 3.6), (217, 198, 0)],
]  # fmt: skip
ITO_BACK: list[list[Knot]] = [
    [(222, 160, 18), (206, 240, 22), (198, 310, 18), (190, 376, 0)],
    [(214, 140, 18), (196, 210, 18), (180, 270, 17), (168, 330, 13), (164, 366, 7), (150, 396, 0)],
    [
        (210, 122, 16),
        (191, 176, 16),
        (179, 230, 16),
        (164, 282, 12),
        (156, 312, 7.5),
        (138, 334, 0),
    ],
    [(206, 130, 10), (189, 180, 10), (179, 220, 10), (166, 252, 7), (150, 276, 0)],
]


def ito() -> Sheet:
    """Ito (thread): an apprentice of the puppet theatre."""
    sheet = Sheet("Ito, a character of ayatsuri")
    ito_paints(sheet)
    ito_bow_behind(sheet)
    ito_back_hair(sheet)
    ito_body(sheet)
    head(sheet, ITO_FACE)
    fringe_shadow(sheet, ITO_FRINGE, "#f3b9ae")
    features(sheet, ITO_FACE)
    ito_front_hair(sheet)
    for side in (-1, 1):
        brow(sheet, ITO_FACE, side)
    ito_pin(sheet)
    return sheet


def ito_paints(sheet: Sheet) -> None:
    tones = [(0, "#d4a9d8", 1), (0.16, "#efcfee", 1), (0.42, "#dcb2de", 1), (1, "#f6bfcb", 1)]
    sheet.paint("hair", tones, (0, 60, 0, 290))
    deep = [(0, "#7f5294", 1), (0.5, "#b07fbb", 1), (1, "#eaa9bf", 1)]
    inner = [(0, "#5f3b78", 1), (0.45, "#7b5192", 1), (1, "#a273b2", 1)]
    sheet.paint("hair_deep", inner, (0, 140, 0, 250))
    sheet.paint("hair_back", deep, (0, 120, 0, 390))
    sheet.paint("navy", [(0, "#4a5396", 1), (1, NAVY, 1)], (0, 195, 0, 290))
    sheet.paint("cream", [(0, CREAM, 1), (0.55, "#fdf0e4", 1), (1, "#f7b9b8", 1)], (0, 280, 0, 425))
    sheet.paint("plum", [(0, "#a83c6a", 1), (1, "#54204f", 1)], (0, 300, 0, 512))
    sheet.paint("red", [(0, "#f4707f", 1), (1, RED, 1)], (0, 66, 0, 140))
    sheet.paint("red_small", [(0, "#f4707f", 1), (1, RED, 1)], (0, 196, 0, 224))


def ito_bow_behind(sheet: Sheet) -> None:
    """The large bow at the back of the head, seen on both sides of it."""

    def wing() -> None:
        sheet.shape(
            "M214,122 C190,134 170,160 158,192 C166,191 171,194 176,202 C184,180 196,158 214,146Z",
            RED,
            RED_INK,
            1.3,
        )
        sheet.fill(
            "M214,128 C196,142 184,164 174,197 L176,202 C184,180 196,158 214,146Z", RED_DARK, 0.8
        )
        loop = (
            "M230,88 C212,66 184,52 166,56 C154,60 148,78 150,96 C151,112 156,126 164,131"
            " C184,134 212,120 230,104Z"
        )
        sheet.shape(loop, "url(#red)", RED_INK, 1.4)
        sheet.fill(
            "M226,100 C204,98 176,108 157,124 C159,128 161,130 164,131 C184,134 212,120 230,104Z",
            RED_DARK,
            0.8,
        )
        sheet.fill(
            "M166,56 C156,59 150,72 150,88 C160,76 178,76 200,84 C188,72 176,60 166,56Z",
            RED_DARK,
            0.55,
        )
        sheet.fill("M170,60 C182,62 200,72 212,84 C198,78 182,70 170,60Z", "#ffc0c2", 0.75)
        for y, end in ((92, 104), (84, 80)):
            sheet.fill(
                pen((224, 94), (202, (94 + y) / 2 + 1), (178, end - 2), width=1.1), RED_INK, 0.65
            )

    sheet.both(wing)


def ito_back_hair(sheet: Sheet) -> None:
    back = Hair("url(#hair_back)", "#7d5391", "#e3b4dd", ITO_HAIR.ink)
    for knots in ITO_BACK:
        for placed in (knots, flip(knots)):
            lock(sheet, back, placed)
    crown = "M200,120 C194,180 196,230 206,280 L306,280 C316,230 318,180 312,120Z"
    sheet.fill(crown, "url(#hair_deep)")


def ito_body(sheet: Sheet) -> None:
    ito_hakama(sheet)
    ito_sleeves(sheet)
    ito_cape(sheet)
    ito_neck(sheet)
    ito_collar(sheet)
    ito_bow(sheet)
    ito_thread(sheet)


def ito_sleeves(sheet: Sheet) -> None:
    def sleeve() -> None:
        hand(sheet)
        outer = (
            "M188,262 C176,296 160,350 150,402 C166,416 190,420 208,412 C214,370 217,320 220,270Z"
        )
        sheet.shape(outer, "url(#cream)", CREAM_INK, 1.3)
        cut = sheet.clip("sleeve", outer)
        sheet.within(cut, lambda: ito_sleeve_inside(sheet))
        sheet.line(outer, CREAM_INK, 1.2)

    sheet.both(sleeve)


def ito_sleeve_inside(sheet: Sheet) -> None:
    sheet.fill("M220,270 C214,300 206,350 196,420 L224,420 L224,270Z", "#d9b9c4", 0.6)
    sheet.fill("M184,262 L222,262 L220,304 C204,308 186,304 172,296Z", "#b794ad", 0.75)
    sheet.line("M150,392 C168,406 192,409 212,401", RED, 3)
    sheet.line("M150,386 C168,400 192,403 212,395", GOLD, 1)
    sheet.fill(pen((200, 306), (192, 336), (188, 372), width=1.2), CREAM_INK, 0.6)
    sheet.fill(pen((184, 306), (176, 330), (170, 350), width=1), CREAM_INK, 0.45)
    thread = (
        "M160,352 C168,340 176,344 174,352 C172,360 164,358 168,350 C174,340 188,350"
        " 196,340 C204,332 208,338 212,330"
    )
    sheet.line(thread, RED, 1.1)
    for x, y in ((182, 376), (168, 372), (196, 366), (184, 326), (202, 318)):
        cross(sheet, (x, y), 3.2, RED, 1.2)


PLEATS = ((228, 196), (237, 216), (246, 236), (256, 256), (266, 276), (275, 296), (284, 316))


def ito_hakama(sheet: Sheet) -> None:
    sheet.shape("M224,240 L288,240 L290,300 L222,300Z", CREAM, CREAM_INK)
    sheet.fill("M240,236 L272,236 L272,252 L240,252Z", "#d9b9c4", 0.7)
    skirt = whole(
        [(221, 306), (208, 360), (188, 430), (176, 520), (200, 524), (230, 524), (256, 524)]
    )
    sheet.shape(skirt, "url(#plum)", PLUM_INK, 1.4)
    sheet.within(sheet.clip("skirt", skirt), lambda: ito_pleats(sheet))
    sheet.shape(
        "M222,268 C240,274 272,274 290,268 L291,296 C272,302 240,302 221,296Z", RED, RED_INK
    )
    sheet.fill(
        "M266,272 C276,272 284,270 290,268 L291,296 C286,298 280,299 272,300Z", RED_DARK, 0.7
    )
    sheet.line("M221.5,282 C240,288 272,288 290.5,282", GOLD, 2)
    sheet.line("M221.5,283.2 C240,289.2 272,289.2 290.5,283.2", GOLD_DARK, 0.7)
    sheet.shape(
        "M221,295 C240,301 272,301 291,295 L292,312 C272,318 240,318 220,312Z", PLUM, PLUM_INK
    )
    ito_tie(sheet)


def ito_tie(sheet: Sheet) -> None:
    """The hakama's cords, tied in front."""

    def half() -> None:
        sheet.shape(
            "M254,306 C248,322 243,342 242,362 L250,364 C251,344 254,324 258,308Z",
            PLUM,
            PLUM_INK,
            1.1,
        )
        sheet.fill(
            "M256,312 C251,330 247,348 246.4,363 L250,364 C251,344 254,324 258,308Z", PLUM_DARK, 0.8
        )
        sheet.shape(
            "M256,302 C248,296 236,297 231,303 C234,311 247,313 256,308Z", PLUM, PLUM_INK, 1.1
        )
        sheet.fill("M254,305 C246,303 238,304 232,305 C236,311 247,313 256,308Z", PLUM_DARK, 0.8)

    sheet.both(half)
    sheet.shape(
        "M251,300 C254,299 258,299 261,300 L262,310 C258,312 254,312 250,310Z", PLUM, PLUM_INK, 1.1
    )


def ito_thread(sheet: Sheet) -> None:
    """The golden thread from hand to hand, with a bead on it."""
    sheet.line("M190,441 C206,486 236,494 256,494 C276,494 306,486 322,441", PLUM_INK, 2.4, 0.5)
    sheet.line("M190,440 C206,484 236,492 256,492 C276,492 306,484 322,440", GOLD, 1.3)
    for x, y, size in ((244, 491.4, 2.2), (256, 492, 3.6), (268, 491.4, 2.2)):
        paint = RED if size > 3 else GOLD
        sheet.oval((x, y), (size + 0.8, size + 0.8), PLUM_INK)
        sheet.oval((x, y), (size, size), paint)
        sheet.oval((x - size * 0.3, y - size * 0.35), (size * 0.3, size * 0.3), "#fff3e0")


def ito_pleats(sheet: Sheet) -> None:
    for top, foot in PLEATS:
        wide = 5 + abs(foot - 256) * 0.05
        sheet.fill(
            f"M{top},308 C{top},380 {foot},440 {foot},524 L{foot + 3 * wide},524"
            f" C{foot + wide},440 {top + 3},380 {top},308Z",
            PLUM_INK,
            0.35,
        )
        sheet.fill(
            pen((top, 312), (top * 0.62 + foot * 0.38, 400), (foot, 530), width=1.5), PLUM_INK
        )
    sheet.fill("M216,306 L296,306 L298,328 C272,334 240,334 214,328Z", PLUM_INK, 0.45)
    sheet.fill(
        "M208,380 C196,430 188,470 184,524 L198,524 C198,470 202,430 208,380Z", "#c9608a", 0.35
    )


def ito_neck(sheet: Sheet) -> None:
    sheet.shape(
        "M243.5,160 C244,172 244,182 242,190 C238,196 236,200 236,206"
        " L256,214 L276,206 C276,200 274,196 270,190"
        " C268,182 268,172 268.5,160Z",
        SKIN,
        SKIN_INK,
        1.1,
    )
    sheet.fill("M244,168 L268,168 L268.2,186 C262,192 252,190 243.6,181Z", SKIN_SHADE, 0.8)


def ito_cape(sheet: Sheet) -> None:
    def side() -> None:
        half = (
            "M243,192 C230,202 212,206 200,214 C190,226 180,256 171,288 C190,300 214,302 238,296"
            " C242,270 248,240 256,214 L256,200Z"
        )
        sheet.fill("M256,214 L256,240 L246,292 L238,296Z", RED_DARK)
        sheet.shape(half, "url(#navy)", NAVY_INK, 1.4)
        cut = sheet.clip("cape", half)
        sheet.within(cut, lambda: ito_cape_inside(sheet))
        sheet.line(half, NAVY_INK, 1.3)

    sheet.both(side)


def ito_cape_inside(sheet: Sheet) -> None:
    sheet.fill(
        "M205,226 C198,250 192,276 190,304 L204,304 C202,278 203,252 205,226Z", NAVY_DARK, 0.85
    )
    sheet.fill(
        "M228,232 C224,256 222,280 222,304 L234,304 C230,280 228,256 228,232Z", NAVY_DARK, 0.85
    )
    sheet.fill(
        "M186,240 C180,258 176,272 173,288 L181,291 C182,274 184,256 186,240Z", "#6d78c0", 0.5
    )
    sheet.line("M170,282.5 C190,294 214,296 234.5,290.5 C238.5,268 244,242 251,222", GOLD, 1.8)
    sheet.line("M169,279 C190,290.5 212,292 231.5,287.5 C235,268 240,246 246,226", GOLD_DARK, 0.7)


def ito_collar(sheet: Sheet) -> None:
    def side() -> None:
        sheet.shape(
            "M242,187 C234,195 222,201 213,206 C216,216 224,222 234,224 C244,222 251,216 256,208"
            " C249,204 244,196 242,187Z",
            CREAM,
            CREAM_INK,
            1.2,
        )
        sheet.fill(
            "M213,206 C216,216 224,222 234,224 C244,222 251,216 256,208 C246,214 230,216 213,206Z",
            CREAM_DARK,
            0.7,
        )
        sheet.line(
            "M217,207.5 C220,213.5 226,218.4 234,220 C241,218.6 247,214.5 251.5,209", GOLD_DARK, 0.9
        )

    sheet.both(side)


def ito_bow(sheet: Sheet) -> None:
    """The bow at the throat."""

    def half() -> None:
        sheet.shape(
            "M254,212 C248,224 242,236 238,250 L245,249 L249,254 C252,240 256,228 258,214Z",
            RED,
            RED_INK,
            1.1,
        )
        sheet.shape(
            "M255,207 C246,198 236,194 229,196 C226,204 227,216 231,223 C239,223 248,217 255,211Z",
            "url(#red_small)",
            RED_INK,
            1.2,
        )
        sheet.fill(
            "M254,210 C246,209 236,213 229.6,219 L231,223 C239,223 248,217 255,211Z", RED_DARK, 0.75
        )
        sheet.fill(pen((252, 209), (244, 207), (236, 207.5), width=1), RED_INK, 0.7)

    sheet.both(half)
    sheet.shape(
        "M251,204 C254,202 258,202 261,204 C262,208 262,211 261,214 C258,216 254,216 251,214"
        " C250,211 250,208 251,204Z",
        GOLD,
        GOLD_DARK,
        1.1,
    )
    sheet.oval((254.4, 206.6), (1.5, 2), "#fff6d8", 0.95)


def ito_front_hair(sheet: Sheet) -> None:
    for knots in ITO_SIDE:
        for placed in (knots, flip(knots)):
            lock(sheet, ITO_HAIR, placed)
    cap = (
        "M198,120 C190,92 214,61 256,61 C298,61 322,92 314,120 C306,104 290,92 256,90"
        " C222,92 206,104 198,120Z"
    )
    sheet.fill(cap, ITO_HAIR.base)
    for knots in ITO_FRINGE:
        lock(sheet, ITO_HAIR, knots)
        shine(sheet, ITO_HAIR, knots)
    crown(sheet, ITO_HAIR)
    strand: list[Knot] = [(257, 64, 2.6), (250, 54, 3), (240, 47, 2.4), (228, 50, 0)]
    lock(sheet, ITO_HAIR, strand)


def ito_pin(sheet: Sheet) -> None:
    """The hairpin: a puppet's wooden control cross with two threads hanging from it."""
    for x, foot in ((305, 150), (312, 163)):
        sheet.line(f"M{x},100 C{x + 1},114 {x + 5},{foot - 22} {x + 4},{foot}", GOLD, 1)
        sheet.oval((x + 4, foot + 2), (2.4, 2.8), RED)
        sheet.oval((x + 3.4, foot + 1.2), (0.8, 0.9), "#ffd9d9")
    for turn in (-28, 58):
        sheet.body.append(
            f'<rect x="288" y="93.2" width="32" height="5.6" rx="2.6" fill="#d99a5b"'
            f' stroke="#6b3a22"'
            f' stroke-width="1.1" transform="rotate({turn} 304 96)"/>'
            f'<rect x="290" y="94.3" width="28" height="1.4" rx="0.7" fill="#f6cf97"'
            f' transform="rotate({turn} 304 96)"/>'
        )
    sheet.oval((304, 96), (3.4, 3.4), GOLD_DARK)
    sheet.oval((304, 96), (2.4, 2.4), GOLD)


# --------------------------------------------------------------------------- Koma

KOMA_HAIR = Hair(base="url(#hair)", shade="#27335a", light="#a9cdea", ink="#151a36")
KOMA_FACE = Face(
    lash=("#1d1630", "#4a2c46"), iris=("#6b2a12", "#d9771f", "#ffe08a", "#471a14"),
    brow="#1c2142", tall=0.93, heavy=1.15, flick=False,
)  # fmt: skip
COAT, COAT_DARK, COAT_INK = "#3b4266", "#292e4c", "#14162b"
TEAL, TEAL_DARK = "#3fa79c", "#276f74"
SAND, SAND_DARK, SAND_INK = "#efe4d3", "#cbb8ae", "#6e5a5c"

KOMA_FRINGE: list[list[Knot]] = [
    [(238, 75, 10), (213, 91, 12), (203, 112, 8.5), (200, 130, 5), (205, 149, 0)],
    [(276, 76, 10), (300, 92, 12), (309, 112, 8.5), (312, 130, 5), (307, 149, 0)],
    [(246, 72, 10), (226, 88, 12), (215, 105, 9), (211, 116, 4.5), (214, 126, 0)],
    [(273, 73, 10), (293, 88, 12), (299, 105, 9), (299, 115, 4.5), (293, 123, 0)],
    [(252, 70, 9), (237, 86, 12), (227, 102, 9.5), (224, 112, 4.5), (229, 120, 0)],
    [(268, 70, 9), (281, 86, 12), (283, 102, 9.5), (280, 112, 4.5), (272, 120, 0)],
    [(257, 69, 9), (249, 86, 11), (241, 104, 8.5), (239, 114, 4), (244, 123, 0)],
    [(263, 69, 9), (267, 86, 12), (265, 104, 9), (259, 116, 4.5), (250, 127, 0)],
]
KOMA_BACK: list[list[Knot]] = [
    [(218, 150, 12), (209, 172, 9), (206, 184, 5), (198, 195, 0)],
    [(210, 126, 12), (200, 149, 10.5), (195, 165, 6), (186, 176, 0)],
    [(208, 100, 12), (197, 122, 11), (191, 139, 6.5), (180, 149, 0)],
    [(219, 90, 9), (204, 99, 10), (195, 109, 6.5), (184, 115, 0)],
]
KOMA_TUFTS: list[list[Knot]] = [
    [(240, 79, 8), (223, 70, 7), (211, 70, 4), (201, 76, 0)],
    [(272, 79, 8), (290, 69, 7), (302, 69.5, 4), (312, 76, 0)],
    [(264, 74, 7), (271, 61, 5), (280, 57, 2.6), (289, 60, 0)],
    [(259, 74, 7), (252, 58, 5.5), (242, 51, 3.2), (231, 53, 0)],
]


def koma() -> Sheet:
    """Koma (spinning top): a stagehand in black with his little fox puppet."""
    sheet = Sheet("Koma, a character of ayatsuri")
    koma_paints(sheet)
    for knots in KOMA_BACK:
        for placed in (knots, flip(knots)):
            lock(sheet, KOMA_HAIR, placed)
    sheet.fill(
        "M202,110 L310,110 C308,140 304,168 294,188 L218,188 C208,168 204,140 202,110Z", "#222c50"
    )
    koma_body(sheet)
    head(sheet, KOMA_FACE)
    fringe_shadow(sheet, KOMA_FRINGE, "#e8b0a8")
    features(sheet, KOMA_FACE)
    koma_front_hair(sheet)
    for side in (-1, 1):
        brow(sheet, KOMA_FACE, side)
    return sheet


def koma_paints(sheet: Sheet) -> None:
    tones = [(0, "#34436e", 1), (0.35, "#5573a3", 1), (0.7, "#3c4f7e", 1), (1, "#4d7ea0", 1)]
    sheet.paint("hair", tones, (0, 56, 0, 170))
    sheet.paint("coat", [(0, "#4d5680", 1), (1, COAT, 1)], (0, 200, 0, 400))
    sheet.paint("sand", [(0, "#f6ecdc", 1), (1, "#d9c6c0", 1)], (0, 305, 0, 512))


def koma_front_hair(sheet: Sheet) -> None:
    cap = (
        "M198,120 C190,92 214,62 256,62 C298,62 322,92 314,120 C306,104 290,92 256,90"
        " C222,92 206,104 198,120Z"
    )
    sheet.fill(cap, KOMA_HAIR.base)
    for knots in KOMA_FRINGE:
        lock(sheet, KOMA_HAIR, knots)
        shine(sheet, KOMA_HAIR, knots)
    crown(sheet, KOMA_HAIR)
    for knots in KOMA_TUFTS:
        lock(sheet, KOMA_HAIR, knots)


def koma_body(sheet: Sheet) -> None:
    koma_hood(sheet)
    koma_hakama(sheet)
    koma_puppet(sheet)
    sheet.both(lambda: koma_sleeve(sheet))
    koma_coat(sheet)
    koma_cords(sheet)


def koma_hood(sheet: Sheet) -> None:
    """The stagehand's hood, thrown back behind the neck."""
    sheet.shape(
        "M214,208 C204,192 214,176 232,172 L280,172 C298,176 308,192 298,208Z",
        COAT_DARK,
        COAT_INK,
        1.4,
    )
    sheet.fill(pen((214, 196), (222, 184), (236, 178), width=1.2), "#5a6390")
    sheet.fill(pen((298, 196), (290, 184), (276, 178), width=1), "#4a5280")


def koma_sleeve(sheet: Sheet) -> None:
    hand(sheet)
    outer = (
        "M206,208 C196,214 192,228 190,250 C184,300 176,350 171,398 C182,408 198,410"
        " 210,404 C214,350 218,310 220,262Z"
    )
    sheet.shape(outer, "url(#coat)", COAT_INK, 1.3)

    def inside() -> None:
        sheet.fill("M222,250 C216,310 206,360 200,412 L224,412Z", COAT_DARK, 0.85)
        sheet.fill("M193,323 C201,320 208,314 218,302 C211,318 203,325 193,323Z", COAT_DARK, 0.8)
        sheet.fill("M194,351 C202,349 208,344 216,335 C210,347 203,353 194,351Z", COAT_DARK, 0.7)
        sheet.fill(
            ribbon((196, 226, 0), (191, 270, 1.8), (186, 320, 2), (180, 372, 0)), "#8f9bd0", 0.5
        )
        sheet.fill("M166,380 C182,390 200,392 216,386 L216,414 L166,412Z", TEAL)
        sheet.fill("M203,380 L216,380 L216,414 L200,414Z", TEAL_DARK, 0.8)
        sheet.line("M168,380.5 C182,390 200,392 214,386.5", COAT_INK, 1.1)
        sheet.line("M168,386 C182,395.5 200,397.5 214,392", GOLD, 1.1)

    sheet.within(sheet.clip("sleeve", outer), inside)
    sheet.line(outer, COAT_INK, 1.3)


STRIPES = ((230, 192), (239, 213), (247.5, 234), (256, 256), (264.5, 278), (273, 299), (282, 320))


def koma_hakama(sheet: Sheet) -> None:
    skirt = whole(
        [(220, 300), (208, 356), (190, 430), (180, 520), (204, 524), (230, 524), (256, 524)]
    )
    sheet.shape(skirt, "url(#sand)", SAND_INK, 1.4)
    sheet.within(sheet.clip("skirt", skirt), lambda: koma_pleats(sheet))
    sheet.line(skirt, SAND_INK, 1.3)


def koma_pleats(sheet: Sheet) -> None:
    for top, foot in STRIPES:
        for shift in (-5, -9):
            x, end = top + shift * 0.55, foot + shift
            sheet.line(f"M{num(x)},300 C{num(x)},380 {end},440 {end},524", TEAL, 0.9, 0.55)
        sheet.fill(
            f"M{top},308 C{top},380 {foot},440 {foot},524 L{foot + 9},524"
            f" C{foot + 6},440 {top + 3},380 {top},308Z",
            "#8c7484",
            0.45,
        )
        sheet.fill(
            pen((top, 312), (top * 0.62 + foot * 0.38, 400), (foot, 530), width=1.4), SAND_INK
        )
    sheet.fill("M212,300 L300,300 L304,326 C272,334 240,334 208,326Z", "#7b6478", 0.45)


def koma_coat(sheet: Sheet) -> None:
    coat = whole(
        [
            (243, 188),
            (232, 202),
            (214, 204),
            (206, 208),
            (210, 250),
            (218, 270),
            (221, 304),
            (232, 308),
            (244, 308),
            (256, 308),
        ]
    )
    sheet.shape(coat, "url(#coat)", COAT_INK, 1.3)
    sheet.fill(
        "M214,240 C222,260 226,280 226,304 L221,303 C219,276 213,262 212,250Z", COAT_DARK, 0.7
    )
    sheet.shape(
        "M243.5,160 C244,172 244,182 241,190 L256,232 L271,190 C268,182 268,172 268.5,160Z",
        SKIN,
        SKIN_INK,
        1.1,
    )
    sheet.fill("M244,168 L268,168 L268.2,187 C262,193 252,191 243.4,182Z", SKIN_SHADE, 0.8)
    clip = sheet.clip("coat_area", coat)
    sheet.within(clip, lambda: koma_collar(sheet))
    sheet.within(clip, lambda: koma_straps(sheet))
    sheet.shape(
        "M220.5,284 C240,290 272,290 291.5,284 L292,308 C272,314 240,314 220,308Z",
        TEAL,
        "#17404a",
        1.3,
    )
    sheet.fill(
        "M268,288.5 C278,287.6 286,286 291.5,284 L292,308 C286,310 280,311 274,312Z", TEAL_DARK, 0.8
    )
    sheet.line("M220.5,292 C240,298 272,298 291.5,292", GOLD, 1.2)
    sheet.line("M220.2,302 C240,308 272,308 291.8,302", GOLD, 1.2)


def koma_collar(sheet: Sheet) -> None:
    """The crossed collars: the side on the picture's right lies on top."""
    under: list[Knot] = [(242, 180, 1), (245, 200, 1), (255, 226, 1), (272, 256, 1)]
    over: list[Knot] = [(270, 180, 1), (267, 200, 1), (257, 226, 1), (240, 262, 1), (230, 292, 1)]
    collar_bands(sheet, under, -1)
    edge = curve(across(spline(over), -1))
    sheet.fill(f"{edge} L300,300 L306,206 L276,196Z", "url(#coat)")
    sheet.fill(
        "M280,206 C292,236 290,262 287,290 L291,304 C294,270 302,250 306,208Z", COAT_DARK, 0.8
    )
    collar_bands(sheet, over, 1)


def collar_bands(sheet: Sheet, knots: Sequence[Knot], way: int) -> None:
    """Three bands outward from the neck: white, red and the coat's own dark one."""
    line = spline(knots)
    inner = 0.0
    for wide, paint, ink in (
        (4.0, "#fffaf2", CREAM_INK),
        (3.0, RED, RED_INK),
        (9.0, COAT_DARK, COAT_INK),
    ):
        sheet.shape(between(line, way * inner, way * (inner + wide)), paint, ink, 0.9)
        inner += wide


def koma_straps(sheet: Sheet) -> None:
    """The red cord around his shoulders that holds the sleeves."""
    for data in ("M209,200 C219,222 221,244 206,266", "M303,200 C293,222 291,244 306,266"):
        sheet.line(data, RED_INK, 6)
        sheet.line(data, RED, 4)
        sheet.line(data, "#f58b95", 1, 0.8)


def koma_cords(sheet: Sheet) -> None:
    """The bow of the red cord, and the theatre's crest."""
    for data in (
        "M296,232 C280,221 275,233 295,234",
        "M296,232 C311,219 318,231 297,234",
        "M295,234 C290,246 287,256 289,266",
        "M297,234 C302,246 307,256 310,267",
    ):
        sheet.line(data, RED_INK, 4.4)
        sheet.line(data, RED, 2.6)
    sheet.oval((296, 233), (3.8, 3.6), RED_INK)
    sheet.oval((296, 233), (2.7, 2.5), RED)
    cross(sheet, (228.5, 240), 5, GOLD, 1.6)


def koma_puppet(sheet: Sheet) -> None:
    """The fox that hangs from the control bar in his left hand."""
    for at, foot in ((330, 470), (338, 466), (346, 470)):
        sheet.line(f"M{at},443 L{num(338 + (at - 338) * 1.3)},{foot + 10}", GOLD_DARK, 0.9)
    sheet.shape(
        "M330,490 C328,502 326,510 325,520 L351,520 C350,510 348,502 346,490Z", RED, RED_INK, 1.1
    )
    sheet.shape(
        "M325,482 C324,474 325,468 327,463 C331,465 334,468 335,471 C337,470.4 339,470.4 341,471"
        " C342,468 345,465 349,463 C351,468 352,474 351,482 C350,490 344,495 338,495"
        " C332,495 326,490 325,482Z",
        "#fffaf2",
        SAND_INK,
        1.1,
    )
    for side in (-1, 1):
        x = 338 + side * 9.6
        sheet.fill(f"M{x},466 L{x - side * 4.6},471.4 L{x + side * 1.4},473Z", RED)
        sheet.fill(
            pen(
                (338 + side * 8.4, 481),
                (338 + side * 5.6, 483.4),
                (338 + side * 3, 482.6),
                width=1.5,
            ),
            COAT_INK,
        )
    sheet.oval((338, 487.4), (1.5, 1.1), COAT_INK)
    sheet.body.append(
        '<rect x="318" y="437" width="40" height="6" rx="3" fill="#d99a5b"'
        ' stroke="#6b3a22" stroke-width="1.1"/>'
        '<rect x="321" y="438.4" width="34" height="1.4" rx="0.7" fill="#f6cf97"/>'
    )


# --------------------------------------------------------------------------- output

CHARACTERS: dict[str, tuple[Callable[[], Sheet], Face]] = {
    "ito": (ito, ITO_FACE),
    "koma": (koma, KOMA_FACE),
}


def box(left: float, top: float, right: float, bottom: float) -> Box:
    """The whole pixels that an area touches, as x, y, width, height."""
    x, y = math.floor(left), math.floor(top)
    return x, y, math.ceil(right) - x, math.ceil(bottom) - y


def boxes(face: Face) -> dict[str, Box]:
    """Where the features are; an eye's box holds its lashes."""
    found: dict[str, Box] = {}
    extents = {
        "eye": (-14.6, -16.3 * face.tall, 19.6, 14.3 * face.tall),
        "iris": (-11.4, -13.0 * face.tall, 11.0, 12.6 * face.tall),
        "brow": (-12.0, -26.3 - 1.5 * face.heavy, 13.5, -21.8),
    }
    for part, (inner, top, outer, bottom) in extents.items():
        for name, side in (("left", 1), ("right", -1)):
            xs = sorted(MIDDLE + side * (EYE_OUT + x) for x in (inner, outer))
            found[f"{part}_{name}"] = box(xs[0], EYE_Y + top, xs[1], EYE_Y + bottom)
    found["mouth"] = box(247.2, 159.2, 264.8, 163.2)
    return found


def yaml(found: dict[str, Box]) -> str:
    lines = [f"{name}: [{', '.join(map(str, at))}]" for name, at in found.items()]
    note = "# x, y, width, height in pixels; left is the subject's left, the picture's right"
    return "\n".join([note, *lines, ""])


def render(svg: str) -> NDArray[np.uint8]:
    """The picture as 512 x 512 BGRA with straight alpha, averaged down from a larger rendering."""
    resvg_py = importlib.import_module("resvg_py")  # only whoever draws has it

    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=RENDER, height=RENDER))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("the renderer's picture could not be read")
    large = image.astype(np.float32) / 255
    large[..., :3] *= large[..., 3:]
    small = cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    alpha = np.round(small[..., 3:] * 255) / 255
    small[..., :3] = np.where(alpha > 0, small[..., :3] / np.maximum(small[..., 3:], 1e-6), 0)
    small[..., 3:] = alpha
    return np.round(np.clip(small, 0, 1) * 255).astype(np.uint8)


def main(names: Sequence[str]) -> None:
    for name in names or CHARACTERS:
        draw, face = CHARACTERS[name]
        svg = draw().svg()
        (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")
        (HERE / f"{name}.yaml").write_text(yaml(boxes(face)), encoding="utf-8")
        cv2.imwrite(str(HERE / f"{name}.png"), render(svg))


if __name__ == "__main__":
    main(sys.argv[1:])
