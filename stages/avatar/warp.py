"""The built-in poser: one picture in any pose, with no network and no weights.

Two things happen to the picture. The face is painted: lids, irises, brows and mouth are layers
lifted off the picture once and put together again for a pose (`painters`). Then the whole is
resampled by the smooth field in which head and body move (`figure`).
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.features import Features, find
from stages.avatar.figure import GRID, HEIGHT, STEP, WIDTH, Figure, Plane, hands_level
from stages.avatar.painters.face import FacePainter
from stages.pose import HIGH, LOW, SIZE
from stages.premultiplied import AlphaEdge, Image


class WarpPoser:
    """Renders one picture in any pose. Not for use from two threads at once.

    `picture` is BGRA (512, 512, 4) with colour 0 where alpha is 0, as `picture.load` gives it.
    `given` are the boxes that are known; the rest of the face's features is looked for.
    """

    def __init__(self, picture: Image, given: dict[str, Box] | None = None) -> None:
        if picture.shape != (HEIGHT, WIDTH, 4) or picture.dtype != np.uint8:
            raise ValueError(f"a picture is (512, 512, 4) uint8, not {picture.shape}")
        self.features: Features = find(picture, given)
        self._edge = AlphaEdge(HEIGHT, WIDTH)
        self._premultiplied: Image = np.empty_like(picture, order="C")
        self._edge.premultiply(picture, self._premultiplied)
        self._straight: Image = np.array(picture, order="C")
        self._face = FacePainter(self._straight, self._premultiplied, self.features)
        self._figure = Figure(hands_level(picture))
        self._inside = _figure_bounds(picture)
        # Reused by every frame: they take longer to allocate than to fill.
        self._bounded: NDArray[np.float32] = np.empty(SIZE, np.float32)
        self._steps = np.empty((GRID, GRID, 2), np.float32)
        self._pixels = _pixel_coordinates()
        self._map = np.empty_like(self._pixels)

    def render(self, pose: NDArray[np.float32], out: Image) -> None:
        """Write the picture in `pose`, (45,), into `out`, C-contiguous (512, 512, 4) uint8.

        Values outside their range count as the nearer bound, NaN as 0. A pose that moves nothing
        gives the picture back bit by bit.
        """
        np.clip(pose, LOW, HIGH, out=self._bounded)
        np.nan_to_num(self._bounded, copy=False)
        self._face.pose(self._bounded)
        sources = self._figure.sources(self._bounded)
        if sources is None:
            np.copyto(out, self._straight)
            return
        x, y = sources
        np.subtract(x, self._figure.grid_x, out=self._steps[..., 0])
        np.subtract(y, self._figure.grid_y, out=self._steps[..., 1])
        self._resample(self._touched(x, y), out)

    def _touched(self, x: Plane, y: Plane) -> tuple[slice, slice]:
        """The rows and columns of the frame that can show any of the figure."""
        left, top, right, bottom = self._inside
        shows = ((x >= left) & (x <= right) & (y >= top) & (y <= bottom)).view(np.uint8)
        column, row, columns, rows = cv2.boundingRect(shows)
        # One more cell each way: the field between two grid points may just reach the figure.
        return (
            slice(max(row - 1, 0) * STEP, min(row + rows + 1, GRID) * STEP),
            slice(max(column - 1, 0) * STEP, min(column + columns + 1, GRID) * STEP),
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
        left - STEP if left > 0 else -math.inf,
        top - STEP if top > 0 else -math.inf,
        right + STEP if right < WIDTH else math.inf,
        bottom + STEP if bottom < HEIGHT else math.inf,
    )
