"""The trained THA4 student of a character in NumPy: slow, exact, and nothing to install.

The specification is `fixtures/tha4_student/README.md` of the project's shared material. Two sine
networks: one paints the face, the other moves and retouches the whole picture. Per pose 2 to 4 s.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.networks.weights import load_weights

Array = NDArray[np.float32]

_OMEGA = np.float32(30)
_FACE_ROWS, _FACE_COLUMNS = slice(80, 208), slice(192, 320)
_ROWS_AT_ONCE = 64


class Student:
    """Poses one character; `folder` holds its two networks and `character.png`."""

    def __init__(self, folder: Path) -> None:
        self._face = load_weights(folder / "face_morpher.pt")
        self._body = load_weights(folder / "body_morpher.pt")
        picture = cv2.imread(str(folder / "character.png"), cv2.IMREAD_UNCHANGED)
        self.picture: NDArray[np.uint8] = np.asarray(picture, np.uint8)
        self._prepared = _prepared(self.picture)

    def render(self, pose: Array) -> NDArray[np.uint8]:
        """Return the frame of a pose, BGRA (512, 512, 4), as the official programs show it."""
        image = self._prepared.copy()
        image[_FACE_ROWS, _FACE_COLUMNS] = self._painted_face(pose)
        field = self._field(pose)
        warped = _sampled(image, field[..., 0], field[..., 1])
        share = field[..., 2:3]
        return _to_bytes(warped * (1 - share) + field[..., 3:7] * share)

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
        weights: dict[str, NDArray[Any]] = self._face if network == "face" else self._body
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


def _to_bytes(image: Array) -> NDArray[np.uint8]:
    """-1..1, linear, to BGRA bytes. Colour is not divided by alpha; see the specification."""
    whole = np.clip((image + 1) / 2, 0, 1)
    colour, alpha = whole[..., :3], whole[..., 3:]
    encoded = np.where(
        colour <= 0.003130804953560372, colour * 12.92, 1.055 * colour ** (1 / 2.4) - 0.055
    )
    return np.rint(255 * np.concatenate([encoded[..., ::-1], alpha], axis=2)).astype(np.uint8)
