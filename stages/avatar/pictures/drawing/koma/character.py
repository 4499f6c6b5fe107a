"""Koma (spinning top): a stagehand in black with his little fox puppet."""

from stages.avatar.pictures.drawing.character import Character
from stages.avatar.pictures.drawing.colours import COAL
from stages.avatar.pictures.drawing.eyes import Eyes, brows
from stages.avatar.pictures.drawing.face import features, fringe_shadow, head
from stages.avatar.pictures.drawing.koma.coat import coat, crest_and_bow, hood, sleeves
from stages.avatar.pictures.drawing.koma.hair import FRINGE, back_hair, front_hair
from stages.avatar.pictures.drawing.koma.hakama import hakama
from stages.avatar.pictures.drawing.koma.puppet import puppet
from stages.avatar.pictures.drawing.sheet import Sheet

EYES = Eyes(
    lash=("#1d1630", "#4a2c46"),
    iris=("#6b2a12", "#d9771f", "#ffe08a", "#471a14"),
    brow="#1c2142",
    tall=0.93,
    heavy=1.15,
    flick=False,
)


def draw() -> Sheet:
    """Draw Koma, from the back to the front."""
    sheet = Sheet("Koma, a character of ayatsuri")
    _paints(sheet)
    back_hair(sheet)
    hood(sheet)
    hakama(sheet)
    puppet(sheet)
    sleeves(sheet)
    coat(sheet)
    crest_and_bow(sheet)
    head(sheet)
    fringe_shadow(sheet, FRINGE, "#e8b0a8")
    features(sheet, EYES)
    front_hair(sheet)
    brows(sheet, EYES)
    return sheet


def _paints(sheet: Sheet) -> None:
    """The gradients that the other modules use by name."""
    tones = [(0, "#34436e", 1), (0.35, "#5573a3", 1), (0.7, "#3c4f7e", 1), (1, "#4d7ea0", 1)]
    sheet.paint("hair", tones, (0, 56, 0, 170))
    sheet.paint("coat", [(0, "#4d5680", 1), (1, COAL, 1)], (0, 200, 0, 400))
    sheet.paint("sand", [(0, "#f6ecdc", 1), (1, "#d9c6c0", 1)], (0, 305, 0, 512))


KOMA = Character("koma", EYES, draw)
