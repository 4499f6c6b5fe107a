"""The face: its skin, nose and mouth, and what a fringe throws on it."""

from collections.abc import Sequence

from stages.avatar.pictures.drawing.colours import SKIN_INK
from stages.avatar.pictures.drawing.eyes import Eyes, open_eyes
from stages.avatar.pictures.drawing.pen import MIDDLE, Knot, between, pen, spline, whole
from stages.avatar.pictures.drawing.sheet import Sheet

OUTLINE = whole(
    [
        (206, 96), (204, 116), (204.4, 136), (209.5, 149.5),
        (216, 163), (236, 172), (249, 175.8), (252, 176.7), (254, 177), (256, 177),
    ]
)  # fmt: skip


def head(sheet: Sheet) -> None:
    """The face without its features."""
    tones = [(0, "#ffe9dc", 1), (0.75, "#fff0e6", 1), (1, "#ffe3d6", 1)]
    sheet.shape(OUTLINE, sheet.paint("skin", tones, (0, 100, 0, 178)), SKIN_INK, 1.2)
    blush = sheet.glow("blush", [(0, "#ff7f86", 0.5), (0.55, "#ff8f90", 0.25), (1, "#ff8f90", 0)])
    for side in (-1, 1):
        sheet.oval((MIDDLE + side * 34, 153), (13, 7), blush)


def fringe_shadow(sheet: Sheet, fringe: Sequence[Sequence[Knot]], paint: str) -> None:
    """What the fringe throws on the face."""
    cut = sheet.clip("face", OUTLINE)
    with sheet.group('opacity="0.75"'), sheet.within(cut):
        for knots in fringe:
            lower = [(x + 1.5, y + 5.5 * min(1.0, (y - 60) / 40), w) for x, y, w in knots]
            sheet.fill(between(spline(lower, 16), -1, 1), paint)
        sheet.fill("M200,90 L211,90 C208,120 208,150 217,166 L200,170Z", paint)


def features(sheet: Sheet, eyes: Eyes) -> None:
    """The eyes, the nose and the closed mouth; brows come later, over the hair."""
    open_eyes(sheet, eyes)
    sheet.fill("M254.6,150.6 Q256.6,153.4 258.2,150.9 Q256.6,151.6 254.6,150.6Z", SKIN_INK, 0.75)
    sheet.oval((254.6, 148.2), (1.1, 1.5), "#ffffff", 0.7)
    lips = (247.2, 159.4), (251, 161.6), (256, 162.4), (261, 161.6), (264.8, 159.4)
    sheet.fill(pen(*lips, width=1.5), "#a3414b")
    sheet.fill(pen((252.6, 166.4), (256, 167), (259.4, 166.4), width=0.8), "#d98a83", 0.8)
