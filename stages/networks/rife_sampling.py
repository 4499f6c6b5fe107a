"""Where the blocks of RIFE look at a picture, and the matrices that carry flow there.

A block of scale s sees the picture reduced by s, and a bilinear reduction without antialiasing is
the mean of the two middle rows and columns of every s x s cell. So only those pixels are warped:
(2 H / s) x (2 W / s) instead of H x W. The flow there is the sum of the coarse flows of the blocks
before, each enlarged bilinearly; enlarging is linear, so a matrix for the rows and one for the
columns does it, and no flow of full size is ever made.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.networks.graph import Graph

Matrix = NDArray[np.float32]


def enlarging(length: int, scale: int) -> NDArray[np.float64]:
    """Return (length * scale, length): a bilinear enlargement, half-pixel centres, edges clamped."""
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


def reducing(length: int, scale: int) -> NDArray[np.float64]:
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
        graph, rows, wide = self._graph, [], []
        for coarse, own in self._maps:
            rows.append(reducing(self._height, scale) @ enlarging(self._height // own, own))
            matrix = reducing(self._width, scale) @ enlarging(self._width // own, own)
            if self._lengths:
                matrix *= own / scale
            wide.append(graph.add("MatMul", coarse, self._constant(matrix.T, "columns")))
        stacked = wide[0] if len(wide) == 1 else graph.add("Concat", *wide, axis=2)
        return graph.add("MatMul", self._constant(np.hstack(rows), "rows"), stacked)

    def grids(self, scale: int) -> list[str]:
        """Return for each picture where a block of `scale` samples it: (1, h, w, 2), -1 to 1.

        The maps are flows, (1, 4, ., .): along columns and rows into the older picture, then into
        the newer one. The sampled pixels' own places come in as three more rows of the sum, so that the product is
        the grid.
        """
        graph = self._graph
        rows, columns = middle_rows(self._height, scale), middle_rows(self._width, scale)
        left = [enlarging(self._height // s, s)[rows] for _, s in self._maps]
        along = 2.0 * rows / (self._height - 1) - 1.0
        left += [np.ones((len(rows), 1)), along[:, None]]
        across = 2.0 * columns / (self._width - 1) - 1.0
        places = np.zeros((2, len(columns), 2))
        places[0, :, 0], places[1, :, 1] = across, 1.0
        places = places.reshape(1, 2, -1)
        unit = np.array([2.0 / (self._width - 1), 2.0 / (self._height - 1)] * 2)
        wide = []
        for flow, s in self._maps:
            matrix = enlarging(self._width // s, s)[columns] * s
            scaled = graph.add("Mul", flow, self._constant(unit.reshape(1, 4, 1, 1), "unit"))
            wide.append(graph.add("MatMul", scaled, self._constant(matrix.T, "columns")))
        stacked = wide[0] if len(wide) == 1 else graph.add("Concat", *wide, axis=2)
        grids = []
        for picture in range(2):
            own = graph.add(
                "Slice",
                stacked,
                *(graph.constant(np.array([v])) for v in (2 * picture, 2 * picture + 2, 1)),
            )
            own = graph.add("Transpose", own, perm=[0, 2, 3, 1])
            own = graph.add("Reshape", own, graph.constant(np.array([1, -1, 2 * len(columns)])))
            own = graph.add("Concat", own, self._constant(places, "places"), axis=1)
            grid = graph.add("MatMul", self._constant(np.hstack(left), "rows"), own)
            shape = np.array([1, len(rows), len(columns), 2])
            grids.append(graph.add("Reshape", grid, graph.constant(shape)))
        return grids

    def _constant(self, values: NDArray[np.float64], hint: str) -> str:
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


def shares(scale: int) -> Sequence[float]:
    """Return where between two pictures the frames of a scale lie, in order."""
    return [part / scale for part in range(1, scale)]
