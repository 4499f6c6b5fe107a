"""Koma's fox puppet."""

from stages.avatar.pictures.drawing.colours import (
    COAL_INK,
    GOLD_DARK,
    PAPER,
    RED,
    RED_INK,
    SAND_INK,
    WOOD,
    WOOD_INK,
    WOOD_LIGHT,
)
from stages.avatar.pictures.drawing.pen import num, pen
from stages.avatar.pictures.drawing.sheet import Sheet

X = 338  # the puppet's middle


def puppet(sheet: Sheet) -> None:
    """The fox on its threads, and the control bar in his left hand."""
    for at, foot in ((330, 470), (338, 466), (346, 470)):
        sheet.line(f"M{at},443 L{num(X + (at - X) * 1.3)},{foot + 10}", GOLD_DARK, 0.9)
    body = "M330,490 C328,502 326,510 325,520 L351,520 C350,510 348,502 346,490Z"
    sheet.shape(body, RED, RED_INK, 1.1)
    _head(sheet)
    sheet.body.append(
        f'<rect x="318" y="437" width="40" height="6" rx="3" fill="{WOOD}"'
        f' stroke="{WOOD_INK}" stroke-width="1.1"/>'
        f'<rect x="321" y="438.4" width="34" height="1.4" rx="0.7" fill="{WOOD_LIGHT}"/>'
    )


def _head(sheet: Sheet) -> None:
    sheet.shape(
        "M325,482 C324,474 325,468 327,463 C331,465 334,468 335,471 C337,470.4 339,470.4 341,471"
        " C342,468 345,465 349,463 C351,468 352,474 351,482 C350,490 344,495 338,495"
        " C332,495 326,490 325,482Z",
        PAPER,
        SAND_INK,
        1.1,
    )
    for side in (-1, 1):
        ear = X + side * 9.6
        sheet.fill(f"M{ear},466 L{ear - side * 4.6},471.4 L{ear + side * 1.4},473Z", RED)
        eye = (X + side * 8.4, 481), (X + side * 5.6, 483.4), (X + side * 3, 482.6)
        sheet.fill(pen(*eye, width=1.5), COAL_INK)
    sheet.oval((X, 487.4), (1.5, 1.1), COAL_INK)
