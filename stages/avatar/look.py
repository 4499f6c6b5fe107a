"""The number that stands for all that shapes a picture's pixels besides the pose.

Caches keep pictures under it, on disk too: whatever changes how a pose is drawn must change it.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.picture import digest


def look_of(picture: NDArray[np.uint8], poser: bytes, given: Mapping[str, Box]) -> int:
    """Return 64 bits, the same on every machine; never 0.

    `picture` is BGRA uint8, `poser` is the poser's own look, and `given` are the boxes that correct
    what was found in it.
    """
    boxes = sorted((name, tuple(box)) for name, box in given.items())
    shaping = f"{digest(picture):x} {poser.hex()} {boxes}".encode()
    return int.from_bytes(hashlib.blake2b(shaping, digest_size=8).digest(), "little") | 1
