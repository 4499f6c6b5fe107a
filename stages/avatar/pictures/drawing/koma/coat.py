"""Koma's coat: hood, sleeves, crossed collars, a teal sash, and the red cord that holds it all."""

from collections.abc import Sequence

from stages.avatar.pictures.drawing.colours import (
    COAL_DARK,
    COAL_INK,
    CREAM_INK,
    GOLD,
    PAPER,
    RED,
    RED_INK,
    SKIN,
    SKIN_INK,
    SKIN_SHADE,
    TEAL,
    TEAL_DARK,
    TEAL_INK,
)
from stages.avatar.pictures.drawing.figure import crest, hand
from stages.avatar.pictures.drawing.pen import (
    Knot,
    across,
    between,
    curve,
    pen,
    ribbon,
    spline,
    whole,
)
from stages.avatar.pictures.drawing.sheet import Sheet

OUTLINE = whole(
    [
        (243, 188), (232, 202), (214, 204), (206, 208), (210, 250),
        (218, 270), (221, 304), (232, 308), (244, 308), (256, 308),
    ]
)  # fmt: skip


def hood(sheet: Sheet) -> None:
    """The stagehand's hood, thrown back behind the neck."""
    outline = "M214,208 C204,192 214,176 232,172 L280,172 C298,176 308,192 298,208Z"
    sheet.shape(outline, COAL_DARK, COAL_INK, 1.4)
    sheet.fill(pen((214, 196), (222, 184), (236, 178), width=1.2), "#5a6390")
    sheet.fill(pen((298, 196), (290, 184), (276, 178), width=1), "#4a5280")


def sleeves(sheet: Sheet) -> None:
    """Both sleeves with the hands below them."""
    outer = (
        "M206,208 C196,214 192,228 190,250 C184,300 176,350 171,398 C182,408 198,410"
        " 210,404 C214,350 218,310 220,262Z"
    )
    with sheet.both_sides():
        hand(sheet)
        sheet.shape(outer, "url(#coat)", COAL_INK, 1.3)
        with sheet.within(sheet.clip("sleeve", outer)):
            _sleeve_cloth(sheet)
        sheet.line(outer, COAL_INK, 1.3)


def _sleeve_cloth(sheet: Sheet) -> None:
    """Shadows, folds, light and the teal cuff."""
    sheet.fill("M222,250 C216,310 206,360 200,412 L224,412Z", COAL_DARK, 0.85)
    sheet.fill("M193,323 C201,320 208,314 218,302 C211,318 203,325 193,323Z", COAL_DARK, 0.8)
    sheet.fill("M194,351 C202,349 208,344 216,335 C210,347 203,353 194,351Z", COAL_DARK, 0.7)
    light: list[Knot] = [(196, 226, 0), (191, 270, 1.8), (186, 320, 2), (180, 372, 0)]
    sheet.fill(ribbon(*light), "#8f9bd0", 0.5)
    sheet.fill("M166,380 C182,390 200,392 216,386 L216,414 L166,412Z", TEAL)
    sheet.fill("M203,380 L216,380 L216,414 L200,414Z", TEAL_DARK, 0.8)
    sheet.line("M168,380.5 C182,390 200,392 214,386.5", COAL_INK, 1.1)
    sheet.line("M168,386 C182,395.5 200,397.5 214,392", GOLD, 1.1)


def coat(sheet: Sheet) -> None:
    """The coat with the neck in it, the collars, the cord and the sash."""
    fold = "M214,240 C222,260 226,280 226,304 L221,303 C219,276 213,262 212,250Z"
    sheet.shape(OUTLINE, "url(#coat)", COAL_INK, 1.3)
    sheet.fill(fold, COAL_DARK, 0.7)
    _neck(sheet)
    clip = sheet.clip("coat_area", OUTLINE)
    with sheet.within(clip):
        _collars(sheet)
    with sheet.within(clip):
        _cord(sheet)
    _sash(sheet)


def _neck(sheet: Sheet) -> None:
    neck = "M243.5,160 C244,172 244,182 241,190 L256,232 L271,190 C268,182 268,172 268.5,160Z"
    sheet.shape(neck, SKIN, SKIN_INK, 1.1)
    sheet.fill("M244,168 L268,168 L268.2,187 C262,193 252,191 243.4,182Z", SKIN_SHADE, 0.8)


def _collars(sheet: Sheet) -> None:
    """The crossed collars: the side on the picture's right lies on top."""
    under: list[Knot] = [(242, 180, 1), (245, 200, 1), (255, 226, 1), (272, 256, 1)]
    over: list[Knot] = [(270, 180, 1), (267, 200, 1), (257, 226, 1), (240, 262, 1), (230, 292, 1)]
    _bands(sheet, under, -1)
    edge = curve(across(spline(over), -1))
    sheet.fill(f"{edge} L300,300 L306,206 L276,196Z", "url(#coat)")
    fold = "M280,206 C292,236 290,262 287,290 L291,304 C294,270 302,250 306,208Z"
    sheet.fill(fold, COAL_DARK, 0.8)
    _bands(sheet, over, 1)


def _bands(sheet: Sheet, knots: Sequence[Knot], way: int) -> None:
    """Three bands outward from the neck: white, red and the coat's own dark one."""
    line = spline(knots)
    inner = 0.0
    for wide, paint, ink in (
        (4.0, PAPER, CREAM_INK),
        (3.0, RED, RED_INK),
        (9.0, COAL_DARK, COAL_INK),
    ):
        sheet.shape(between(line, way * inner, way * (inner + wide)), paint, ink, 0.9)
        inner += wide


def _cord(sheet: Sheet) -> None:
    """The red cord around his shoulders that holds the sleeves."""
    for data in ("M209,200 C219,222 221,244 206,266", "M303,200 C293,222 291,244 306,266"):
        sheet.line(data, RED_INK, 6)
        sheet.line(data, RED, 4)
        sheet.line(data, "#f58b95", 1, 0.8)


def _sash(sheet: Sheet) -> None:
    sash = "M220.5,284 C240,290 272,290 291.5,284 L292,308 C272,314 240,314 220,308Z"
    shadow = "M268,288.5 C278,287.6 286,286 291.5,284 L292,308 C286,310 280,311 274,312Z"
    sheet.shape(sash, TEAL, TEAL_INK, 1.3)
    sheet.fill(shadow, TEAL_DARK, 0.8)
    sheet.line("M220.5,292 C240,298 272,298 291.5,292", GOLD, 1.2)
    sheet.line("M220.2,302 C240,308 272,308 291.8,302", GOLD, 1.2)


def crest_and_bow(sheet: Sheet) -> None:
    """The bow of the red cord on one side, the theatre's crest on the other."""
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
    crest(sheet, (228.5, 240), 5, GOLD, 1.6)
