"""What Ito wears in her hair and holds in her hands: the bow, the hairpin, the golden thread."""

from stages.avatar.pictures.drawing.colours import (
    GOLD,
    GOLD_DARK,
    PLUM_INK,
    RED,
    RED_DARK,
    RED_INK,
    WOOD,
    WOOD_INK,
    WOOD_LIGHT,
)
from stages.avatar.pictures.drawing.pen import pen
from stages.avatar.pictures.drawing.sheet import Sheet


def hair_bow(sheet: Sheet) -> None:
    """The large bow at the back of the head, seen on both sides of it."""
    with sheet.both_sides():
        _ribbon_end(sheet)
        _loop(sheet)


def _ribbon_end(sheet: Sheet) -> None:
    sheet.shape(
        "M214,122 C190,134 170,160 158,192 C166,191 171,194 176,202 C184,180 196,158 214,146Z",
        RED,
        RED_INK,
        1.3,
    )
    shadow = "M214,128 C196,142 184,164 174,197 L176,202 C184,180 196,158 214,146Z"
    sheet.fill(shadow, RED_DARK, 0.8)


def _loop(sheet: Sheet) -> None:
    loop = (
        "M230,88 C212,66 184,52 166,56 C154,60 148,78 150,96 C151,112 156,126 164,131"
        " C184,134 212,120 230,104Z"
    )
    lower = "M226,100 C204,98 176,108 157,124 C159,128 161,130 164,131 C184,134 212,120 230,104Z"
    outer = "M166,56 C156,59 150,72 150,88 C160,76 178,76 200,84 C188,72 176,60 166,56Z"
    sheet.shape(loop, "url(#red)", RED_INK, 1.4)
    sheet.fill(lower, RED_DARK, 0.8)
    sheet.fill(outer, RED_DARK, 0.55)
    sheet.fill("M170,60 C182,62 200,72 212,84 C198,78 182,70 170,60Z", "#ffc0c2", 0.75)
    for y, end in ((94, 102), (90, 78)):
        sheet.fill(pen((224, 94), (202, y), (178, end), width=1.1), RED_INK, 0.65)


def hairpin(sheet: Sheet) -> None:
    """The hairpin: a puppet's wooden control cross with two threads hanging from it."""
    for x, foot in ((305, 150), (312, 163)):
        sheet.line(f"M{x},100 C{x + 1},114 {x + 5},{foot - 22} {x + 4},{foot}", GOLD, 1)
        sheet.oval((x + 4, foot + 2), (2.4, 2.8), RED)
        sheet.oval((x + 3.4, foot + 1.2), (0.8, 0.9), "#ffd9d9")
    for turn in (-28, 58):
        spin = f'transform="rotate({turn} 304 96)"'
        sheet.body.append(
            f'<rect x="288" y="93.2" width="32" height="5.6" rx="2.6" fill="{WOOD}"'
            f' stroke="{WOOD_INK}" stroke-width="1.1" {spin}/>'
            f'<rect x="290" y="94.3" width="28" height="1.4" rx="0.7" fill="{WOOD_LIGHT}" {spin}/>'
        )
    sheet.oval((304, 96), (3.4, 3.4), GOLD_DARK)
    sheet.oval((304, 96), (2.4, 2.4), GOLD)


def thread(sheet: Sheet) -> None:
    """The golden thread from hand to hand, with beads on it."""
    sheet.line("M190,441 C206,486 236,494 256,494 C276,494 306,486 322,441", PLUM_INK, 2.4, 0.5)
    sheet.line("M190,440 C206,484 236,492 256,492 C276,492 306,484 322,440", GOLD, 1.3)
    for x, y, size, paint in (
        (244, 491.4, 2.2, GOLD),
        (256, 492, 3.6, RED),
        (268, 491.4, 2.2, GOLD),
    ):
        sheet.oval((x, y), (size + 0.8, size + 0.8), PLUM_INK)
        sheet.oval((x, y), (size, size), paint)
        sheet.oval((x - size * 0.3, y - size * 0.35), (size * 0.3, size * 0.3), "#fff3e0")
