"""Ito's hakama: plum with pleats, a red sash under its waistband, cords tied in front."""

from stages.avatar.pictures.drawing.colours import (
    CREAM,
    CREAM_INK,
    GOLD,
    GOLD_DARK,
    PLUM,
    PLUM_DARK,
    PLUM_INK,
    RED,
    RED_DARK,
    RED_INK,
)
from stages.avatar.pictures.drawing.pen import pen, whole
from stages.avatar.pictures.drawing.sheet import Sheet

# x of each fold at the waist, and at the picture's lower edge
PLEATS = ((228, 196), (237, 216), (246, 236), (256, 256), (266, 276), (275, 296), (284, 316))


def hakama(sheet: Sheet) -> None:
    """The skirt with all that goes around the waist."""
    sheet.shape("M224,240 L288,240 L290,300 L222,300Z", CREAM, CREAM_INK)
    sheet.fill("M240,236 L272,236 L272,252 L240,252Z", "#d9b9c4", 0.7)
    skirt = whole(
        [(221, 306), (208, 360), (188, 430), (176, 520), (200, 524), (230, 524), (256, 524)]
    )
    sheet.shape(skirt, "url(#plum)", PLUM_INK, 1.4)
    with sheet.within(sheet.clip("skirt", skirt)):
        _pleats(sheet)
    _sash(sheet)
    band = "M221,295 C240,301 272,301 291,295 L292,312 C272,318 240,318 220,312Z"
    sheet.shape(band, PLUM, PLUM_INK)
    _cords(sheet)


def _pleats(sheet: Sheet) -> None:
    for top, foot in PLEATS:
        wide = 5 + abs(foot - 256) * 0.05
        sheet.fill(
            f"M{top},308 C{top},380 {foot},440 {foot},524 L{foot + 3 * wide},524"
            f" C{foot + wide},440 {top + 3},380 {top},308Z",
            PLUM_INK,
            0.35,
        )
        fold = (top, 312), (top * 0.62 + foot * 0.38, 400), (foot, 530)
        sheet.fill(pen(*fold, width=1.5), PLUM_INK)
    sheet.fill("M216,306 L296,306 L298,328 C272,334 240,334 214,328Z", PLUM_INK, 0.45)
    light = "M208,380 C196,430 188,470 184,524 L198,524 C198,470 202,430 208,380Z"
    sheet.fill(light, "#c9608a", 0.35)


def _sash(sheet: Sheet) -> None:
    sash = "M222,268 C240,274 272,274 290,268 L291,296 C272,302 240,302 221,296Z"
    shadow = "M266,272 C276,272 284,270 290,268 L291,296 C286,298 280,299 272,300Z"
    sheet.shape(sash, RED, RED_INK)
    sheet.fill(shadow, RED_DARK, 0.7)
    sheet.line("M221.5,282 C240,288 272,288 290.5,282", GOLD, 2)
    sheet.line("M221.5,283.2 C240,289.2 272,289.2 290.5,283.2", GOLD_DARK, 0.7)


def _cords(sheet: Sheet) -> None:
    """The cords, tied in front."""
    end = "M254,306 C248,322 243,342 242,362 L250,364 C251,344 254,324 258,308Z"
    end_shadow = "M256,312 C251,330 247,348 246.4,363 L250,364 C251,344 254,324 258,308Z"
    loop = "M256,302 C248,296 236,297 231,303 C234,311 247,313 256,308Z"
    loop_shadow = "M254,305 C246,303 238,304 232,305 C236,311 247,313 256,308Z"
    knot = "M251,300 C254,299 258,299 261,300 L262,310 C258,312 254,312 250,310Z"
    with sheet.both_sides():
        sheet.shape(end, PLUM, PLUM_INK, 1.1)
        sheet.fill(end_shadow, PLUM_DARK, 0.8)
        sheet.shape(loop, PLUM, PLUM_INK, 1.1)
        sheet.fill(loop_shadow, PLUM_DARK, 0.8)
    sheet.shape(knot, PLUM, PLUM_INK, 1.1)
