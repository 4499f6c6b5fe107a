"""How head and body move: a smooth field from every point of a frame to one of the picture.

Trained posers mostly warp, and the input convention says where things are: the head inside the
128x128 box centred at (256, 128), the neck near (256, 200), the body upright below. The amounts are
the movements of two trained characters, averaged; `tests/unit/test_warp.py` has the points.

The head is a shallow dome: a turn or a nod moves the middle of the face most, its edges less, the
silhouette of the hair hardly, and what hangs behind goes a little the other way.

A frame is made backwards. Each point of a coarse grid asks where in the picture it comes from: the
moves are undone one after the other, outermost (the lean of the whole figure) first. How far a move
shifts a point depends on where the point is in the picture, which is what is asked for, so that is
found by repetition; the shares of every place are drawn once, as planes.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.pose import INDEX

WIDTH = HEIGHT = 512
# A field this smooth bends by less than 0.05 px between grid points 8 px apart.
STEP = 8
GRID = WIDTH // STEP

Plane = NDArray[np.float32]

_CENTRE_X = 256.0
_NECK_Y = 206.0  # the two characters turned their heads about y = 203 and y = 214
_NECK_ANGLE = 0.17  # radians at neck_z = 1
_LEAN_ANGLE = 0.083  # radians at body_z = 1
_TURN = -8.3  # pixels the middle of the face moves at head_y = 1
_NOD = -13.0  # the same at head_x = 1
_TUCK = 2.1  # pixels the face sinks however it nods: the way of the top of a ball
_BREATH = -1.9  # pixels the chest moves at breathing = 1

# Shares of the dome by distance from the middle line, and by row.
_ACROSS = ([0, 15, 36, 52, 66, 84, 110], [1.0, 0.95, 0.72, 0.58, 0.08, -0.15, -0.2])
_TURN_DOWN = ([30, 60, 80, 102], [-0.1, 0.33, 0.72, 1.0])
_NOD_DOWN = ([30, 60, 70, 80, 100, 130], [-0.3, -0.05, 0.22, 0.5, 0.86, 1.0])
_TUCK_DOWN = ([40, 70, 100, 135, 165, 200], [0.5, 0.8, 1.05, 1.0, 0.52, 0.0])

_REPEATS = 3


class Figure:
    """The field of one picture. `hands_y` is where its arms end."""

    def __init__(self, hands_y: float) -> None:
        axis = np.arange(GRID, dtype=np.float32) * STEP + (STEP - 1) / 2
        self.grid_x, self.grid_y = np.meshgrid(axis, axis)
        # Arms hang as long as a body is tall, and a body leans about its waist.
        self._pivot_y = _NECK_Y + 0.6 * (hands_y - _NECK_Y)
        x, y = self.grid_x, self.grid_y
        neck = _neck_share(x, y)
        turn, nod = _dome(x, y)
        tuck = _along(_TUCK_DOWN, y) * neck
        self._head = np.dstack([turn, nod, tuck]).astype(np.float32)
        self._neck = neck
        self._body = np.dstack([_body_turn(x, y, turn * neck), _breath(x, y)]).astype(np.float32)

    def sources(self, pose: NDArray[np.float32]) -> tuple[Plane, Plane] | None:
        """Where each grid point of the frame comes from, (GRID, GRID); None if nothing moves."""
        turn, nod = float(pose[INDEX["head_y"]]), float(pose[INDEX["head_x"]])
        neck, lean = float(pose[INDEX["neck_z"]]), float(pose[INDEX["body_z"]])
        body, breath = float(pose[INDEX["body_y"]]), float(pose[INDEX["breathing"]])
        if not any((turn, nod, neck, lean, body, breath)):
            return None
        x, y = self.grid_x, self.grid_y
        if lean:
            x, y = _turned(x, y, self._pivot_y, _LEAN_ANGLE * lean)
        if body or breath:
            x, y = _undone(self._body, x, y, np.array([[body, 0], [0, breath]]))
        if neck:
            x, y = self._without_tilt(x, y, _NECK_ANGLE * neck)
        if turn or nod:
            moves = np.array([[_TURN * turn, 0, 0], [0, _NOD * nod, _TUCK * nod * nod]])
            x, y = _undone(self._head, x, y, moves)
        return x, y

    def _without_tilt(self, x: Plane, y: Plane, angle: float) -> tuple[Plane, Plane]:
        source_x, source_y = x, y
        for _ in range(_REPEATS):
            share = _sampled(self._neck, source_x, source_y)
            source_x, source_y = _turned(x, y, _NECK_Y, angle * share)
        return source_x, source_y


def hands_level(picture: NDArray[np.uint8]) -> float:
    """The row at which the arms of a figure end: below it, its outline is much narrower.

    A figure that is still as wide where the picture ends has them somewhat below.
    """
    seen = picture[260:, :, 3] > 127
    width = np.where(
        seen.any(axis=1), WIDTH - seen[:, ::-1].argmax(axis=1) - seen.argmax(axis=1), 0
    )
    wide = np.flatnonzero(width >= 0.75 * max(int(width.max()), 1))
    last = int(wide[-1]) + 260 if wide.size else HEIGHT
    return 535.0 if last >= HEIGHT - 12 else float(np.clip(last, 430, 535))


def _undone(shares: Plane, x: Plane, y: Plane, moves: NDArray[np.float64]) -> tuple[Plane, Plane]:
    """Undo a shift of `moves` @ shares, the shares taken where the points come from."""
    source_x, source_y = x, y
    matrix = moves.astype(np.float32)
    for _ in range(_REPEATS):
        shift = np.asarray(cv2.transform(_sampled(shares, source_x, source_y), matrix), np.float32)
        source_x, source_y = x - shift[..., 0], y - shift[..., 1]
    return source_x, source_y


def _sampled(plane: Plane, x: Plane, y: Plane) -> Plane:
    """A plane of the grid at picture coordinates."""
    offset = (STEP - 1) / 2
    return np.asarray(
        cv2.remap(
            plane, (x - offset) * (1 / STEP), (y - offset) * (1 / STEP), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )  # fmt: skip


def _turned(x: Plane, y: Plane, pivot_y: float, angle: Plane | float) -> tuple[Plane, Plane]:
    """The points turned about (256, `pivot_y`), for which a turn by `angle` has to be undone."""
    cosine, sine = np.cos(angle), np.sin(angle)
    from_x, from_y = x - _CENTRE_X, y - pivot_y
    turned_x = from_x * cosine - from_y * sine + _CENTRE_X
    turned_y = from_x * sine + from_y * cosine + pivot_y
    return turned_x.astype(np.float32), turned_y.astype(np.float32)


def _rise(value: Plane, start: Plane | float, end: Plane | float) -> Plane:
    """Smoothstep: 0 up to `start`, 1 from `end` on; falls instead where `start` > `end`."""
    share = np.clip((value - start) / (end - start), 0.0, 1.0)
    rise: Plane = share * share * (3.0 - 2.0 * share)
    return rise


def _bump(offset: Plane, half_width: float) -> Plane:
    """1 at 0, falling smoothly to 0 at `half_width` on both sides."""
    rest = np.maximum(1.0 - np.square(offset * (1.0 / half_width)), 0.0)
    bump: Plane = rest * rest
    return bump


def _along(points: tuple[list[int], list[float]], at: Plane) -> Plane:
    """A smooth curve through points: straight lines, their corners rounded over 12 px."""
    shifted = [np.interp(at + shift, *points) for shift in (-6.0, -3.0, 0.0, 3.0, 6.0)]
    return np.asarray(np.mean(shifted, axis=0), np.float32)


def _neck_share(x: Plane, y: Plane) -> Plane:
    """1 on the head, 0 on the body; arms and sleeves beside the head are the body's."""
    aside = np.maximum(np.abs(x - _CENTRE_X) - 40.0, 0.0)
    return _rise(y, 219.0 + 0.5 * aside, 187.0) * _rise(np.abs(x - _CENTRE_X), 220.0, 120.0)


