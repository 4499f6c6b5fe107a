"""A picture as the differences between its rows, which pack a third smaller than its pixels.

It is cut into strips of 256 rows, so that what is done to one stays in the processor's cache and
the picture is read from memory once. Of each strip the columns that are not all zero are kept:

    ┌──────────────────────────────┬───────────────┐
    │ blue-green, green, red-green │ alpha         │   per pixel; each minus the row above it
    └──────────────────────────────┴───────────────┘

All arithmetic is modulo 256, so it is exact. Over seven frames of a trained poser, one box around
what is not zero, zstd 1 (AMD EPYC, one thread, CPU time of packing and unpacking):

    the whole frame as it is           146,434 bytes   1.17 ms   0.37 ms
    minus the pixel to the left        130,295         1.74      2.78
    minus the row above                121,904         1.21      0.60
    minus row above and green          110,154         1.27      0.69
    the same, alpha apart              105,198         1.14      0.70
    the same, matches of 7 bytes up    103,558         0.93      0.70   <- this
    the same, every channel apart      111,890         1.37      0.72

In strips, each frame cold from memory, packing takes 0.92 of the time that one box takes.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.cacher.box import Box

Image = NDArray[np.uint8]
STRIP_ROWS = 256


class RowDifferences:
    """Turns frames into differences and back, in memory it keeps. For one thread."""

    def __init__(self) -> None:
        self._stored: Image = np.empty(0, np.uint8)
        self._room: Image = np.empty(0, np.uint8)

    def of(self, frame: Image) -> tuple[list[Box], Image]:
        """Return the boxes of a BGRA frame's strips, and the differences in them one after another.

        An empty strip has no box. The differences, (bytes,) uint8, are ours and hold until the next
        call.
        """
        self._stored = _at_least(frame.size, self._stored)
        boxes, end = [], 0
        for top in range(0, len(frame), STRIP_ROWS):
            box = _columns_of_content(frame[top : top + STRIP_ROWS], top)
            if box is not None:
                boxes.append(box)
                start, end = end, end + _bytes_of(box)
                self._take(box.of(frame), self._stored[start:end])
        return boxes, self._stored[:end]

    def _take(self, picture: Image, stored: Image) -> None:
        """Write the differences of one strip."""
        height, width = picture.shape[:2]
        pixels, (blue, green, red) = self._laid_out(height, width)
        colour, alpha = _parts(stored, height, width)
        pixels[0] = picture[0]
        np.subtract(picture[1:], picture[:-1], out=pixels[1:])
        # The difference of differences is the difference of what they are of.
        cv2.split(pixels, [blue, green, red, alpha])
        np.subtract(blue, green, out=blue)
        np.subtract(red, green, out=red)
        cv2.merge([blue, green, red], dst=colour)

    def room_for(self, boxes: Iterable[Box]) -> Image:
        """Return where the differences in these boxes are to be laid before `restore`."""
        size = sum(map(_bytes_of, boxes))
        self._stored = _at_least(size, self._stored)
        return self._stored[:size]

    def restore(self, boxes: Iterable[Box], out: Image) -> None:
        """Write the strips whose differences lie in `room_for(...)` into their boxes of `out`.

        `out` is BGRA, packed pixels; what is outside the boxes is left alone.
        """
        end = 0
        for box in boxes:
            start, end = end, end + _bytes_of(box)
            self._put(self._stored[start:end], box.of(out))

    def _put(self, stored: Image, out: Image) -> None:
        """Write one strip from its differences."""
        height, width = out.shape[:2]
        pixels, planes = self._laid_out(height, width)
        blue, green, red = planes
        colour, alpha = _parts(stored, height, width)
        cv2.split(colour, planes)
        np.add(blue, green, out=blue)
        np.add(red, green, out=red)
        cv2.merge([blue, green, red, alpha], dst=pixels)
        out[0] = pixels[0]
        # Row by row: NumPy's accumulate along the first axis takes ten times as long.
        add, rows = np.add, list(out)
        for above, difference, row in zip(rows, list(pixels)[1:], rows[1:], strict=False):
            add(above, difference, row)

    def _laid_out(self, height: int, width: int) -> tuple[Image, list[Image]]:
        """Room for one strip: as pixels, and as three planes."""
        size = height * width
        self._room = _at_least(7 * size, self._room)
        planes = self._room[4 * size : 7 * size].reshape(3, height, width)
        return self._room[: 4 * size].reshape(height, width, 4), list(planes)


def _at_least(size: int, room: Image) -> Image:
    return room if room.size >= size else np.empty(size, np.uint8)


def _bytes_of(box: Box) -> int:
    return 4 * box.width * box.height


def _columns_of_content(strip: Image, top: int) -> Box | None:
    """All rows of the columns around what is not zero, in any channel; `top` is the strip's.

    To find empty rows takes longer than to pack them.
    """
    height, width = strip.shape[:2]
    # Two pixels at a time where that divides the width.
    together = 2 if width % 2 == 0 else 1
    pixels = np.ascontiguousarray(strip).reshape(height, 4 * width).view(f"u{4 * together}")
    columns = np.flatnonzero(np.bitwise_or.reduce(pixels, axis=0))
    if not columns.size:
        return None
    left, right = int(columns[0]), int(columns[-1]) + 1
    return Box(left * together, top, (right - left) * together, height)


def _parts(stored: Image, height: int, width: int) -> tuple[Image, Image]:
    """The colour (height, width, 3) and alpha (height, width) of stored differences."""
    colours = 3 * height * width
    return stored[:colours].reshape(height, width, 3), stored[colours:].reshape(height, width)
