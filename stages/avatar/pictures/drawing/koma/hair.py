"""Koma's hair: short, standing off at the nape and on the crown."""

from stages.avatar.pictures.drawing.hair import Hair, fringe, lock, pairs
from stages.avatar.pictures.drawing.pen import Knot
from stages.avatar.pictures.drawing.sheet import Sheet

HAIR = Hair(base="url(#hair)", shade="#27335a", light="#a9cdea", ink="#151a36")

FRINGE: list[list[Knot]] = [
    [(238, 75, 10), (213, 91, 12), (203, 112, 8.5), (200, 130, 5), (205, 149, 0)],
    [(276, 76, 10), (300, 92, 12), (309, 112, 8.5), (312, 130, 5), (307, 149, 0)],
    [(246, 72, 10), (226, 88, 12), (215, 105, 9), (211, 116, 4.5), (214, 126, 0)],
    [(273, 73, 10), (293, 88, 12), (299, 105, 9), (299, 115, 4.5), (293, 123, 0)],
    [(252, 70, 9), (237, 86, 12), (227, 102, 9.5), (224, 112, 4.5), (229, 120, 0)],
    [(268, 70, 9), (281, 86, 12), (283, 102, 9.5), (280, 112, 4.5), (272, 120, 0)],
    [(257, 69, 9), (249, 86, 11), (241, 104, 8.5), (239, 114, 4), (244, 123, 0)],
    [(263, 69, 9), (267, 86, 12), (265, 104, 9), (259, 116, 4.5), (250, 127, 0)],
]
BACK: list[list[Knot]] = [
    [(218, 150, 12), (209, 172, 9), (206, 184, 5), (198, 195, 0)],
    [(210, 126, 12), (200, 149, 10.5), (195, 165, 6), (186, 176, 0)],
    [(208, 100, 12), (197, 122, 11), (191, 139, 6.5), (180, 149, 0)],
    [(219, 90, 9), (204, 99, 10), (195, 109, 6.5), (184, 115, 0)],
]
TUFTS: list[list[Knot]] = [
    [(240, 79, 8), (223, 70, 7), (211, 70, 4), (201, 76, 0)],
    [(272, 79, 8), (290, 69, 7), (302, 69.5, 4), (312, 76, 0)],
    [(264, 74, 7), (271, 61, 5), (280, 57, 2.6), (289, 60, 0)],
    [(259, 74, 7), (252, 58, 5.5), (242, 51, 3.2), (231, 53, 0)],
]


def back_hair(sheet: Sheet) -> None:
    """The locks at the nape, and the dark behind the neck."""
    pairs(sheet, HAIR, BACK)
    nape = "M202,110 L310,110 C308,140 304,168 294,188 L218,188 C208,168 204,140 202,110Z"
    sheet.fill(nape, "#222c50")


def front_hair(sheet: Sheet) -> None:
    """The cap of the head, the fringe and the tufts on the crown."""
    cap = (
        "M198,120 C190,92 214,62 256,62 C298,62 322,92 314,120 C306,104 290,92 256,90"
        " C222,92 206,104 198,120Z"
    )
    sheet.fill(cap, HAIR.base)
    fringe(sheet, HAIR, FRINGE)
    for knots in TUFTS:
        lock(sheet, HAIR, knots)
