"""The last seconds as an animated picture with transparency."""

import os
import sys
import threading
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.page.feed import Picture
from stages.page.wire import Codec, decode

Format = Literal["webp", "png"]

_KEPT_BYTES: Final = 256 << 20
_LOWEST_PRIORITY: Final = 15
_PARAMETERS: Final[dict[Format, tuple[int, int]]] = {
    "webp": (cv2.IMWRITE_WEBP_QUALITY, 88),
    "png": (cv2.IMWRITE_PNG_COMPRESSION, 6),
}


class NothingRecorded(LookupError):
    """There are not two frames to make an animation of."""


@dataclass
class Recording:
    """A finished animation."""

    data: bytes
    frames: int
    seconds: float
    format: Format


class Recorder:
    """Keeps the messages of the last seconds, as they were sent to browsers."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._kept: deque[tuple[int, bytes]] = deque()
        self._bytes = 0

    def keep(self, picture: Picture) -> None:
        """Keep a picture, and let go of those that are too old."""
        message = picture.messages.get(Codec.JPEG)
        if message is None:
            return
        self._kept.append((picture.published_ns, message))
        self._bytes += len(message)
        oldest_ns = picture.published_ns - int(self.seconds * 1e9)
        while self._kept[0][0] < oldest_ns or self._bytes > _KEPT_BYTES:
            self._bytes -= len(self._kept.popleft()[1])

    def forget(self) -> None:
        """Let go of everything: nobody looks any more."""
        self._kept.clear()
        self._bytes = 0

    def last(self, seconds: float, fps: float) -> list[tuple[int, bytes]]:
        """Return time and message of the pictures of the last seconds, at most `fps` a second."""
        if not self._kept:
            raise NothingRecorded("nothing has been shown yet: wait a moment and try again")
        first_ns = self._kept[-1][0] - int(seconds * 1e9)
        chosen: list[tuple[int, bytes]] = []
        due_ns = 0
        for time_ns, message in self._kept:
            if time_ns < max(first_ns, due_ns):
                continue
            chosen.append((time_ns, message))
            # From frame to frame, but without falling behind when a frame came a little late.
            due_ns = max(due_ns, time_ns - int(0.5e9 / fps)) + int(1e9 / fps)
        if len(chosen) < 2:
            raise NothingRecorded("the picture has not moved: there is nothing to record")
        return chosen


def animate(chosen: list[tuple[int, bytes]], size: int, format: Format) -> Recording:
    """Return the animation of some messages, at most `size` pixels high. Takes seconds."""
    _step_back()
    times_ns = [time_ns for time_ns, _ in chosen]
    durations = np.diff(np.array(times_ns) / 1e6).round().astype(int)
    animation = cv2.Animation()
    animation.frames = [_scaled(decode(message), size) for _, message in chosen]
    animation.durations = [*durations.tolist(), int(np.median(durations))]
    animation.loop_count = 0
    _, data = cv2.imencodeanimation(f".{format}", animation, _PARAMETERS[format])
    seconds = sum(animation.durations) / 1000
    return Recording(data.tobytes(), len(chosen), seconds, format)


def _step_back() -> None:
    """Let the pipeline go before this thread where there are few cores."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)


def _scaled(frame: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
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
