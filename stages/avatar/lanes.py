"""Poses drawn at once: each by a poser of its own, in a thread of its own.

A network does not go twice as fast on two cores: now and then one waits for the other. Two poses at
once, each on a core of its own, never wait: more frames a second, though each takes longer.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np

from shm.clock import now_ns
from shm.doorbell import Counter
from shm.frame import Stamp
from shm.publishing import Slot
from stages.avatar.poser import Poser

_WORTH_IT: Final = 3  # poses in succession that had to wait, before lanes are opened

log = logging.getLogger("avatar")


class Drawing(NamedTuple):
    """A frame that is being made."""

    stamp: Stamp
    slot: Slot
    given_ns: int  # when its pose was
    begun_ns: int


class Lanes:
    """Draws as many poses at once as it has posers. Used by one thread.

    Drawings are taken in the order in which they were begun. `done` counts those that have ended,
    and wakes who waits for one.
    """

    def __init__(self, posers: Sequence[Poser]) -> None:
        self.posers = posers
        self.done = Counter()
        self._idle = list(posers)
        self._begun: deque[tuple[Drawing, Poser, Future[object]]] = deque()
        self._pool = ThreadPoolExecutor(len(posers), "lane")
        self._takes_ns = 0  # what a drawing took lately
        self._last_ns = 0  # when the last one was begun

    @property
    def busy(self) -> bool:
        """Whether there are drawings that were not taken yet."""
        return bool(self._begun)

    def free_ns(self) -> int | None:
        """Return from when on another may be begun; None while every lane is taken.

        Those begun at even distances are done at even distances.
        """
        if not self._idle:
            return None
        return self._last_ns + self._takes_ns // len(self.posers) if self._begun else 0

    def begin(self, drawing: Drawing) -> None:
        """Draw the pose of a stamp into a slot, in a lane that is free."""
        poser = self._idle.pop()
        pose = np.frombuffer(drawing.stamp.pose, "<f4")
        work = self._pool.submit(poser.render, pose, drawing.slot.array)
        self._begun.append((drawing, poser, work))
        self._last_ns = drawing.begun_ns
        work.add_done_callback(lambda _: self.done.add())

    def take(self) -> Drawing | None:
        """Return the oldest drawing if it is done, else None. Raises what its poser raised."""
        if not self._begun or not self._begun[0][2].done():
            return None
        drawing, poser, work = self._begun.popleft()
        self._idle.append(poser)
        work.result()
        self._takes_ns = now_ns() - drawing.begun_ns
        return drawing

    def close(self) -> None:
        """Wait for what is being drawn; give the posers back."""
        self._pool.shutdown()
        for poser in self.posers:
            poser.close()


class LanesOnDemand:
    """Opens lanes in the background once they are worth it: each takes the memory of a poser."""

    def __init__(self, count: int, open_poser: Callable[[], Poser]) -> None:
        """`open_poser` returns one that is ready to draw; called in another thread."""
        self._count = count
        self._open_poser = open_poser
        self._waits = 0
        self._opening: threading.Thread | None = None
        self._lanes: Lanes | None = None

    def get(self, *, had_to_wait: bool) -> Lanes | None:
        """Return the lanes once they are open; `had_to_wait` says whether a pose just did."""
        self._waits = self._waits + 1 if had_to_wait else 0
        if self._opening is None and self._waits >= _WORTH_IT and self._count > 1:
            self._opening = threading.Thread(target=self._open, name="lanes")
            self._opening.start()
        return self._lanes

    def _open(self) -> None:
        posers: list[Poser] = []
        try:
            while len(posers) < self._count:
                posers.append(self._open_poser())
            self._lanes = Lanes(posers)
        except Exception as error:  # whatever it was: there is a poser that draws
            log.warning("poses are drawn one at a time, because no other poser opens: %s", error)
            for poser in posers:
                poser.close()

    def close(self) -> None:
        """Wait for what is being opened, and give all back."""
        if self._opening is not None:
            self._opening.join()
        if self._lanes is not None:
            self._lanes.close()
