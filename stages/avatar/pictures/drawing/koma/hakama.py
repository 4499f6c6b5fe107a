"""Koma's hakama: sand with thin teal stripes."""

from stages.avatar.pictures.drawing.colours import SAND_INK, TEAL
from stages.avatar.pictures.drawing.pen import num, pen, whole
from stages.avatar.pictures.drawing.sheet import Sheet

# x of each fold at the waist, and at the picture's lower edge
PLEATS = ((230, 192), (239, 213), (247.5, 234), (256, 256), (264.5, 278), (273, 299), (282, 320))


def hakama(sheet: Sheet) -> None:
    """The skirt; the coat's sash covers its waist."""
    skirt = whole(
        [(220, 300), (208, 356), (190, 430), (180, 520), (204, 524), (230, 524), (256, 524)]
    )
    sheet.shape(skirt, "url(#sand)", SAND_INK, 1.4)
    with sheet.within(sheet.clip("skirt", skirt)):
        _pleats(sheet)
    sheet.line(skirt, SAND_INK, 1.3)


def _pleats(sheet: Sheet) -> None:
    for top, foot in PLEATS:
        for shift in (-5, -9):
            x, end = top + shift * 0.55, foot + shift
            sheet.line(f"M{num(x)},300 C{num(x)},380 {end},440 {end},524", TEAL, 0.9, 0.55)
        sheet.fill(
            f"M{top},308 C{top},380 {foot},440 {foot},524 L{foot + 9},524"
            f" C{foot + 6},440 {top + 3},380 {top},308Z",
            "#8c7484",
            0.45,
        )
        fold = (top, 312), (top * 0.62 + foot * 0.38, 400), (foot, 530)
        sheet.fill(pen(*fold, width=1.4), SAND_INK)
    sheet.fill("M212,300 L300,300 L304,326 C272,334 240,334 208,326Z", "#7b6478", 0.45)
