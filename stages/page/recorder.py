"""The last seconds as an animated picture with transparency."""

import os
import sys
import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from stages.animation import Format, encode_animation
from stages.page.feed import Picture
from stages.page.wire import Codec, decode

_KEPT_BYTES: Final = 256 << 20
_LOWEST_PRIORITY: Final = 15


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
    frames = (decode(message) for _, message in chosen)
    data, seconds = encode_animation(frames, [time_ns for time_ns, _ in chosen], size, format)
    return Recording(data, len(chosen), seconds, format)


def _step_back() -> None:
    """Let the pipeline go before this thread where there are few cores."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
