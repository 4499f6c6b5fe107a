"""Where a character's features are in the picture, as the text of its YAML file."""

import math

from stages.avatar.pictures.drawing.eyes import SIDES, Eyes, place

Box = tuple[int, int, int, int]  # x, y, width, height


def boxes(eyes: Eyes) -> dict[str, Box]:
    """Where the features are; an eye's box holds its lashes."""
    found: dict[str, Box] = {}
    extents = {
        "eye": (-14.6, -16.3 * eyes.tall, 19.6, 14.3 * eyes.tall),
        "iris": (-11.4, -13.0 * eyes.tall, 11.0, 12.6 * eyes.tall),
        "brow": (-12.0, -26.3 - 1.5 * eyes.heavy, 13.5, -21.8),
    }
    for part, (inner, top, outer, bottom) in extents.items():
        for name, side in SIDES.items():
            (x0, y0), (x1, y1) = place(side, inner, top), place(side, outer, bottom)
            found[f"{part}_{name}"] = _box(min(x0, x1), y0, max(x0, x1), y1)
    found["mouth"] = _box(247.2, 159.2, 264.8, 163.2)
    return found


def yaml(found: dict[str, Box]) -> str:
    """The boxes as YAML, a line each."""
    lines = [f"{name}: [{', '.join(map(str, at))}]" for name, at in found.items()]
    note = "# x, y, width, height in pixels; left is the subject's left, the picture's right"
    return "\n".join([note, *lines, ""])


def _box(left: float, top: float, right: float, bottom: float) -> Box:
    """The whole pixels that an area touches."""
    x, y = math.floor(left), math.floor(top)
    return x, y, math.ceil(right) - x, math.ceil(bottom) - y
