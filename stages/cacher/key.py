"""Under which key a picture is kept: all that shapes its pixels, written out.

    ┌──────────────────────┬────────┬─────────┬───────┐
    │ pose, 45 x float32   │ look   │ quality │ maker │     190 bytes, little-endian
    │ 180                  │ 8      │ 1       │ 1     │
    └──────────────────────┴────────┴─────────┴───────┘

The pose is the one that was drawn, after quantising: so pictures kept with one quantiser are right
under every other, and nearly all of them useless. The look stands for picture, poser, weights and
options (`Stamp.look`); that of a picture made in between others also for how it was made: flow or
which network. Nothing else is hashed away: a picture is found again only by what it shows.
"""

import enum
import hashlib
import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.pose import SIZE

_POSE_BYTES = 4 * SIZE
_TAIL = struct.Struct("<QBB")
_LOOKS = struct.Struct("<QQ")
KEY_BYTES = _POSE_BYTES + _TAIL.size


class Maker(enum.IntEnum):
    """Who made a picture: the last byte of its key, by which stores share out their room.

    One made in between others never stands for one that was drawn.
    """

    POSER = 0
    INTERPOLATION = 1
    UPSCALING = 2  # pictures larger than the avatar's


class PictureKey(NamedTuple):
    """What a key says."""

    pose: bytes  # 180 bytes, 45 float32
    look: int
    quality: int
    maker: Maker

    def packed(self) -> bytes:
        """Return the key, `KEY_BYTES` long."""
        return self.pose + _TAIL.pack(self.look, self.quality, self.maker)

    @property
    def parameters(self) -> NDArray[np.float32]:
        """The pose as (45,) float32, read-only."""
        return np.frombuffer(self.pose, "<f4")


def read_key(key: bytes) -> PictureKey:
    """Return what a packed key says. Raises ValueError if it is none."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    look, quality, maker = _TAIL.unpack_from(key, _POSE_BYTES)
    return PictureKey(key[:_POSE_BYTES], look, quality, Maker(maker))


def ending_of(look: int, quality: int) -> bytes:
    """Return how the keys of all drawn pictures of this look and quality end."""
    return _TAIL.pack(look, quality, Maker.POSER)


def key_of(pose: bytes, look: int, quality: int) -> bytes:
    """Return the packed key of a picture that was drawn for `pose`, 180 bytes."""
    return pose + ending_of(look, quality)


def key_between(pose: bytes, look: int, how: int, quality: int) -> bytes:
    """Return the packed key of a picture made in between two others, at `pose`, 180 bytes.

    `look` is that of the two, `how` are 64 bits that name what made it.
    """
    both = hashlib.blake2b(_LOOKS.pack(look, how), digest_size=8).digest()
    return pose + _TAIL.pack(int.from_bytes(both, "little"), quality, Maker.INTERPOLATION)
