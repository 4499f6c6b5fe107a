"""The part of a picture that is searched for a face, as planes of what tells its parts apart."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Plane = NDArray[np.float32]

# The head's box, and what a face may stick out of it.
LEFT, TOP, RIGHT, BOTTOM = 176, 80, 336, 208
AXIS = 256 - LEFT  # the middle line of the input convention


class FacePlanes(NamedTuple):
    """(BOTTOM - TOP, RIGHT - LEFT) each; coordinates in them are those of the searched part."""

    light: Plane  # L of Lab, 0 to 100
    from_skin: Plane  # distance to the skin's colour, shade counting half
    from_white: Plane  # the same to white
    from_plain: Plane  # distance to skin or white, whichever is nearer


def searched_part(picture: Image) -> Image:
    """The part of a picture the planes are made of."""
    return np.ascontiguousarray(picture[TOP:BOTTOM, LEFT:RIGHT])


def skin_colour(part: Image) -> tuple[float, float, float]:
    """The commonest colour around nose and cheeks, BGR."""
    middle = part[140 - TOP : 182 - TOP, 232 - LEFT : 281 - LEFT].reshape(-1, 4)
    colours = middle[middle[:, 3] > 200][:, :3].astype(np.int64)
    if len(colours) < 50:
        return (205.0, 220.0, 245.0)
    bins = (colours // 12) @ np.array([1, 32, 1024])
    values, counts = np.unique(bins, return_counts=True)
    centre = colours[bins == values[counts.argmax()]].mean(axis=0)
    near = colours[np.abs(colours - centre).max(axis=1) < 14]
    blue, green, red = near.mean(axis=0)
    return float(blue), float(green), float(red)


def face_planes(part: Image, skin: tuple[float, float, float]) -> FacePlanes:
    """The planes of a searched part, given its skin's colour."""
    alpha = part[..., 3:].astype(np.float32) / 255
    lab = _lab((part[..., :3] * alpha).astype(np.float32))
    own = _lab(np.array([[skin]], np.float32))[0, 0]
    weight = np.array([0.5, 1.0, 1.0], np.float32)
    from_skin = np.sqrt(np.square((lab - own) * weight).sum(axis=2))
    from_white = np.sqrt(np.square((lab - [99.0, 0.0, 0.0]) * weight).sum(axis=2))
    from_plain = np.minimum(from_skin, from_white)
    return FacePlanes(
        lab[..., 0].copy(), *(p.astype(np.float32) for p in (from_skin, from_white, from_plain))
    )


def _lab(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(colours / np.float32(255), cv2.COLOR_BGR2Lab), np.float32)