def _dome(x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """How much of a head's turn and of its nod each place takes part in."""
    aside = np.abs(x - _CENTRE_X)
    across = _along(_ACROSS, aside)
    chin = _rise(y, 202.0 + 0.4 * np.maximum(aside - 40.0, 0.0), 174.0)
    # What lies behind does not fade with the forehead.
    behind = np.minimum(across, 0.0)
    front = np.maximum(across, 0.0)
    return (
        (front * _along(_TURN_DOWN, y) + behind) * chin,
        (front * _along(_NOD_DOWN, y) + behind) * chin,
    )


def _body_turn(x: Plane, y: Plane, head: Plane) -> Plane:
    """Pixels to the right at body_y = 1: the chest to one side, the shoulders to the other."""
    front = _bump(x - _CENTRE_X, 92.0)
    chest = -(3.7 + 1.3 * _rise(y, 270.0, 390.0)) * front * _rise(y, 205.0, 265.0)
    chest *= _rise(y, 500.0, 420.0)
    shoulders = 1.5 * (1.0 - front) * _rise(y, 185.0, 225.0) * _rise(y, 400.0, 300.0)
    return np.asarray(chest + shoulders - 2.5 * np.maximum(head, 0.0), np.float32)


def _breath(x: Plane, y: Plane) -> Plane:
    """Pixels down at breathing = 1."""
    share = _bump(x - _CENTRE_X, 95.0) * _rise(y, 190.0, 215.0) * _rise(y, 325.0, 265.0)
    breath: Plane = _BREATH * share
    return breath
