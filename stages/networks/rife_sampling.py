"""Where the blocks of RIFE look at a picture, and the matrices that carry flow there.

A block of scale s sees the picture reduced by s, and a bilinear reduction without antialiasing is
the mean of the two middle rows and columns of every s x s cell. So only those pixels are warped:
(2 H / s) x (2 W / s) instead of H x W. The flow there is the sum of the coarse flows of the blocks
before, each enlarged bilinearly; enlarging is linear, so a matrix for the rows and one for the
columns does it, and no flow of full size is ever made.
"""

import numpy as np
from numpy.typing import NDArray

from stages.networks.graph import Graph
from stages.networks.layers import cut

Matrix = NDArray[np.float64]

# Rows of an enlarging matrix that are multiplied at a time: each is zero but for two places, those
# of a block for a small part of the columns.
_BLOCK = 64


def enlarging(length: int, scale: int) -> Matrix:
    """Return (length * scale, length): bilinear, half-pixel centres, edges clamped."""
    places = (np.arange(length * scale) + 0.5) / scale - 0.5
    below = np.floor(places).astype(int)
    share = places - below
    matrix = np.zeros((length * scale, length))
    rows = np.arange(length * scale)
    np.add.at(matrix, (rows, np.clip(below, 0, length - 1)), 1.0 - share)
    np.add.at(matrix, (rows, np.clip(below + 1, 0, length - 1)), share)
    return matrix


def middle_rows(length: int, scale: int) -> NDArray[np.intp]:
    """Return which of `length` rows are averaged when it is reduced by `scale`, in order."""
    if scale == 1:
        return np.arange(length)
    first = np.arange(0, length, scale) + scale // 2 - 1
    return np.stack([first, first + 1], axis=1).reshape(-1)


