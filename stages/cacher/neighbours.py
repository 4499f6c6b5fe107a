"""Which stored picture is nearest to a pose, among those used lately."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.cacher.key import read_key
from stages.cacher.perception import CHANGE
from stages.pose import SIZE

REMEMBERED: Final = 8192
# By how much each parameter of a picture that stands for another pose may be off. Finer costs hits
# (0.05: 0.86 instead of 0.89 of a second take), coarser gains none.
SMALL: Final = 0.1
# What moves most of the picture: a pose that is far off in these alone need not be looked at
# further, and that is nearly all of them.
_FIRST: Final = np.argsort(-CHANGE)[:6]


class Neighbours:
    """The keys of the last pictures, by pose. Asking takes about 0.1 ms.

    The distance of two poses is how much their pictures differ, in 8-bit levels (root of the mean
    square over the frame), as `perception.CHANGE` estimates it.
    """

    def __init__(self) -> None:
        self._poses = np.empty((REMEMBERED, SIZE), np.float32)  # in units of distance
        self._first = np.empty((len(_FIRST), REMEMBERED), np.float32)
        self._keys: list[bytes] = []
        self._places: dict[bytes, int] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._places)

    def fill(self, keys: Sequence[bytes]) -> None:
        """Have these instead of all before; the first `REMEMBERED` of them."""
        self._keys = list(keys[:REMEMBERED])
        self._places = {key: place for place, key in enumerate(self._keys)}
        self._next = len(self._keys) % REMEMBERED
        if self._keys:
            poses = np.stack([read_key(key).parameters for key in self._keys]) * CHANGE
            self._poses[: len(poses)] = poses
            self._first[:, : len(poses)] = poses[:, _FIRST].T

    def add(self, key: bytes) -> None:
        """Remember the picture under `key` instead of the one met longest ago."""
        if key in self._places:
            return
        place = self._next
        if len(self._keys) < REMEMBERED:
            self._keys.append(key)
        else:
            self._places.pop(self._keys[place], None)
            self._keys[place] = key
        self._places[key] = place
        self._poses[place] = read_key(key).parameters * CHANGE
        self._first[:, place] = self._poses[place, _FIRST]
        self._next = (place + 1) % REMEMBERED

    def forget(self, key: bytes) -> None:
        """Not name `key` any more: it is not stored."""
        place = self._places.pop(key, None)
        if place is not None:
            self._first[:, place] = np.inf

    def nearest(
        self, pose: NDArray[np.float32], within: float, each: float = np.inf
    ) -> bytes | None:
        """Return the key of the picture nearest to `pose`, (45,); None if none is `within`.

        No parameter of it may be off by more than `each`: a smile is a small part of a frame, and
        yet it must not get lost.
        """
        count, scaled, bound = len(self._keys), pose * CHANGE, within * within
        first = np.square(self._first[:, :count] - scaled[_FIRST, None]).sum(axis=0)
        near = np.flatnonzero(first <= bound)
        if not near.size:
            return None
        off = np.abs(self._poses[near] - scaled)
        squares = np.square(off).sum(axis=1)
        squares[(off > each * CHANGE).any(axis=1)] = np.inf
        best = int(squares.argmin())
        return self._keys[int(near[best])] if squares[best] <= bound else None
