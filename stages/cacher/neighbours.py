"""Which stored picture is nearest to a pose, among those met lately."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.cacher.perception import CHANGE
from stages.pose import SIZE

_REMEMBERED: Final = 8192
# What moves most of the picture: a pose that is far off in these alone need not be looked at
# further, and that is nearly all of them.
_FIRST: Final = np.argsort(-CHANGE)[:6]


class Neighbours:
    """The poses of the last pictures, with their keys. Asking takes about 0.1 ms.

    The distance of two poses is how much their pictures differ, in 8-bit levels (root of the mean
    square over the frame), as `perception.CHANGE` estimates it.
    """

    def __init__(self) -> None:
        self._poses = np.empty((_REMEMBERED, SIZE), np.float32)  # in units of distance
        self._first = np.empty((len(_FIRST), _REMEMBERED), np.float32)
        self._keys: list[bytes] = []
        self._known: set[bytes] = set()
        self._next = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, pose: NDArray[np.float32], key: bytes) -> None:
        """Remember the picture of `pose`, (45,), instead of the one met longest ago."""
        if key in self._known:
            return
        place = self._next
        if len(self._keys) < _REMEMBERED:
            self._keys.append(key)
        else:
            self._known.discard(self._keys[place])
            self._keys[place] = key
        self._known.add(key)
        self._poses[place] = pose * CHANGE
        self._first[:, place] = self._poses[place, _FIRST]
        self._next = (place + 1) % _REMEMBERED

    def nearest(self, pose: NDArray[np.float32], within: float) -> bytes | None:
        """Return the key of the picture nearest to `pose`, None if none is `within`."""
        count = len(self._keys)
        scaled = pose * CHANGE
        first = np.square(self._first[:, :count] - scaled[_FIRST, None]).sum(axis=0)
        near = np.flatnonzero(first <= within * within)
        if not near.size:
            return None
        squares = np.square(self._poses[near] - scaled).sum(axis=1)
        best = int(squares.argmin())
        return self._keys[int(near[best])] if squares[best] <= within * within else None

    def clear(self) -> None:
        """Forget all: another character."""
        self._keys.clear()
        self._known.clear()
        self._next = 0
