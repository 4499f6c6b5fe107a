"""Eyes and brows, in an eye's own coordinates: x grows outward from its middle, y downward."""

import re
from dataclasses import dataclass

from stages.avatar.pictures.drawing.colours import SKIN_INK
from stages.avatar.pictures.drawing.pen import MIDDLE, Knot, Point, num, pen, ribbon
from stages.avatar.pictures.drawing.sheet import Sheet

SIDES = {"left": 1, "right": -1}  # the subject's; the sign is that of x in the picture
EYE_OUT, EYE_Y = 26.5, 135.0  # an eye's middle: from the picture's middle line, from its top

BALL = (
    "M-13,1.5 C-12,-7 -6.5,-13 1,-13 C9,-13 14,-6 14.3,2.5"
    " C13.5,9 8,12.6 0,12.6 C-8,12.6 -12.6,8 -13,1.5 Z"
)
UPPER_LASHES = (
    "M19.6,-5.2 C17.6,-4.8 16,-6 14.6,-8.2"
    " C11.2,-13.6 6.5,-16.3 0.5,-16.3 C-7,-16.3 -12.6,-10.6 -14.6,-0.4"
    " C-11.8,-8.4 -6.5,-12.2 0.6,-12.2 C6.6,-12.2 11.4,-7.6 13,0.4"
    " C13.4,3 13.4,5 12.6,8 C14.6,5.4 15.4,2.6 15.4,0.2"
    " C16.8,-1 18.4,-2.6 19.6,-5.2 Z"
)
FLICK = "M10.6,-12.4 Q13.6,-10.8 17.4,-11.2 Q15.6,-8.6 13.6,-7.4 Z"
CREASE: list[Point] = [(-6.5, -17.4), (0.5, -19.2), (7.5, -17.8), (12.5, -14)]
LOWER_LASHES: list[Point] = [(-3, 13.6), (4, 13.5), (10, 10.6), (13.4, 6)]
BROW: list[Knot] = [(-12, -24, 0.7), (-4.5, -26.2, 1.5), (5, -26, 1.35), (13.5, -22, 0.25)]

_PAIR = re.compile(r"(-?[\d.]+),(-?[\d.]+)")


@dataclass(frozen=True)
class Eyes:
    """How a character's eyes and brows look."""

    lash: tuple[str, str]  # inner end, outer end
    iris: tuple[str, str, str, str]  # top, middle, bottom, rim
    brow: str
    tall: float = 1.0  # how tall the eyes are
    heavy: float = 1.0  # how thick the brows are
    flick: bool = True  # a second tip at the outer end of the lashes


def place(side: int, x: float, y: float) -> Point:
    """Where a point of an eye is in the picture; side 1 is the subject's left, -1 the right."""
    return MIDDLE + side * (EYE_OUT + x), EYE_Y + y


def open_eyes(sheet: Sheet, eyes: Eyes) -> None:
    """Both eyes with their lashes."""
    with sheet.group(f'transform="matrix(1 0 0 {eyes.tall} 0 {num(EYE_Y * (1 - eyes.tall))})"'):
        for name in ("right", "left"):
            _eye(sheet, eyes, name)


def brows(sheet: Sheet, eyes: Eyes) -> None:
    """Both brows."""
    for side in (-1, 1):
        sheet.fill(ribbon(*((*place(side, x, y), w * eyes.heavy) for x, y, w in BROW)), eyes.brow)


def _eye(sheet: Sheet, eyes: Eyes, name: str) -> None:
    side = SIDES[name]
    ball = _placed(side, BALL)
    tones = [(0, "#b9a8c9", 1), (0.42, "#f4eff8", 1), (1, "#ffffff", 1)]
    sheet.fill(ball, sheet.paint(f"white_{name}", tones, (0, EYE_Y - 13, 0, EYE_Y + 9)))
    with sheet.within(sheet.clip(f"eye_{name}", ball)):
        _iris(sheet, eyes, name)
    _lashes(sheet, eyes, name)
    _glints(sheet, side)


def _iris(sheet: Sheet, eyes: Eyes, name: str) -> None:
    """The iris with its pupil, and the shadow of the upper lid on it."""
    top, middle, bottom, rim = eyes.iris
    x, y = place(SIDES[name], -0.2, -0.4)
    tones = [(0, top, 1), (0.38, middle, 1), (0.95, bottom, 1)]
    fill = sheet.paint(f"iris_{name}", tones, (0, y - 11, 0, y + 12))
    sheet.oval((x, y), (11.2, 13.4), rim)
    sheet.oval((x, y + 0.3), (10, 12.2), fill)
    lamp = sheet.glow(f"lamp_{name}", [(0, "#ffffff", 0.75), (1, bottom, 0)])
    sheet.oval((x, y + 8.6), (8, 5), lamp)
    sheet.oval((x, y - 0.3), (4.3, 5.6), rim)
    sheet.oval((x, y + 1.2), (2.6, 3.2), top)
    for tilt in (-1, 1):
        edge = (x + tilt * 8.2, y), (x + tilt * 7.2, y + 5.6), (x + tilt * 4, y + 9.8)
        sheet.fill(pen(*edge, width=1.3), bottom, 0.8)
    dusk = [(0, "#1a1030", 0.75), (1, "#1a1030", 0)]
    shadow = sheet.paint(f"lid_{name}", dusk, (0, y - 12, 0, y - 3))
    sheet.fill(f"M{x - 16},{y - 16}h32v13h-32Z", shadow)


def _lashes(sheet: Sheet, eyes: Eyes, name: str) -> None:
    side = SIDES[name]
    inner, outer = eyes.lash
    x, _ = place(side, 0, 0)
    tones = [(0, inner, 1), (0.62, inner, 1), (1, outer, 1)]
    ink = sheet.paint(f"lash_{name}", tones, (x - side * 14, 0, x + side * 17, 0))
    sheet.fill(_placed(side, UPPER_LASHES), ink)
    if eyes.flick:
        sheet.fill(_placed(side, FLICK), ink)
    sheet.fill(pen(*(place(side, *at) for at in CREASE), width=0.9), SKIN_INK, 0.5)
    sheet.fill(pen(*(place(side, *at) for at in LOWER_LASHES), width=1.2), ink)


def _glints(sheet: Sheet, side: int) -> None:
    """The reflections, on the same side in both eyes, over the lashes' shadow."""
    x, y = place(side, 0, 0)
    sheet.oval((x - 4.2, y - 5.6), (3.2, 4.1), "#ffffff", turn=18)
    sheet.oval((x + 4.8, y + 5.4), (1.9, 2.2), "#ffffff", 0.92)
    sheet.oval((x + 5.9, y - 3.2), (0.9, 1.1), "#ffffff", 0.8)


def _placed(side: int, data: str) -> str:
    """Path data of an eye as path data of the picture."""

    def moved(pair: re.Match[str]) -> str:
        return ",".join(map(num, place(side, float(pair[1]), float(pair[2]))))

    return _PAIR.sub(moved, data)
