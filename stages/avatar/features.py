"""Finds eyes, irises, brows and mouth in a picture of the input convention.

The convention puts the head into the 128x128 box centred at (256, 128) and turns it to the front,
so a face is looked for, not a head: two irises (ellipses that stand out from white and skin beside
and below them) mirrored at a line near x = 256; the lashes around them; a thin dark line above each
eye; what is not skin below the nose. Where nothing convincing is found, the part is put where the
convention makes it likely, and said to be guessed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box, Boxes
from stages.avatar.search.brows import brow_boxes
from stages.avatar.search.eyes import eye_box
from stages.avatar.search.irises import Ellipse, ellipse_in, iris_boxes, mirrored_pair
from stages.avatar.search.mouth import mouth_box
from stages.avatar.search.planes import (
    LEFT,
    TOP,
    FacePlanes,
    face_planes,
    searched_part,
    skin_colour,
)

_LIKELY = (
    Ellipse(282.0 - LEFT, 137.0 - TOP, 9.0, 11.0),
    Ellipse(230.0 - LEFT, 137.0 - TOP, 9.0, 11.0),
)


class Features(NamedTuple):
    """What was found. `guessed` names the boxes that are only likely places."""

    boxes: Boxes
    guessed: frozenset[str]
    skin: tuple[float, float, float]  # BGR, 0 to 255


def find(picture: NDArray[np.uint8], given: dict[str, Box] | None = None) -> Features:
    """Return the features of a picture, BGRA (512, 512, 4); `given` boxes are taken as they are."""
    given = given or {}
    part = searched_part(picture)
    skin = skin_colour(part)
    face = face_planes(part, skin)
    guessed: set[str] = set()
    irises = _irises(face, given, guessed)
    found = dict(zip(("iris_left", "iris_right"), iris_boxes(face, irises), strict=True))
    found |= {name: box for name, box in given.items() if name in found}
    for side, iris in zip(("left", "right"), irises, strict=True):
        # A correction of the iris leads to its eye, and one of the eye to its brow.
        found[f"eye_{side}"] = given.get(f"eye_{side}") or eye_box(
            face, iris, found[f"iris_{side}"]
        )
    apart = found["iris_left"].centre[0] - found["iris_right"].centre[0]
    found["brow_left"], found["brow_right"] = brow_boxes(
        face, found["eye_left"], found["eye_right"], apart, guessed
    )
    found["mouth"] = mouth_box(face, found["iris_left"], found["iris_right"], guessed)
    boxes = Boxes(**(found | given))
    return Features(boxes, frozenset(guessed - set(given)), skin)


def _irises(face: FacePlanes, given: dict[str, Box], guessed: set[str]) -> tuple[Ellipse, Ellipse]:
    """The subject's left and right iris."""
    left, right = given.get("iris_left"), given.get("iris_right")
    if left and right:
        return ellipse_in(left), ellipse_in(right)
    found = mirrored_pair(face)
    if found is None:
        guessed.update(("iris_left", "iris_right", "eye_left", "eye_right"))
        found = _LIKELY
    return ellipse_in(left) if left else found[0], ellipse_in(right) if right else found[1]
