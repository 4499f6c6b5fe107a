"""Pictures from the store on their way out: whose turn it is, and when, so that motion stays even.

A hit could be shown at once; a miss takes the avatar's time. Where both come in turns, frames whose
poses are evenly spaced would come in pairs. So a hit after a miss waits as long as a miss usually
takes, and each hit after that a little less, until in a run of hits none waits:

    poses     m     h     m     h     h     h          m: a miss, h: a hit
    at once   ───────m─h─────────m─h─────h─────h
    even      ───────m─────h─────m─────h────h────h     never later than the next pose
"""

import statistics
from collections import OrderedDict, deque
from typing import Final, NamedTuple

from shm.frame import Stamp

_TIMES: Final = 9  # what a miss takes is the median of so many
_ASKED_KEPT: Final = 64
_FALL: Final = 8  # the wait of each hit is shorter by one part in eight
_NO_WAIT_NS: Final = 500_000
_PAUSE_NS: Final = 500_000_000  # what comes after is no part of the motion before


class Hit(NamedTuple):
    """A picture from the store that waits for the misses before it, and for its time."""

    stamp: Stamp
    key: bytes
    blob: bytes
    after: int  # pose sequence of the last miss before it
    given_ns: int
    start_ns: int
    before: Stamp | None  # of the pose before
    due_ns: int = 0
    is_stale: bool = False  # of a pose nearby; the exact one is being drawn


class Pace:
    """Says when a hit is due: as long after its pose as frames usually come at this moment."""

    def __init__(self) -> None:
        self._took: deque[int] = deque(maxlen=_TIMES)
        self._asked: OrderedDict[int, int] = OrderedDict()  # when poses were given, by sequence
        self._wait_ns = 0
        self._given_ns = 0

    @property
    def usual_ns(self) -> int:
        """From when a pose is given until the avatar's frame is there; 0 while that is unknown."""
        return int(statistics.median(self._took)) if self._took else 0

    def asked(self, sequence: int, given_ns: int) -> None:
        """Note that the avatar was asked for a pose that was given at `given_ns`."""
        self._asked[sequence] = given_ns
        if len(self._asked) > _ASKED_KEPT:
            self._asked.popitem(last=False)
        self._given_ns, self._wait_ns = given_ns, self.usual_ns

    def answered(self, sequence: int, published_ns: int) -> None:
        """Note that the avatar's frame of a pose was there at `published_ns`."""
        given_ns = self._asked.pop(sequence, None)
        if given_ns is not None:
            self._took.append(published_ns - given_ns)

    def due_ns(self, given_ns: int) -> int:
        """Return when the hit of a pose is to be shown: never later than a miss usually is."""
        if given_ns - self._given_ns > _PAUSE_NS:
            self._wait_ns = 0
        due = given_ns + self._wait_ns
        self._given_ns = given_ns
        self._wait_ns -= self._wait_ns // _FALL
        if self._wait_ns < _NO_WAIT_NS:
            self._wait_ns = 0
        return due
