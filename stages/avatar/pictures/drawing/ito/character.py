"""Ito (thread): an apprentice of the puppet theatre."""

from stages.avatar.pictures.drawing.character import Character
from stages.avatar.pictures.drawing.colours import CREAM, NAVY, RED
from stages.avatar.pictures.drawing.eyes import Eyes, brows
from stages.avatar.pictures.drawing.face import features, fringe_shadow, head
from stages.avatar.pictures.drawing.ito.clothes import cape, collar, neck, sleeves, throat_bow
from stages.avatar.pictures.drawing.ito.hair import FRINGE, back_hair, front_hair
from stages.avatar.pictures.drawing.ito.hakama import hakama
from stages.avatar.pictures.drawing.ito.ornaments import hair_bow, hairpin, thread
from stages.avatar.pictures.drawing.sheet import Sheet

EYES = Eyes(
    lash=("#2b1733", "#7c2f50"),
    iris=("#14335c", "#1c8ea3", "#8cf3dc", "#10284a"),
    brow="#512a5b",
)


def draw() -> Sheet:
    """Draw Ito, from the back to the front."""
    sheet = Sheet("Ito, a character of ayatsuri")
    _paints(sheet)
    hair_bow(sheet)
    back_hair(sheet)
    hakama(sheet)
    sleeves(sheet)
    cape(sheet)
    neck(sheet)
    collar(sheet)
    throat_bow(sheet)
    thread(sheet)
    head(sheet)
    fringe_shadow(sheet, FRINGE, "#f3b9ae")
    features(sheet, EYES)
    front_hair(sheet)
    brows(sheet, EYES)
    hairpin(sheet)
    return sheet


def _paints(sheet: Sheet) -> None:
    """The gradients that the other modules use by name."""
    tones = [(0, "#d4a9d8", 1), (0.16, "#efcfee", 1), (0.42, "#dcb2de", 1), (1, "#f6bfcb", 1)]
    deep = [(0, "#5f3b78", 1), (0.45, "#7b5192", 1), (1, "#a273b2", 1)]
    back = [(0, "#7f5294", 1), (0.5, "#b07fbb", 1), (1, "#eaa9bf", 1)]
    sheet.paint("hair", tones, (0, 60, 0, 290))
    sheet.paint("hair_deep", deep, (0, 140, 0, 250))
    sheet.paint("hair_back", back, (0, 120, 0, 390))
    sheet.paint("navy", [(0, "#4a5396", 1), (1, NAVY, 1)], (0, 195, 0, 290))
    sheet.paint("cream", [(0, CREAM, 1), (0.55, "#fdf0e4", 1), (1, "#f7b9b8", 1)], (0, 280, 0, 425))
    sheet.paint("plum", [(0, "#a83c6a", 1), (1, "#54204f", 1)], (0, 300, 0, 512))
    sheet.paint("red", [(0, "#f4707f", 1), (1, RED, 1)], (0, 66, 0, 140))
    sheet.paint("red_small", [(0, "#f4707f", 1), (1, RED, 1)], (0, 196, 0, 224))


ITO = Character("ito", EYES, draw)
