"""What Ito wears above the waist: wide cream sleeves, a navy cape, a collar with a red bow."""

from stages.avatar.pictures.drawing.colours import (
    CREAM,
    CREAM_DARK,
    CREAM_INK,
    GOLD,
    GOLD_DARK,
    NAVY_DARK,
    NAVY_INK,
    RED,
    RED_DARK,
    RED_INK,
    SKIN,
    SKIN_INK,
    SKIN_SHADE,
)
from stages.avatar.pictures.drawing.figure import crest, hand
from stages.avatar.pictures.drawing.pen import pen
from stages.avatar.pictures.drawing.sheet import Sheet


def sleeves(sheet: Sheet) -> None:
    """Both sleeves with the hands below them."""
    outer = "M188,262 C176,296 160,350 150,402 C166,416 190,420 208,412 C214,370 217,320 220,270Z"
    with sheet.both_sides():
        hand(sheet)
        sheet.shape(outer, "url(#cream)", CREAM_INK, 1.3)
        with sheet.within(sheet.clip("sleeve", outer)):
            _sleeve_cloth(sheet)
        sheet.line(outer, CREAM_INK, 1.2)


def _sleeve_cloth(sheet: Sheet) -> None:
    """Shadows, folds and the embroidery: a thread with crests."""
    sheet.fill("M220,270 C214,300 206,350 196,420 L224,420 L224,270Z", "#d9b9c4", 0.6)
    sheet.fill("M184,262 L222,262 L220,304 C204,308 186,304 172,296Z", "#b794ad", 0.75)
    sheet.line("M150,392 C168,406 192,409 212,401", RED, 3)
    sheet.line("M150,386 C168,400 192,403 212,395", GOLD, 1)
    sheet.fill(pen((200, 306), (192, 336), (188, 372), width=1.2), CREAM_INK, 0.6)
    sheet.fill(pen((184, 306), (176, 330), (170, 350), width=1), CREAM_INK, 0.45)
    thread = (
        "M160,352 C168,340 176,344 174,352 C172,360 164,358 168,350 C174,340 188,350"
        " 196,340 C204,332 208,338 212,330"
    )
    sheet.line(thread, RED, 1.1)
    for at in ((182, 376), (168, 372), (196, 366), (184, 326), (202, 318)):
        crest(sheet, at, 3.2, RED, 1.2)


def cape(sheet: Sheet) -> None:
    """The cape, open in front, its red lining seen at the opening."""
    half = (
        "M243,192 C230,202 212,206 200,214 C190,226 180,256 171,288 C190,300 214,302 238,296"
        " C242,270 248,240 256,214 L256,200Z"
    )
    with sheet.both_sides():
        sheet.fill("M256,214 L256,240 L246,292 L238,296Z", RED_DARK)
        sheet.shape(half, "url(#navy)", NAVY_INK, 1.4)
        with sheet.within(sheet.clip("cape", half)):
            _cape_cloth(sheet)
        sheet.line(half, NAVY_INK, 1.3)


def _cape_cloth(sheet: Sheet) -> None:
    """Folds, light and the golden border."""
    outer_fold = "M205,226 C198,250 192,276 190,304 L204,304 C202,278 203,252 205,226Z"
    inner_fold = "M228,232 C224,256 222,280 222,304 L234,304 C230,280 228,256 228,232Z"
    light = "M186,240 C180,258 176,272 173,288 L181,291 C182,274 184,256 186,240Z"
    sheet.fill(outer_fold, NAVY_DARK, 0.85)
    sheet.fill(inner_fold, NAVY_DARK, 0.85)
    sheet.fill(light, "#6d78c0", 0.5)
    sheet.line("M170,282.5 C190,294 214,296 234.5,290.5 C238.5,268 244,242 251,222", GOLD, 1.8)
    sheet.line("M169,279 C190,290.5 212,292 231.5,287.5 C235,268 240,246 246,226", GOLD_DARK, 0.7)


def neck(sheet: Sheet) -> None:
    """The neck with the chin's shadow on it."""
    sheet.shape(
        "M243.5,160 C244,172 244,182 242,190 C238,196 236,200 236,206"
        " L256,214 L276,206 C276,200 274,196 270,190"
        " C268,182 268,172 268.5,160Z",
        SKIN,
        SKIN_INK,
        1.1,
    )
    sheet.fill("M244,168 L268,168 L268.2,186 C262,192 252,190 243.6,181Z", SKIN_SHADE, 0.8)


def collar(sheet: Sheet) -> None:
    """The round collar over the cape."""
    half = (
        "M242,187 C234,195 222,201 213,206 C216,216 224,222 234,224 C244,222 251,216 256,208"
        " C249,204 244,196 242,187Z"
    )
    rim = "M213,206 C216,216 224,222 234,224 C244,222 251,216 256,208 C246,214 230,216 213,206Z"
    seam = "M217,207.5 C220,213.5 226,218.4 234,220 C241,218.6 247,214.5 251.5,209"
    with sheet.both_sides():
        sheet.shape(half, CREAM, CREAM_INK, 1.2)
        sheet.fill(rim, CREAM_DARK, 0.7)
        sheet.line(seam, GOLD_DARK, 0.9)


def throat_bow(sheet: Sheet) -> None:
    """The bow at the throat with its golden knot."""
    end = "M254,212 C248,224 242,236 238,250 L245,249 L249,254 C252,240 256,228 258,214Z"
    loop = "M255,207 C246,198 236,194 229,196 C226,204 227,216 231,223 C239,223 248,217 255,211Z"
    shadow = "M254,210 C246,209 236,213 229.6,219 L231,223 C239,223 248,217 255,211Z"
    knot = (
        "M251,204 C254,202 258,202 261,204 C262,208 262,211 261,214 C258,216 254,216 251,214"
        " C250,211 250,208 251,204Z"
    )
    with sheet.both_sides():
        sheet.shape(end, RED, RED_INK, 1.1)
        sheet.shape(loop, "url(#red_small)", RED_INK, 1.2)
        sheet.fill(shadow, RED_DARK, 0.75)
        sheet.fill(pen((252, 209), (244, 207), (236, 207.5), width=1), RED_INK, 0.7)
    sheet.shape(knot, GOLD, GOLD_DARK, 1.1)
    sheet.oval((254.4, 206.6), (1.5, 2), "#fff6d8", 0.95)
