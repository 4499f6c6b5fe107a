"""Frames as an animated picture with transparency: WebP or animated PNG."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Format = Literal["webp", "png"]
Image = NDArray[np.uint8]

_PARAMETERS: Final[dict[Format, tuple[int, int]]] = {
    "webp": (cv2.IMWRITE_WEBP_QUALITY, 88),
    "png": (cv2.IMWRITE_PNG_COMPRESSION, 6),
}


def encode_animation(
    frames: Iterable[Image], times_ns: Sequence[int], size: int, format: Format
) -> tuple[bytes, float]:
    """Return a file that loops for ever, and how many seconds one turn takes. Takes seconds.

    `frames` are BGRA (height, width, 4), straight alpha, shown from their time to that of the next;
    those higher than `size` pixels are made smaller. There must be two at least.
    """
    durations = np.diff(np.array(times_ns) / 1e6).round().astype(int)
    animation = cv2.Animation()
    animation.frames = [_scaled(frame, size) for frame in frames]
    animation.durations = [*durations.tolist(), int(np.median(durations))]
    animation.loop_count = 0
    _, data = cv2.imencodeanimation(f".{format}", animation, _PARAMETERS[format])
    return data.tobytes(), sum(animation.durations) / 1000


def _scaled(frame: Image, size: int) -> Image:
    height, width = frame.shape[:2]
    if height <= size:
        return frame
    # Averaged premultiplied: otherwise the edges get dark.
    alpha = frame[..., 3:].astype(np.float32) / 255
    premultiplied = np.dstack((frame[..., :3] * alpha, alpha * 255))
    shape = (round(width * size / height), size)
    small = np.asarray(cv2.resize(premultiplied, shape, interpolation=cv2.INTER_AREA), np.float32)
    small[..., :3] /= np.maximum(small[..., 3:] / 255, 1 / 255)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)
