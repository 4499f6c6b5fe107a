"""One frame as one binary WebSocket message, version VTF1; docs/page.md describes it.

    offset  type    what
         0  4 bytes "VTF1"
         4  u16     bytes of this header: 40
         6  u8      codec: 0 raw RGBA; 1 JPEG colour and JPEG grey alpha
         7  u8      flags of the ring's frame
         8  u32     width, then u32 height, in pixels
        16  u64     sequence in the ring
        24  u64     when the pose was measured: ns on the monotonic clock of the server's machine
        32  u32     bytes of part 1, then u32 bytes of part 2
        40          part 1, part 2

All numbers are little-endian, alpha is straight.
"""

import struct
from enum import IntEnum
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.jpeg import open_jpeg

Image = NDArray[np.uint8]

MAGIC: Final = b"VTF1"
HEADER: Final = struct.Struct("<4sHBBIIQQII")
_OPAQUE_FROM: Final = 250  # what JPEG makes of an alpha of 255, and below of 0
_CLEAR_TO: Final = 5


class Codec(IntEnum):
    """How the pixels of a message are packed."""

    RAW = 0
    JPEG = 1


class Header(NamedTuple):
    """What a message says of its frame."""

    codec: Codec
    flags: int
    width: int
    height: int
    sequence: int
    captured_ns: int


class Encoder:
    """Packs frames. For one thread."""

    def __init__(self, quality: int) -> None:
        self._jpeg = open_jpeg()
        self._quality = quality

    def message(self, header: Header, frame: Image) -> bytes:
        """Return the message of a BGRA frame, C-contiguous."""
        parts = self._jpegs(frame) if header.codec is Codec.JPEG else _raw(frame)
        head = HEADER.pack(MAGIC, HEADER.size, *header, *map(len, parts))
        return b"".join((head, *parts))

    def _jpegs(self, frame: Image) -> tuple[bytes, bytes]:
        alpha = cv2.extractChannel(frame, 3)
        _, grey = cv2.imencode(".jpg", alpha, (cv2.IMWRITE_JPEG_QUALITY, self._quality))
        return self._jpeg.encode(frame, self._quality), grey.tobytes()


def _raw(frame: Image) -> tuple[bytes, bytes]:
    return cv2.cvtColor(frame, cv2.COLOR_BGRA2RGBA).tobytes(), b""


def unpack(message: bytes) -> tuple[Header, bytes, bytes]:
    """Return the header and both parts. Raises ValueError for anything that is no message."""
    if len(message) < HEADER.size or not message.startswith(MAGIC):
        raise ValueError("not a VTF1 message")
    _, size, codec, *rest, first, second = HEADER.unpack_from(message)
    if len(message) != size + first + second:
        raise ValueError(f"a message of {len(message)} bytes says {size} + {first} + {second}")
    header = Header(Codec(codec), *rest)
    return header, message[size : size + first], message[size + first :]


def decode(message: bytes) -> Image:
    """Return the frame as BGRA, straight alpha; what JPEG left of nothing is nothing again."""
    header, first, second = unpack(message)
    if header.codec is Codec.RAW:
        pixels = np.frombuffer(first, np.uint8).reshape(header.height, header.width, 4)
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA), np.uint8)
    colour = _from_jpeg(first, cv2.IMREAD_COLOR)
    alpha = _from_jpeg(second, cv2.IMREAD_GRAYSCALE)
    alpha[alpha >= _OPAQUE_FROM] = 255
    alpha[alpha <= _CLEAR_TO] = 0
    frame: Image = np.dstack((colour, alpha))
    frame[alpha == 0] = 0
    return frame


def _from_jpeg(part: bytes, how: int) -> Image:
    return np.asarray(cv2.imdecode(np.frombuffer(part, np.uint8), how), np.uint8)
