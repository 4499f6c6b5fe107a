"""The built-in poser: moves one picture by a smooth field, with no network and no weights.

Trained posers mostly warp, and the input convention says where things are: the head inside the
128x128 box centred at (256, 128), the neck near (256, 200), the body upright below. The amounts
are the movements of two trained characters, averaged; `tests/unit/test_warp.py` has the points.

A frame is made backwards. Each point of the frame asks where in the picture it comes from: the
moves of `MOVES` are undone one after the other, outermost (the lean of the whole figure) first, on
a coarse grid. The grid is then enlarged to a pixel map and the picture resampled once.

A new move is a new entry of `MOVES`. The last ones see coordinates of the unmoved picture, so what
belongs to the face (eyes, mouth) goes at the end and needs to know nothing of the head's turn.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.pose import HIGH, INDEX, LOW, SIZE
from stages.premultiplied import AlphaEdge, Image

WIDTH = HEIGHT = 512

Plane = NDArray[np.float32]
# Takes where each grid point looks so far, in picture pixels, and the bounded pose; moves the
# points in place to where they were before this move.
Move = Callable[[Plane, Plane, NDArray[np.float32]], None]

# A field this smooth bends by less than 0.05 px between grid points 8 px apart.
_GRID_STEP = 8
_GRID = WIDTH // _GRID_STEP

_CENTRE_X = 256.0
_NECK_Y = 200.0
_LEAN_PIVOT_Y = 392.0  # the two characters turned about y = 343 and y = 440
_NECK_ANGLE = 0.17  # radians at neck_z = 1
_LEAN_ANGLE = 0.083  # radians at body_z = 1
_TURN_SHIFT = -8.5  # pixels the face centre moves at head_y = 1
_NOD_UP_SHIFT = -11.5  # pixels the face centre moves at head_x = 1
_NOD_DOWN_SHIFT = 15.5  # the same at head_x = -1
_DOME_HALF_WIDTH = 80.0  # the silhouette of the hair, which hardly moves in a turn
_BREATH_LIFT = -1.8


def _rise(value: Plane, start: float, end: float) -> Plane:
    """Smoothstep: 0 up to `start`, 1 from `end` on; falls instead where `start` > `end`."""
    share = np.clip((value - start) * (1.0 / (end - start)), 0.0, 1.0)
    rise: Plane = share * share * (3.0 - 2.0 * share)
    return rise


def _bump(offset: Plane, half_width: float) -> Plane:
    """1 at 0, falling smoothly to 0 at `half_width` on both sides."""
    rest = np.maximum(1.0 - np.square(offset * (1.0 / half_width)), 0.0)
    bump: Plane = rest * rest
    return bump


def _unturned(x: Plane, y: Plane, pivot_y: float, angle: float) -> tuple[Plane, Plane]:
    """How far a turn by `angle` about (256, `pivot_y`) has to move each point to be undone."""
    cosine, sine = math.cos(angle), math.sin(angle)
    from_x, from_y = x - _CENTRE_X, y - pivot_y
    return (
        from_x * (cosine - 1.0) - from_y * sine,
        from_x * sine + from_y * (cosine - 1.0),
    )


def _undo_lean(x: Plane, y: Plane, pose: NDArray[np.float32]) -> None:
    """body_z: the whole figure turns about a point below the waist."""
    angle = _LEAN_ANGLE * float(pose[INDEX["body_z"]])
    if angle:
        step_x, step_y = _unturned(x, y, _LEAN_PIVOT_Y, angle)
        x += step_x
        y += step_y


def _undo_body_turn(x: Plane, y: Plane, pose: NDArray[np.float32]) -> None:
    """body_y: the chest and the hip move to one side, the shoulders a little to the other."""
    turn = float(pose[INDEX["body_y"]])
    if turn:
        front = _bump(x - _CENTRE_X, 85.0)
        torso = -(4.0 + _rise(y, 270.0, 400.0)) * front + 1.2 * (1.0 - front)
        below_neck = _rise(y, 185.0, 255.0)
        x -= turn * (-2.5 * (1.0 - below_neck) + torso * below_neck)


def _undo_breath(x: Plane, y: Plane, pose: NDArray[np.float32]) -> None:
    """breathing: the chest rises."""
    breath = float(pose[INDEX["breathing"]])
    if breath:
        y -= breath * _BREATH_LIFT * _bump(x - _CENTRE_X, 110.0) * _bump(y - 270.0, 90.0)


def _undo_neck_tilt(x: Plane, y: Plane, pose: NDArray[np.float32]) -> None:
    """neck_z: the head turns about the neck; shoulders, and arms beside the head, stay."""
    angle = _NECK_ANGLE * float(pose[INDEX["neck_z"]])
    if angle:
        head = _rise(y, 235.0, 180.0) * _rise(np.abs(x - _CENTRE_X), 220.0, 110.0)
        step_x, step_y = _unturned(x, y, _NECK_Y, angle)
        x += head * step_x
        y += head * step_y


def _undo_head_turn(x: Plane, y: Plane, pose: NDArray[np.float32]) -> None:
    """head_x and head_y: parallax on a shallow dome, highest at the face, flat at the hair."""
    nod, turn = float(pose[INDEX["head_x"]]), float(pose[INDEX["head_y"]])
    if nod or turn:
        dome = _bump(x - _CENTRE_X, _DOME_HALF_WIDTH) * _rise(y, 40.0, 115.0)
        dome *= _rise(y, 230.0, 165.0)
        x -= turn * _TURN_SHIFT * dome
        y -= nod * (_NOD_UP_SHIFT if nod > 0 else -_NOD_DOWN_SHIFT) * dome


MOVES: tuple[Move, ...] = (
    _undo_lean,
    _undo_body_turn,
    _undo_breath,
    _undo_neck_tilt,
    _undo_head_turn,
)


class WarpPoser:
    """Renders one picture in any pose. Not for use from two threads at once.

    `picture` is BGRA (512, 512, 4) with colour 0 where alpha is 0, as `picture.load` gives it.
    """

    def __init__(self, picture: Image) -> None:
        if picture.shape != (HEIGHT, WIDTH, 4) or picture.dtype != np.uint8:
            raise ValueError(f"a picture is (512, 512, 4) uint8, not {picture.shape}")
        self._picture = np.ascontiguousarray(picture)
        self._edge = AlphaEdge(HEIGHT, WIDTH)
        self._premultiplied = np.empty_like(self._picture)
        self._edge.premultiply(self._picture, self._premultiplied)
        self._inside = _figure_bounds(self._picture)
        self._pixels = _pixel_coordinates()
        # Points of the grid lie in the middle of their cells, as cv2.resize takes them to.
        centres = np.arange(_GRID, dtype=np.float32) * _GRID_STEP + (_GRID_STEP - 1) / 2
        self._grid_x: Plane = np.tile(centres, (_GRID, 1))
        self._grid_y: Plane = np.tile(centres[:, np.newaxis], (1, _GRID))
        self._steps = np.zeros((_GRID, _GRID, 2), np.float32)
        self._map = np.empty((HEIGHT, WIDTH, 2), np.float32)
        self._bounded = np.empty(SIZE, np.float32)

    def render(self, pose: NDArray[np.float32], out: Image) -> None:
        """Write the picture in `pose`, (45,), into `out`, C-contiguous (512, 512, 4) uint8.

        Values outside their range count as the nearer bound. A pose that moves nothing gives the
        picture back bit by bit.
        """
        np.clip(pose, LOW, HIGH, out=self._bounded)
        x, y = self._grid_x.copy(), self._grid_y.copy()
        for move in MOVES:
            move(x, y, self._bounded)
        np.subtract(x, self._grid_x, out=self._steps[..., 0])
        np.subtract(y, self._grid_y, out=self._steps[..., 1])
        if not self._steps.any():
            np.copyto(out, self._picture)
            return
        self._resample(self._touched(x, y), out)

    def _touched(self, x: Plane, y: Plane) -> tuple[slice, slice]:
        """The rows and columns of the frame that can show any of the figure."""
        left, top, right, bottom = self._inside
        shows = ((x >= left) & (x <= right) & (y >= top) & (y <= bottom)).view(np.uint8)
        column, row, columns, rows = cv2.boundingRect(shows)
        # One more cell each way: the field between two grid points may just reach the figure.
        return (
            slice(max(row - 1, 0) * _GRID_STEP, min(row + rows + 1, _GRID) * _GRID_STEP),
            slice(max(column - 1, 0) * _GRID_STEP, min(column + columns + 1, _GRID) * _GRID_STEP),
        )

    def _resample(self, touched: tuple[slice, slice], out: Image) -> None:
        cv2.resize(self._steps, (WIDTH, HEIGHT), dst=self._map, interpolation=cv2.INTER_LINEAR)
        cv2.add(self._map, self._pixels, dst=self._map)
        rows, columns = touched
        out[: rows.start] = 0
        out[rows.stop :] = 0
        out[rows, : columns.start] = 0
        out[rows, columns.stop :] = 0
        # A figure cut off by the picture's edge goes on past it: without replication a lean would
        # show the cut. Float maps: 0.6 ms a frame here, fixed-point maps 0.9 (OpenCV 5, AVX-512).
        cv2.remap(
            self._premultiplied,
            self._map[rows, columns],
            None,  # type: ignore[call-overload]
            cv2.INTER_LINEAR,
            dst=out[rows, columns],
            borderMode=cv2.BORDER_REPLICATE,
        )
        self._edge.straighten(out)


def _pixel_coordinates() -> NDArray[np.float32]:
    """(512, 512, 2): the x and y of every pixel."""
    axis = np.arange(WIDTH, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis), axis=-1)


def _figure_bounds(picture: Image) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what is not transparent; without end where an edge cuts it."""
    alpha: Image = np.ascontiguousarray(picture[..., 3])
    left, top, width, height = cv2.boundingRect(alpha)
    right, bottom = left + width, top + height
    # Widened by a cell, so that even a speck between grid points is found by one of them.
    return (
        left - _GRID_STEP if left > 0 else -math.inf,
        top - _GRID_STEP if top > 0 else -math.inf,
        right + _GRID_STEP if right < WIDTH else math.inf,
        bottom + _GRID_STEP if bottom < HEIGHT else math.inf,
    )
