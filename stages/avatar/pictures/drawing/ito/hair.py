"""Ito's hair: long behind the shoulders, two locks at each cheek, a fringe."""

from stages.avatar.pictures.drawing.hair import Hair, fringe, lock, pairs
from stages.avatar.pictures.drawing.pen import Knot
from stages.avatar.pictures.drawing.sheet import Sheet

HAIR = Hair(base="url(#hair)", shade="#a877b4", light="#fff0fb", ink="#54325f")
SHADED = Hair(base="url(#hair_back)", shade="#7d5391", light="#e3b4dd", ink=HAIR.ink)

FRINGE: list[list[Knot]] = [
    [(236, 72, 9), (214, 92, 11), (204.5, 112, 8), (201.5, 126, 4.5), (204, 138, 0)],
    [(276, 72, 9), (298, 92, 11), (307.5, 112, 8), (310.5, 125, 4.5), (308, 137, 0)],
    [(243, 69, 9), (226, 88, 11.5), (217, 105, 8.5), (213.5, 116, 4), (214, 126, 0)],
    [(269, 69, 9), (286, 88, 11.5), (295, 105, 8.5), (298, 115, 4), (296.5, 124, 0)],
    [(264, 67, 9), (277, 86, 11), (284, 101, 8.5), (285, 111, 4), (280, 119.5, 0)],
    [(249, 67, 9), (237, 86, 11.5), (229, 102, 8.5), (227.5, 112, 4), (232, 119.5, 0)],
    [(254, 66, 8), (249, 86, 10), (244, 103, 7), (243, 114, 3.5), (246.5, 123, 0)],
    [(260, 66, 8), (265, 86, 11), (265, 104, 8.5), (261, 117, 4.5), (253.5, 128, 0)],
]
SIDE: list[list[Knot]] = [
    [(199, 140, 5), (190, 176, 6.5), (184, 204, 5), (171, 226, 0)],
    [(220, 80, 9), (203, 104, 11), (195.5, 138, 9), (195, 176, 8), (203, 214, 7.5), (206, 250, 5.5),
     (198, 286, 0)],
    [(214, 96, 5), (205, 120, 4.6), (202, 146, 4), (206, 172, 3.6), (217, 198, 0)],
]  # fmt: skip
BACK: list[list[Knot]] = [
    [(222, 160, 18), (206, 240, 22), (198, 310, 18), (190, 376, 0)],
    [(214, 140, 18), (196, 210, 18), (180, 270, 17), (168, 330, 13), (164, 366, 7), (150, 396, 0)],
    [(210, 122, 16), (191, 176, 16), (179, 230, 16), (164, 282, 12), (156, 312, 7.5),
     (138, 334, 0)],
    [(206, 130, 10), (189, 180, 10), (179, 220, 10), (166, 252, 7), (150, 276, 0)],
]  # fmt: skip
STRAY: list[Knot] = [(257, 64, 2.6), (250, 54, 3), (240, 47, 2.4), (228, 50, 0)]


def back_hair(sheet: Sheet) -> None:
    """What hangs behind the body, and the dark behind the neck."""
    pairs(sheet, SHADED, BACK)
    nape = "M200,120 C194,180 196,230 206,280 L306,280 C316,230 318,180 312,120Z"
    sheet.fill(nape, "url(#hair_deep)")


def front_hair(sheet: Sheet) -> None:
    """The locks at the cheeks, the cap of the head, the fringe and one stray strand."""
    pairs(sheet, HAIR, SIDE)
    cap = (
        "M198,120 C190,92 214,61 256,61 C298,61 322,92 314,120 C306,104 290,92 256,90"
        " C222,92 206,104 198,120Z"
    )
    sheet.fill(cap, HAIR.base)
    fringe(sheet, HAIR, FRINGE)
    lock(sheet, HAIR, STRAY)
