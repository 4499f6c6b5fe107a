"""What both characters have below the head: a hanging hand, and the theatre's crest."""

from stages.avatar.pictures.drawing.colours import SKIN, SKIN_INK, SKIN_SHADE
from stages.avatar.pictures.drawing.pen import Point, num, pen
from stages.avatar.pictures.drawing.sheet import Sheet


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


def crest(sheet: Sheet, at: Point, size: float, paint: str, width: float) -> None:
    """The theatre's crest: a small control cross."""
    x, y = at
    half = size * 0.7
    sheet.line(
        f"M{num(x - half)},{num(y - half)}l{num(2 * half)},{num(2 * half)}"
        f"M{num(x + half)},{num(y - half)}l{num(-2 * half)},{num(2 * half)}",
        paint,
        width,
    )
