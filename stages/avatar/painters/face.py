"""The face: three regions of the picture that are painted again when their parameters change."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.features import Features
from stages.avatar.painters.brow import BrowPainter
from stages.avatar.painters.eye import EyePainter
from stages.avatar.painters.layers import Colours
from stages.avatar.painters.mouth import MouthPainter
from stages.pose import INDEX

Image = NDArray[np.uint8]
Paint = Callable[[NDArray[np.float32], Colours], None]


class _Region(NamedTuple):
    """A part of the picture, the painters that fill it, and the parameters they read."""

    place: tuple[slice, slice]
    bare: Colours  # the drawing without what is painted
    opacity: NDArray[np.float32] | None  # None where the face is opaque
    painters: tuple[Paint, ...]
    parameters: NDArray[np.intp]


class FacePainter:
    """Keeps the face of a picture in a pose.

    `straight` and `premultiplied` are the picture in both forms, BGRA; `pose` changes them. A face
    at rest is the picture's own, bit by bit.
    """

    def __init__(self, straight: Image, premultiplied: Image, features: Features) -> None:
        self._forms = (straight, premultiplied)
        self._untouched = (straight.copy(), premultiplied.copy())
        picture = self._untouched[0]
        boxes = features.boxes
        apart = max(boxes.iris_left.centre[0] - boxes.iris_right.centre[0], 20.0)
        middle = (boxes.iris_left.centre[0] + boxes.iris_right.centre[0]) / 2
        self._regions = [
            _eye_region(picture, features, side, apart, middle) for side in ("left", "right")
        ]
        self._regions.append(_mouth_region(picture, features, apart))
        self._shown = [np.zeros(len(region.parameters), np.float32) for region in self._regions]

    def pose(self, pose: NDArray[np.float32]) -> None:
        """Paint what differs from the last pose."""
        for region, shown in zip(self._regions, self._shown, strict=True):
            values = pose[region.parameters]
            if np.array_equal(values, shown):
                continue
            shown[:] = values
            if values.any():
                self._paint(region, pose)
                continue
            for form, untouched in zip(self._forms, self._untouched, strict=True):
                form[region.place] = untouched[region.place]

    def _paint(self, region: _Region, pose: NDArray[np.float32]) -> None:
        ground = region.bare.copy()
        for paint in region.painters:
            paint(pose, ground)
        straight, premultiplied = self._forms
        colours = cv2.convertScaleAbs(
            np.maximum(ground, 0.0, out=ground)
        )  # rounds and keeps to 0..255
        straight[region.place][..., :3] = colours
        if region.opacity is not None:
            colours = cv2.convertScaleAbs(colours * region.opacity)
        premultiplied[region.place][..., :3] = colours


def _place(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    rows = slice(max(int(top), 0), min(int(bottom) + 1, 512))
    return rows, slice(max(int(left), 0), min(int(right) + 1, 512))


def _skin(features: Features, drawing: Colours) -> Colours:
    return np.full_like(drawing, features.skin)


def _opacity(picture: Image, place: tuple[slice, slice]) -> NDArray[np.float32] | None:
    """Alpha as a factor; what is painted where nothing was stays invisible."""
    alpha = picture[place][..., 3:]
    return None if alpha.min() == 255 else alpha.astype(np.float32) / np.float32(255)


def _parameters(*names: str) -> NDArray[np.intp]:
    return np.array([INDEX[name] for name in names], np.intp)


def _eye_region(
    picture: Image, features: Features, side: str, apart: float, middle: float
) -> _Region:
    """One eye and its brow: they reach into each other."""
    boxes = features.boxes._asdict()
    eye, iris, brow = boxes[f"eye_{side}"], boxes[f"iris_{side}"], boxes[f"brow_{side}"]
    left = min(eye.x, brow.x) - 0.16 * apart
    right = max(eye.right, brow.right) + 0.16 * apart
    # The two regions meet at the bridge of the nose and share no pixel.
    left, right = (
        (max(left, middle + 1), right) if side == "left" else (left, min(right, middle - 1))
    )
    top = min(eye.y - 0.35 * eye.height, brow.y - 0.22 * apart)
    place = _place(left, top, right, max(eye.bottom + 0.2 * eye.height, eye.bottom + 4))
    drawing = picture[place][..., :3].astype(np.float32)
    origin = (place[1].start, place[0].start)
    eye_painter = EyePainter(drawing, origin, eye, iris, _skin(features, drawing), side)
    brow_painter = BrowPainter(drawing, origin, brow, apart, side)
    bare = eye_painter.below + (brow_painter.below - drawing)
    names = [f"{stem}_{side}" for stem in _EYE_AND_BROW]
    return _Region(
        place,
        np.clip(bare, 0, 255),
        _opacity(picture, place),
        (eye_painter.paint, brow_painter.paint),
        _parameters(*names, "iris_rotation_x", "iris_rotation_y"),
    )


_EYE_AND_BROW = (
    "eyebrow_troubled eyebrow_angry eyebrow_lowered eyebrow_raised eyebrow_happy eyebrow_serious "
    "eye_wink eye_happy_wink eye_surprised eye_relaxed eye_unimpressed eye_raised_lower_eyelid "
    "iris_small"
).split()
_MOUTH = (
    "aaa iii uuu eee ooo delta lowered_corner_left lowered_corner_right raised_corner_left "
    "raised_corner_right smirk"
).split()


def _mouth_region(picture: Image, features: Features, apart: float) -> _Region:
    mouth: Box = features.boxes.mouth
    x, y = mouth.centre
    half = max(mouth.width / 2 + 6, 0.26 * apart)
    place = _place(
        x - half, y - max(mouth.height / 2 + 5, 0.16 * apart), x + half, y + 0.34 * apart
    )
    drawing = picture[place][..., :3].astype(np.float32)
    painter = MouthPainter(
        drawing, (place[1].start, place[0].start), mouth, apart, _skin(features, drawing)
    )
    return _Region(
        place,
        painter.below,
        _opacity(picture, place),
        (painter.paint,),
        _parameters(*(f"mouth_{name}" for name in _MOUTH)),
    )
