"""Taking a drawing apart: what lies below a part of it, and the part as a layer of its own.

Colours are BGR float32, 0 to 255, (height, width, 3). A layer is premultiplied and exact: laid over
what it was lifted from, in its place, it gives the drawing back. Its colours may leave 0..255
where its edge was guessed too thin; only the sum of all layers is a picture.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Colours = NDArray[np.float32]


class Layer(NamedTuple):
    """A part of the drawing that can be moved."""

    pixels: NDArray[np.float32]  # (height, width, 4): B, G, R times alpha, and alpha in 0..1

    def over(self, ground: Colours) -> None:
        """Lay the layer over `ground`, in place."""
        lay_over(self.pixels, ground)

    def moved(self, x: Plane, y: Plane) -> "Layer":
        """The layer sampled at the given places; empty outside of it."""
        return Layer(cv2.remap(self.pixels, x, y, cv2.INTER_LINEAR))  # type: ignore[arg-type]


def lay_over(pixels: NDArray[np.float32], ground: Colours) -> None:
    """Lay premultiplied pixels, alpha 0..1 last, over `ground`, in place."""
    ground *= 1.0 - pixels[..., 3:]
    ground += pixels[..., :3]


def lifted(drawing: Colours, below: Colours, alpha: Plane) -> Layer:
    """The layer that gives `drawing` when it is laid over `below`."""
    share = np.where(alpha > 0.004, alpha, 0.0).astype(np.float32)[..., np.newaxis]
    own = np.where(share > 0, drawing - below * (1.0 - share), 0.0)
    return Layer(np.concatenate([own, share], axis=2).astype(np.float32))


def lab(colours: Colours) -> NDArray[np.float32]:
    """BGR 0..255 to Lab, in which equal distances look about equally large."""
    return np.asarray(cv2.cvtColor(colours / np.float32(255), cv2.COLOR_BGR2Lab), np.float32)


def distance(one: Colours, other: Colours, shade: float = 1.0) -> Plane:
    """How different two pictures look, point by point; lighter and darker count by `shade`."""
    weight = np.array([shade, 1.0, 1.0], np.float32)
    apart: Plane = np.sqrt(np.square((lab(one) - lab(other)) * weight).sum(axis=2))
    return apart


def off_the_mix(colours: Colours, one: NDArray[np.float32], other: NDArray[np.float32]) -> Plane:
    """How far each colour is from all mixtures of two colours, in Lab.

    A soft edge between two parts is a mixture of both; a third part is not.
    """
    start, end = (lab(colour.reshape(1, 1, 3).astype(np.float32))[0, 0] for colour in (one, other))
    way, offset = end - start, lab(colours) - start
    share = np.clip(offset @ way / max(float(way @ way), 1.0), 0.0, 1.1)
    off: Plane = np.sqrt(np.square(offset - share[..., np.newaxis] * way).sum(axis=2))
    return off


def filled(colours: Colours, known: Plane) -> Colours:
    """A smooth picture through the known points (weights 0..1), drawn on over the others."""
    result = np.zeros_like(colours)
    done = np.zeros(known.shape, np.float32)
    for sigma in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0):
        weight = _blurred(known, sigma)
        mean = _blurred(colours * known[..., np.newaxis], sigma)
        mean /= np.maximum(weight, 1e-6)[..., np.newaxis]
        share = (1.0 - done) * np.clip(weight * 5.0, 0.0, 1.0)
        result += mean * share[..., np.newaxis]
        done += share
    total = known.sum()
    rest = (colours * known[..., np.newaxis]).sum(axis=(0, 1)) / max(float(total), 1e-6)
    result += (1.0 - done)[..., np.newaxis] * rest
    return result


def _blurred(plane: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(
        cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32
    )


def grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """The mask and all within `by` pixels of it."""
    size = 2 * by + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def ramp(value: NDArray[np.float32], start: Plane | float, end: Plane | float) -> Plane:
    """0 up to `start`, 1 from `end` on, straight between; falls where `start` > `end`."""
    width = np.asarray(end, np.float32) - np.asarray(start, np.float32)
    width = np.where(width == 0, np.float32(1e-6), width)
    share: Plane = np.clip((value - start) / width, 0.0, 1.0).astype(np.float32)
    return share
