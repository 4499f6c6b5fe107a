"""An eye taken apart and painted again: lid of skin, white, iris, lashes.

Between the lids white and iris are seen, above them skin; the lashes follow the upper lid.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.painters.eyeball import Eyeball
from stages.avatar.painters.lashes import Lashes
from stages.avatar.painters.layers import (
    Colours,
    Layer,
    Plane,
    distance,
    filled,
    grown,
    lay_over,
    lifted,
    ramp,
)
from stages.avatar.painters.lids import LidCourses, LidPose, find_opening
from stages.pose import INDEX

_LIDS = (
    "eye_wink eye_happy_wink eye_relaxed eye_unimpressed eye_surprised eye_raised_lower_eyelid"
).split()
_LOOK_ACROSS = 0.17  # of the eye's width
_LOOK_UP = 0.24  # of its height
_SMALLEST = 0.34  # what is left of the iris at iris_small = 1; less cannot be sampled cleanly


class EyePainter:
    """Paints one eye into the face. `origin` is the region's upper left corner in the picture."""

    def __init__(
        self,
        drawing: Colours,
        origin: tuple[int, int],
        eye: Box,
        iris: Box,
        skin: Colours,
        side: str,
    ) -> None:
        self._lid_names = [INDEX[f"{name}_{side}"] for name in _LIDS]
        self._small = INDEX[f"iris_small_{side}"]
        eye, iris = (box._replace(x=box.x - origin[0], y=box.y - origin[1]) for box in (eye, iris))
        height, width = drawing.shape[:2]
        self._x, self._y = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )
        self._open = find_opening(drawing, eye, iris, skin, 1.0 if side == "left" else -1.0)
        self._courses = LidCourses(self._open)
        self._take_apart(drawing, eye, iris, skin)

    def _take_apart(self, drawing: Colours, eye: Box, iris: Box, skin: Colours) -> None:
        lids = self._open.lids
        inside = lids.inside(self._y) * self._open.between
        lashes = Lashes(drawing, skin, self._x, self._y, self._open, eye)
        under = self._y - lids.lower
        rim = ramp(under, 3.2, 2.2) * ramp(under, -1.2, -0.2) * self._open.between * lashes.mixed
        other = distance(drawing, skin)
        hidden = (inside > 0) | lashes.mask | ((rim > 0) & (other > 5))
        hidden |= _specks(hidden, other)
        self.below: Colours = _without(drawing, hidden, other)
        self._ball = Eyeball(drawing, self.below, inside, self._x, self._y, iris, lids)
        ground = self.below * (1 - inside[..., np.newaxis])
        ground += self._ball.painted(0.0, 0.0, 1.0, None) * inside[..., np.newaxis]
        self._ink = lashes.ink
        # All but the outer wing, which stays the drawn one.
        self._middle = ramp(self._open.position, 0.9, 0.5)
        self._bold: Plane = np.maximum(0.12 * self._open.height, 1.8) * (
            0.35 + 0.65 * self._open.bow
        )
        self._rim, ground = self._line(drawing, ground, rim)
        # A soft lower edge: bent, a hard one would show the steps of its columns.
        soft = lashes.mask * ramp(self._y - lids.upper, 0.8, -0.8)
        self._lash, ground = self._line(drawing, ground, soft)
        self._rest: Colours = drawing - ground

    def _line(self, drawing: Colours, ground: Colours, where: Plane) -> tuple[Layer, Colours]:
        """What differs from `ground` within `where`, as a layer; and both together."""
        apart = np.minimum(distance(drawing, ground), distance(drawing, self.below) * 1.2)
        layer = lifted(drawing, ground, where * ramp(apart, 2.0, 26.0))
        together = ground.copy()
        layer.over(together)
        return layer, together

    def paint(self, pose: NDArray[np.float32], ground: Colours) -> None:
        """Paint the eye over `ground`, the face without it, in place."""
        lid_pose = LidPose(*pose[self._lid_names].tolist())
        small = float(pose[self._small])
        lids, at_rest = self._courses.moved(lid_pose), self._open.lids
        across = -_LOOK_ACROSS * self._open.width * float(pose[INDEX["iris_rotation_y"]])
        down = -_LOOK_UP * self._open.height * float(pose[INDEX["iris_rotation_x"]])
        size = (1.0 - (1.0 - _SMALLEST) * small) * (1.0 - 0.06 * lid_pose.surprised)
        lids_move = any(lid_pose)
        shift = lids.upper - at_rest.upper if lids_move else None
        eyeball = self._ball.painted(across, down, size, shift)
        inside = lids.inside(self._y) * self._open.between * np.clip(lids.lower - lids.upper, 0, 1)
        ground += (eyeball - ground) * inside[..., np.newaxis]
        if lids_move:
            self._paint_lines(lids.upper, lids.lower, lid_pose.shut, ground)
        else:
            self._rim.over(ground)
            self._lash.over(ground)
        # What the layers leave out of the picture at rest fades before it could be seen to stay.
        active = max(*lid_pose, small, abs(across) / 4, abs(down) / 4)
        if active < 1 / 3:
            ground += self._rest * (1.0 - 3.0 * active)

    def _paint_lines(self, upper: Plane, lower: Plane, shut: float, ground: Colours) -> None:
        """The line of the lower lid and the lashes, where the lids are."""
        at_rest = self._open.lids
        rim = self._rim.moved(self._x, self._y - (lower - at_rest.lower)).pixels
        lay_over(rim * np.float32(1.0 - 0.8 * shut), ground)
        stretch = np.float32(1.0 / (1.0 - 0.4 * shut * shut))
        lashes = self._lash.moved(self._x, at_rest.upper + (self._y - upper) * stretch).pixels
        if shut:
            # A shut eye is one smooth, bold line, into which the lashes' ends run.
            below = self._y - upper
            line = ramp(below, -0.75 * self._bold - 0.5, -0.75 * self._bold + 0.5)
            line *= ramp(below, 0.25 * self._bold + 0.5, 0.25 * self._bold - 0.5)
            ground += (self._ink - ground) * (line * (self._open.between * shut))[..., np.newaxis]
            lashes *= (1.0 - shut**3 * self._middle)[:, np.newaxis]
        lay_over(lashes, ground)


def _specks(hidden: NDArray[np.bool_], other: Plane) -> NDArray[np.bool_]:
    """The few dark pixels that are left at the edge of what is taken away."""
    left = (other > 7) & ~hidden
    count, labels, stats, _ = cv2.connectedComponentsWithStats(left.astype(np.uint8))
    touching = np.bincount(labels[grown(hidden, 1)], minlength=count) > 0
    small = (stats[:, cv2.CC_STAT_AREA] <= 7) & touching
    small[0] = False
    return np.asarray(small[labels], np.bool_)


def _without(drawing: Colours, hidden: NDArray[np.bool_], other: Plane) -> Colours:
    """The drawing with skin where the eye was; `other` is how far each pixel is from skin."""
    below = filled(drawing, ((~hidden) & (other < 22)).astype(np.float32))
    soft = cv2.GaussianBlur(hidden.astype(np.float32), (3, 3), 0)
    share = np.where(hidden, 1.0, soft)[..., np.newaxis]
    return np.asarray(drawing + (below - drawing) * share, np.float32)