def reducing(length: int, scale: int) -> Matrix:
    """Return (length / scale, length): the mean of the middle rows."""
    if scale == 1:
        return np.eye(length)
    matrix = np.zeros((length // scale, length))
    rows = middle_rows(length, scale).reshape(-1, 2)
    matrix[np.arange(length // scale)[:, None], rows] = 0.5
    return matrix


class CoarseSum:
    """A map of `height` x `width` as the sum of coarse ones, each to be enlarged by its scale.

    A coarse map is (1, c, height / scale, width / scale) float32. `lengths` says that its values
    are lengths in its own pixels, as those of a flow: such grow with the map.
    """

    def __init__(self, graph: Graph, height: int, width: int, *, lengths: bool) -> None:
        self._graph, self._height, self._width = graph, height, width
        self._lengths = lengths
        self._maps: list[tuple[str, int]] = []

    def add(self, coarse: str, scale: int) -> None:
        """Take one more map into the sum."""
        self._maps.append((coarse, scale))

    def reduced(self, scale: int) -> str:
        """Return the sum, reduced by `scale`; lengths in pixels of the reduced map."""
        rows, wide = [], []
        for coarse, own in self._maps:
            rows.append(reducing(self._height, scale) @ enlarging(self._height // own, own))
            matrix = reducing(self._width, scale) @ enlarging(self._width // own, own)
            wide.append(self._across(coarse, matrix * (own / scale if self._lengths else 1)))
        return self._down(np.hstack(rows), self._stacked(wide))

    def grids(self, scale: int) -> list[str]:
        """Return for each picture where a block of `scale` samples it: (1, h, w, 2), -1 to 1.

        The maps are flows, (1, 4, ., .): along columns and rows into the older picture, then into
        the newer one. The sampled pixels' own places come in as two more rows of the sum, so that
        the product is the grid.
        """
        graph = self._graph
        rows, columns = middle_rows(self._height, scale), middle_rows(self._width, scale)
        left, wide = [], []
        unit = np.array([2.0 / (self._width - 1), 2.0 / (self._height - 1)] * 2)
        for flow, own in self._maps:
            left.append(enlarging(self._height // own, own)[rows])
            scaled = graph.add("Mul", flow, self._constant(unit.reshape(1, 4, 1, 1), "unit"))
            wide.append(self._across(scaled, enlarging(self._width // own, own)[columns] * own))
        left += [np.ones((len(rows), 1)), 2.0 * rows[:, None] / (self._height - 1) - 1.0]
        places = np.zeros((2, len(columns), 2))
        places[0, :, 0], places[1, :, 1] = 2.0 * columns / (self._width - 1) - 1.0, 1.0
        stacked = graph.add("Transpose", self._stacked(wide), perm=[0, 2, 3, 1])
        grids = []
        for picture in range(2):
            own_flow = cut(graph, stacked, 3, 2 * picture, 2 * picture + 2)
            shape = graph.constant(np.array([1, 1, -1, 2 * len(columns)]))
            own_rows = graph.add("Reshape", own_flow, shape)
            place_rows = self._constant(places.reshape(1, 1, 2, -1), "places")
            grid = self._down(np.hstack(left), self._stacked([own_rows, place_rows]))
            shape = graph.constant(np.array([1, len(rows), len(columns), 2]))
            grids.append(graph.add("Reshape", grid, shape))
        return grids

    def _stacked(self, maps: list[str]) -> str:
        return maps[0] if len(maps) == 1 else self._graph.add("Concat", *maps, axis=2)

    def _across(self, x: str, matrix: Matrix) -> str:
        """Multiply every row of (1, c, h, w) by a matrix, (to, w)."""
        graph, parts = self._graph, []
        for first in range(0, len(matrix), _BLOCK):
            block = matrix[first : first + _BLOCK]
            used = np.flatnonzero(block.any(axis=0))
            begin, end = int(used[0]), int(used[-1]) + 1
            own = cut(graph, x, 3, begin, end)
            parts.append(graph.add("MatMul", own, self._constant(block[:, begin:end].T, "across")))
        return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=3)

    def _down(self, matrix: Matrix, x: str) -> str:
        """Multiply every column of (1, c, h, w) by a matrix, (to, h)."""
        count = -(-len(matrix) // _BLOCK)
        while len(matrix) % count:
            count += 1
        blocks = np.split(matrix, count)
        used = [np.flatnonzero(block.any(axis=0)) for block in blocks]
        most = max(len(rows) for rows in used)
        if count == 1:
            return self._graph.add("MatMul", self._constant(matrix, "down"), x)
        # All blocks as one product: those that use fewer rows get more, times zero.
        rows = np.stack([np.resize(own, most) for own in used])
        factors = np.zeros((count, len(blocks[0]), most))
        for index, (block, own) in enumerate(zip(blocks, used, strict=True)):
            factors[index, :, : len(own)] = block[:, own]
        gathered = self._graph.add("Gather", x, self._graph.constant(rows), axis=2)
        product = self._graph.add("MatMul", self._constant(factors, "down"), gathered)
        shape = np.array([0, 0, len(matrix), -1])
        return self._graph.add("Reshape", product, self._graph.constant(shape))

    def _constant(self, values: Matrix, hint: str) -> str:
        return self._graph.constant(values.astype(np.float32), hint)


def sample(graph: Graph, image: str, grid: str) -> str:
    """Sample (1, c, H, W) at a grid, bilinear; the border's pixels go on for ever."""
    return graph.add(
        "GridSample", image, grid, mode="bilinear", padding_mode="border", align_corners=1
    )


def mean_of_four(graph: Graph, x: str) -> str:
    """Return the mean of every 2 x 2 pixels."""
    return graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])


def resized(graph: Graph, x: str, scale: float) -> str:
    """Resize bilinearly with half-pixel centres, without antialiasing."""
    if scale == 1:
        return x
    scales = graph.constant(np.array([1, 1, scale, scale], np.float32))
    return graph.add(
        "Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel"
    )


def padded(length: int, multiple: int) -> int:
    """Return the next multiple."""
    return -(-length // multiple) * multiple
