"""A THA4 student in plain NumPy: a second reading of its specification, to hold others against.

Nothing here is shared with what runs live. Two sine networks: one paints the face, the other moves
and retouches the whole picture. Slow: 2 to 4 s a pose.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.networks.parameters import State

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]

_OMEGA = np.float32(30)
_FACE_ROWS, _FACE_COLUMNS = slice(80, 208), slice(192, 320)
_ROWS_AT_ONCE = 64


class Evaluated(NamedTuple):
    """What passes between the graphs of `student_graphs`, by the same names; pixels last to first.

    Pictures are (size, size, 4) RGBA in the network's range, -1 to 1.
    """

    image: Array
    face: Array
    grid_change: Array  # (512, 512, 2): x, y, in half pictures
    alpha: Array  # (512, 512, 1): the share of the retouch
    color_change: Array
    warped: Array
    blended: Array
    frame: Picture  # (512, 512, 4) BGRA


class Evaluation:
    """Poses one character."""

    def __init__(self, face: State, body: State, picture: Picture) -> None:
        """`picture` is (512, 512, 4) BGRA, straight alpha."""
        self._face = face
        self._body = body
        self._prepared = _prepared(picture)

    def render(self, pose: Array) -> Picture:
        """Return the frame of a pose, (45,), as the official programs show it."""
        return self.evaluate(pose).frame

    def evaluate(self, pose: Array) -> Evaluated:
        """Return all that is computed for a pose, (45,)."""
        image = self._prepared.copy()
        face = self._painted_face(pose)
        image[_FACE_ROWS, _FACE_COLUMNS] = face
        field = self._field(pose)
        grid, alpha, colour = field[..., :2], field[..., 2:3], field[..., 3:7]
        warped = _sampled(image, grid[..., 0], grid[..., 1])
        blended = warped * (1 - alpha) + colour * alpha
        frame = bgra(blended)
        return Evaluated(self._prepared, face, grid, alpha, colour, warped, blended, frame)

    def _painted_face(self, pose: Array) -> Array:
        x = _with_position(128, pose[:39])
        for layer in range(8):
            x = _sine(x, *self._layer("face", f"siren.sine_layers.{layer}.linear"))
        weight, bias = self._layer("face", "siren.last_linear")
        return (x @ weight + bias).reshape(128, 128, 4)

    def _field(self, pose: Array) -> Array:
        """Grid change (x, y), share of the retouch, retouch (R, G, B, A): (512, 512, 7)."""
        x = _with_position(128, pose)
        for layer in range(3):
            x = _sine(x, *self._layer("body", f"siren_layers.0.{layer}.linear"))
        for level, size in ((1, 256), (2, 512)):
            weight, bias = self._layer("body", f"siren_layers.{level}.0.linear")
            features = x.shape[1]
            # A 1x1 convolution and the enlargement may change places.
            below = (x @ weight[:features]).reshape(size // 2, size // 2, -1)
            rest = [self._layer("body", f"siren_layers.{level}.{i}.linear") for i in (1, 2)]
            last = self._layer("body", "last_linear") if level == 2 else None
            where = (weight[features : features + 2], bias + pose @ weight[features + 2 :])
            x = _level(below, size, where, rest, last)
        return x.reshape(512, 512, 7)

    def _layer(self, network: str, name: str) -> tuple[Array, Array]:
        weights: State = self._face if network == "face" else self._body
        weight = weights[f"{name}.weight"]
        return weight.reshape(weight.shape[:2]).T, weights[f"{name}.bias"]


def _level(
    below: Array,
    size: int,
    where: tuple[Array, Array],
    rest: list[tuple[Array, Array]],
    last: tuple[Array, Array] | None,
) -> Array:
    """One level of the body network, a strip of rows at a time: its features fill memory."""
    strips = []
    for first in range(0, size, _ROWS_AT_ONCE):
        x = _enlarged(below, first, first + _ROWS_AT_ONCE)
        position = _positions(size, first, first + _ROWS_AT_ONCE)
        x = np.sin(_OMEGA * (x + position @ where[0] + where[1]))
        for weight, bias in rest:
            x = _sine(x, weight, bias)
        strips.append(x if last is None else x @ last[0] + last[1])
    return np.concatenate(strips)


def _sine(x: Array, weight: Array, bias: Array) -> Array:
    return np.asarray(np.sin(_OMEGA * (x @ weight + bias)), np.float32)


def _positions(size: int, first: int, last: int) -> Array:
    """(rows * size, 2): x and y from -1 to 1 at the pixels' centres."""
    axis = (2 * np.arange(size, dtype=np.float32) + 1) / size - 1
    y, x = np.meshgrid(axis[first:last], axis, indexing="ij")
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)


def _with_position(size: int, pose: Array) -> Array:
    position = _positions(size, 0, size)
    return np.hstack([position, np.broadcast_to(pose, (len(position), len(pose)))])


def _enlarged(small: Array, first: int, last: int) -> Array:
    """Rows of a picture twice as large, bilinear, half-pixel centres, edges held; flattened."""
    rows, columns = small.shape[:2]

    def places(
        start: int, end: int, count: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        source = (np.arange(start, end, dtype=np.float32) + 0.5) / 2 - 0.5
        low = np.floor(source).astype(np.intp)
        share = (source - low).astype(np.float32)
        return low.clip(0, count - 1), (low + 1).clip(0, count - 1), share

    low, high, share = places(first, last, rows)
    part = small[low] + (small[high] - small[low]) * share[:, None, None]
    low, high, share = places(0, 2 * columns, columns)
    wide = part[:, low] + (part[:, high] - part[:, low]) * share[None, :, None]
    return np.asarray(wide.reshape(-1, small.shape[2]), np.float32)


def _sampled(image: Array, shift_x: Array, shift_y: Array) -> Array:
    """The image at each pixel moved by a shift in half pictures; bilinear, edges held."""
    height, width = image.shape[:2]
    rows, columns = np.indices((height, width), np.float32)
    x = np.clip(columns + shift_x * (width / 2), 0, width - 1)
    y = np.clip(rows + shift_y * (height / 2), 0, height - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[bottom, left] * (1 - across) + image[bottom, right] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def _prepared(picture: NDArray[np.uint8]) -> Array:
    """RGBA, linear, premultiplied, -1 to 1."""
    rgba = picture[..., [2, 1, 0, 3]].astype(np.float64) / 255
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return (np.concatenate([linear * alpha, alpha], axis=2) * 2 - 1).astype(np.float32)


def bgra(image: Array, *, down: bool = False) -> Picture:
    """Return -1..1, linear, as BGRA bytes, rounded to the nearest or down.

    Colour is not divided by alpha: the official programs show it as it is.
    """
    whole = np.clip((image + 1) / 2, 0, 1)
    colour, alpha = whole[..., :3], whole[..., 3:]
    encoded = np.where(
        colour <= 0.003130804953560372, colour * 12.92, 1.055 * colour ** (1 / 2.4) - 0.055
    )
    levels = 255 * np.concatenate([encoded[..., ::-1], alpha], axis=2)
    rounded: NDArray[Any] = np.floor(levels) if down else np.rint(levels)
    return rounded.astype(np.uint8)
