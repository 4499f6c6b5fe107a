"""The frames for browsers: waited for in a thread while somebody wants one, encoded once for all.

The thread has readers of its own, and nothing happens while nobody asks.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shm.clock import now_ns
from shm.frame import Frame, FrameLost, Stamp
from shm.merge import MergedReader
from stages.meter import Meter
from stages.page.wire import Codec, Encoder, Header

_LOOK_S: Final = 0.2  # the thread looks this often whether it is still wanted


@dataclass
class Picture:
    """One frame for browsers: its message in each codec that was wanted."""

    number: int  # counted by the feed: a greater one is newer
    sequence: int
    stamp: Stamp
    published_ns: int
    messages: dict[Codec, bytes]


class Feed:
    """Gives the newest frame to whoever asks. All methods are for the thread of `loop`."""

    def __init__(
        self,
        rings: Sequence[str],
        loop: asyncio.AbstractEventLoop,
        encoder: Encoder,
        meter: Meter,
    ) -> None:
        self.last: Picture | None = None
        self.on_picture: Callable[[Picture], None] = lambda _: None
        self._frames = MergedReader(rings)
        self._loop = loop
        self._encoder = encoder
        self._meter = meter
        self._waiting: list[tuple[Codec, asyncio.Future[Picture]]] = []
        self._lock = threading.Lock()  # of the three below
        self._wanted = threading.Event()
        self._codecs: set[Codec] = set()
        self._behind = False  # somebody has not seen the frame that was given last
        self._closed = False
        self._encoded_in_ns = 0
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    async def after(self, number: int, codec: Codec) -> Picture:
        """Return the newest picture past `number`, waiting for it."""
        future: asyncio.Future[Picture] = self._loop.create_future()
        self._waiting.append((codec, future))
        self._want({codec}, behind=self.last is None or number < self.last.number)
        return await future

    def newest(self) -> NDArray[np.uint8] | None:
        """Return a copy of the newest frame, BGRA; None if there is none."""
        while (frame := self._latest()) is not None:
            try:
                return frame.copy()
            except FrameLost:
                continue
        return None

    def close(self) -> None:
        """End the thread; whoever still waits is sent away."""
        self._closed = True
        self._wanted.set()
        self._thread.join()
        self._frames.close()
        for _, future in self._waiting:
            future.cancel()

    def _want(self, codecs: set[Codec], behind: bool) -> None:
        with self._lock:
            self._codecs |= codecs
            self._behind |= behind
            self._wanted.set()

    def _give(self, picture: Picture) -> None:
        """Hand a picture to those who wait for it."""
        if self.last is None or picture.number > self.last.number:
            self._meter.published(picture.stamp.captured_ns, picture.published_ns)
            self._meter.work.add(self._encoded_in_ns)
            self.on_picture(picture)
        self.last = picture
        waiting, self._waiting = self._waiting, []
        for codec, future in waiting:
            if future.done():
                continue
            if codec in picture.messages:
                future.set_result(picture)
            else:
                self._waiting.append((codec, future))
        if self._waiting:
            self._want({codec for codec, _ in self._waiting}, behind=True)

    # --- in the thread

    def _run(self) -> None:
        known: Picture | None = None
        while True:
            self._wanted.wait()
            if self._closed:
                return
            with self._lock:
                codecs, behind = set(self._codecs), self._behind
            frame = self._frames.newest(0.0) or (self._latest() if behind else None)
            frame = frame or self._frames.newest(_LOOK_S)
            if frame is None:
                continue
            try:
                known = self._picture(frame, codecs, known)
            except FrameLost:
                continue
            with self._lock:
                self._wanted.clear()
                self._codecs.clear()
                self._behind = False
            self._loop.call_soon_threadsafe(self._give, known)

    def _latest(self) -> Frame | None:
        return max(self._frames.readers, key=lambda reader: reader.newest_pose()).latest()

    def _picture(self, frame: Frame, codecs: set[Codec], known: Picture | None) -> Picture:
        """Return the frame encoded; what is known of it already is not encoded again."""
        begun_ns, published_ns, stamp = now_ns(), frame.published_ns, frame.stamp
        if known is None or (known.sequence, known.published_ns) != (frame.sequence, published_ns):
            number = known.number + 1 if known else 1
            known = Picture(number, frame.sequence, stamp, published_ns, {})
        height, width = frame.array.shape[:2]
        flags = stamp.flags & 0xFF
        for codec in codecs - known.messages.keys():
            header = Header(codec, flags, width, height, frame.sequence, stamp.captured_ns)
            message = self._encoder.message(header, frame.array)
            frame.check()
            known.messages[codec] = message
        self._encoded_in_ns = now_ns() - begun_ns
        return known
