"""Boxes computed by NumPy, products by what is fastest; everything stays in a core's cache.

Where a result of the level below is enlarged, pixels are held in four groups, by whether row and
column are even or odd: pixels of a group are computed alike, so each step is one long run through
memory. The layers do not care for the order of pixels.
"""

import numpy as np
from numpy.typing import NDArray

from stages.avatar.siren.cells import CELL, Box, Cells, Rows
from stages.avatar.siren.display import DISPLAY, STEPS
from stages.avatar.siren.kernel import Kernel
from stages.avatar.siren.passes import SIZE, Frame, Pass
from stages.avatar.siren.products import best_product
from stages.networks.student import COLOUR, SHARE, Array

_HALF = np.float32(SIZE / 2)
# A box of the largest level: eight rows of 512 pixels with 90 channels. No other box has more.
_MOST_VALUES = 8 * SIZE * 90


class NumpyKernel(Kernel):
    """For any machine; releases the interpreter while it computes."""

    rows = Rows(4, 8, 8)  # fewer, and calls would outweigh work
    name = "NumPy"
    precision = "fp32"

    def __init__(self, workers: int) -> None:
        self._own = [_Worker() for _ in range(workers)]

    def paint(self, worker: int, work: Pass, box: Box) -> None:
        assert work.target is not None
        own = self._own[worker]
        result = own.layers(work, box)
        target = work.target[box.top : box.bottom, box.left : box.right]
        if work.source is None:
            if work.add is None:
                np.copyto(target, result)
            else:
                np.add(result, work.add.columns[box.left : box.right], out=target)
        else:
            for row in (0, 1):
                for column in (0, 1):
                    np.copyto(target[row::2, column::2], result[row, column])
            assert work.add is not None
            np.add(target, work.add.columns[box.left : box.right], out=target)
        if work.add is not None:
            np.add(target, work.add.rows[box.top : box.bottom, None], out=target)

    def show(
        self, worker: int, work: Pass, box: Box, picture: Array, frame: Frame, seen: Cells
    ) -> None:
        own = self._own[worker]
        field = own.field(own.layers(work, box))
        blended = own.blended(field, box, picture.reshape(-1, 4))
        part = frame[box.top : box.bottom, box.left : box.right]
        own.levels(blended, part)
        cells = part[..., 3].reshape(-1, CELL, part.shape[1] // CELL, CELL).any(axis=(1, 3))
        seen[box.top // CELL : box.bottom // CELL, box.left // CELL : box.right // CELL] = cells


class _Worker:
    """Memory of one thread, and what it does there."""

    def __init__(self) -> None:
        self._product = best_product()
        self._one = np.empty(_MOST_VALUES, np.float32)
        self._other = np.empty(_MOST_VALUES, np.float32)

    def layers(self, work: Pass, box: Box) -> Array:
        """Return the last layer's result: (rows, columns, channels), or by groups of pixels."""
        x = self._begin(work, box)
        shape = x.shape[:-1]
        x = x.reshape(-1, work.width)
        spare, other = self._other, self._one
        for layer in work.hidden:
            np.sin(x, out=x)
            out = spare[: len(x) * len(layer.bias)].reshape(len(x), -1)
            self._product(x, layer, out)
            x, spare, other = out, other, spare
        np.sin(x, out=x)
        out = spare[: len(x) * len(work.last.bias)].reshape(len(x), -1)
        self._product(x, work.last, out)
        return out.reshape(*shape, -1)

    def _begin(self, work: Pass, box: Box) -> Array:
        rows, columns = box.bottom - box.top, box.right - box.left
        if work.begin is not None:
            x = self._one[: rows * columns * work.width].reshape(rows, columns, work.width)
            lines = work.begin
            return np.add(
                lines.rows[box.top : box.bottom, None],
                lines.columns[box.left : box.right],
                out=x,
            )
        assert work.source is not None
        small = work.source[box.top // 2 : box.bottom // 2 + 2, box.left // 2 : box.right // 2 + 2]
        return self._enlarged(small, work.width)

    def _enlarged(self, small: Array, width: int) -> Array:
        """Return twice the size, by groups: (2, 2, rows, columns, width)."""
        rows, columns = small.shape[0] - 2, small.shape[1] - 2
        x = self._one[: 4 * rows * columns * width].reshape(2, 2, rows, columns, width)
        tall = self._other[: rows * (columns + 2) * width].reshape(rows, columns + 2, width)
        for odd_row in (0, 1):
            np.multiply(small[1:-1], 3, out=tall)
            np.add(tall, small[2:] if odd_row else small[:-2], out=tall)
            for odd_column in (0, 1):
                group = x[odd_row, odd_column]
                np.multiply(tall[:, 1:-1], 3, out=group)
                np.add(group, tall[:, 2:] if odd_column else tall[:, :-2], out=group)
        return x

    def field(self, grouped: Array) -> Array:
        """Return what the last pass gives, (rows, columns, 7), in the order of pixels."""
        _, _, rows, columns, channels = grouped.shape
        field = self._one[: 4 * rows * columns * channels].reshape(2 * rows, 2 * columns, channels)
        for odd_row in (0, 1):
            for odd_column in (0, 1):
                field[odd_row::2, odd_column::2] = grouped[odd_row, odd_column]
        return field

    def blended(self, field: Array, box: Box, picture: Array) -> Array:
        """Sample the picture where the grid points, and lay the retouch over it."""
        rows = np.arange(box.top, box.bottom, dtype=np.float32)[:, None]
        columns = np.arange(box.left, box.right, dtype=np.float32)
        left, right, across = _neighbours(field[..., 0] * _HALF + columns)
        above, below, down = _neighbours(field[..., 1] * _HALF + rows)
        above, below = above * SIZE, below * SIZE
        across, down = _fourfold(across), _fourfold(down)
        upper, beside = picture.take(above + left, 0), picture.take(above + right, 0)
        upper += (beside - upper) * across
        lower, beside = picture.take(below + left, 0), picture.take(below + right, 0)
        lower += (beside - lower) * across
        upper += (lower - upper) * down
        upper += (field[..., COLOUR] - upper) * _fourfold(field[..., SHARE])
        return upper

    def levels(self, blended: Array, out: Frame) -> None:
        """Write -1..1, linear, RGBA as display levels, BGRA; colour is not divided by alpha."""
        blended += 1
        blended *= STEPS / 2
        np.clip(blended, 0, STEPS, out=blended)
        blended[..., :3] += 0.5
        steps = blended[..., :3].astype(np.uint16)
        out[..., 2::-1] = DISPLAY.take(steps)
        out[..., 3] = np.rint(blended[..., 3] * (255 / STEPS))


def _fourfold(values: Array) -> Array:
    """Return (rows, columns, 4) of one value a pixel: steps of four are slow to run through."""
    return values.repeat(4).reshape(*values.shape[:2], 4)


def _neighbours(places: Array) -> tuple[NDArray[np.int32], NDArray[np.int32], Array]:
    """Return the pixels before and after each place, held at the edges, and how far it is on."""
    np.clip(places, 0, SIZE - 1, out=places)
    before = places.astype(np.int32)
    return before, np.minimum(before + 1, SIZE - 1), places - before
