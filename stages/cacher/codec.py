"""How a frame is kept: a JPEG of the part that is not transparent, its alpha beside it.

    ┌────────┬───────────────────────┬──────────────────────────────┐
    │ header │ JPEG of the box, BGRX │ alpha of the box, zstd 1     │  JPEG
    ├────────┼───────────────────────┴──────────────────────────────┤
    │ header │ boxes of strips       │ row differences in them, zstd │  LOSSLESS (quality 100)
    ├────────┼───────────────────────┴──────────────────────────────┘
    │ header │                                                          EMPTY (nothing to see)
    └────────┘

The box of a JPEG is the bounding box of alpha > 0, widened to the JPEG's 8x8 blocks; those of a
lossless picture's strips leave out columns where all is zero, so they drop nothing. Below quality
100 alpha within 3 of transparent or opaque counts as that (5 kB a frame), and is exact otherwise.
`benchmarks/cacher.py` holds both against the layouts of other programs.

A blob is checked in full (CRC32 over all of it but the CRC itself) before anything is written.
"""

import enum
import functools
import struct
import zlib
from typing import NamedTuple

import cv2
import numpy as np
import zstandard
from numpy.typing import NDArray

from stages.cacher.box import Box
from stages.cacher.differences import STRIP_ROWS, RowDifferences
from stages.jpeg import JpegBinding, JpegRejected, open_jpeg

Image = NDArray[np.uint8]

VERSION = 3  # part of every blob; goes up with any change of the layout
LOSSLESS_QUALITY = 100
_BLOCK = 8

_NEARLY_TRANSPARENT, _NEARLY_OPAQUE = 3, 252
_ALPHA_TABLE: Image = np.arange(256, dtype=np.uint8)
_ALPHA_TABLE[: _NEARLY_TRANSPARENT + 1] = 0
_ALPHA_TABLE[_NEARLY_OPAQUE:] = 255


# Differences are nearly all literals, and what repeats in them is long: a small table of long
# matches takes three quarters of the time of level 1, and two hundredths fewer bytes.
_FOR_DIFFERENCES = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_FAST,
    window_log=18,
    hash_log=6,
    chain_log=6,
    search_log=1,
    min_match=7,
    target_length=0,
)


class BlobRejected(ValueError):
    """A blob is damaged, of another version, or of another frame size than asked for."""


class Kind(enum.IntEnum):
    """What follows the header."""

    EMPTY = 0
    JPEG = 1
    LOSSLESS = 2


_KINDS = tuple(Kind)


class _Header(NamedTuple):
    """The first 18 bytes of a blob; the CRC32 of everything else follows them."""

    version: int
    kind: int
    frame_height: int
    frame_width: int
    left: int
    top: int
    width: int
    height: int
    first_bytes: int  # of the content: the JPEG, or the boxes

    @property
    def box(self) -> Box:
        return Box(self.left, self.top, self.width, self.height)


_HEADER = struct.Struct("<BBHHHHHHI")
_CRC = struct.Struct("<I")
_BOX = struct.Struct("<HHHH")
HEADER_BYTES = _HEADER.size + _CRC.size


class Codec:
    """Packs frames into blobs and back. Not for use from two threads at once.

    `quality` is 0 to 100: 100 keeps every bit, below it goes to the JPEG as it is (0 counts as 1).
    A blob of any quality can be decoded by a codec of any other.
    """

    def __init__(self, quality: int = 90, jpeg: JpegBinding | None = None) -> None:
        """`jpeg` is the binding to use; None takes the first that works."""
        if not 0 <= quality <= 100:
            raise ValueError(f"quality is {quality}, allowed are 0 to 100")
        self._quality = max(1, quality)
        self.jpeg: JpegBinding = open_jpeg() if jpeg is None else jpeg
        # Without zstd's own checksum: the blob's CRC covers it.
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._difference_compressor = zstandard.ZstdCompressor(compression_params=_FOR_DIFFERENCES)
        self._decompressor = zstandard.ZstdDecompressor()
        self._room: Image = np.empty(0, np.uint8)
        self._differences = RowDifferences()

    def encode(self, frame: Image) -> bytes:
        """Return the blob of a BGRA (height, width, 4) uint8 frame, at most 65535 each way."""
        height, width = _frame_size(frame)
        if self._quality == LOSSLESS_QUALITY:
            return self._encode_lossless(frame)
        alpha: Image = np.empty((height, width), np.uint8)
        cv2.extractChannel(frame, 3, dst=alpha)
        box = _box_around(alpha)
        if box.width == 0:
            return _sealed(_Header(VERSION, Kind.EMPTY, height, width, *box, 0), b"", b"")
        alpha = np.asarray(cv2.LUT(box.of(alpha), _ALPHA_TABLE), np.uint8)
        crop = self._scratch(box)
        crop.fill(0)
        # Also drops the colours under alpha 0, which would cost 22 % of the bytes.
        cv2.copyTo(box.of(frame), alpha, crop)
        jpeg = self.jpeg.encode(crop, self._quality)
        header = _Header(VERSION, Kind.JPEG, height, width, *box, len(jpeg))
        return _sealed(header, jpeg, self._compressor.compress(alpha.data))

    def _encode_lossless(self, frame: Image) -> bytes:
        height, width = frame.shape[:2]
        boxes, differences = self._differences.of(frame)
        if not boxes:
            return _sealed(_Header(VERSION, Kind.EMPTY, height, width, 0, 0, 0, 0, 0), b"", b"")
        box = functools.reduce(Box.around, boxes)
        table = b"".join(_BOX.pack(*box) for box in boxes)
        header = _Header(VERSION, Kind.LOSSLESS, height, width, *box, len(table))
        return _sealed(header, table, self._difference_compressor.compress(differences.data))

    def decode(self, blob: bytes, out: Image) -> None:
        """Write the frame into all of `out`, (height, width, 4) uint8 with packed pixels.

        Raises `BlobRejected`; `out` is then as it was.
        """
        header, content = _opened(blob, _frame_size(out))
        if header.kind == Kind.LOSSLESS:
            boxes = _boxes_in(header, content)
            self._unpack(content[header.first_bytes :], self._differences.room_for(boxes))
            out.fill(0)
            self._differences.restore(boxes, out)
        elif header.kind == Kind.EMPTY:
            out.fill(0)
        else:
            self._decode_jpeg(header, content, out)

    def _decode_jpeg(self, header: _Header, content: memoryview, out: Image) -> None:
        box = header.box
        alpha: Image = np.empty((box.height, box.width), np.uint8)
        self._unpack(content[header.first_bytes :], alpha)
        crop = self._scratch(box)
        try:
            self.jpeg.decode_into(content[: header.first_bytes], crop)
        except JpegRejected as error:
            raise BlobRejected(f"the JPEG in a blob is damaged: {error}") from error
        cv2.insertChannel(alpha, crop, 3)
        out.fill(0)
        # Under alpha 0 the JPEG has left traces of its neighbours: they stay behind here.
        cv2.copyTo(crop, alpha, box.of(out))

    def _unpack(self, packed: memoryview, out: Image) -> None:
        """Decompress exactly as much as fits `out`, C-contiguous."""
        try:
            size = zstandard.get_frame_parameters(packed).content_size
            if size != out.nbytes:
                raise BlobRejected(f"a blob holds {size} bytes where {out.nbytes} belong")
            with self._decompressor.stream_reader(packed) as reader:
                written = reader.readinto(out.reshape(-1).data)
        except zstandard.ZstdError as error:
            raise BlobRejected(f"the packed bytes in a blob are damaged: {error}") from error
        if written != out.nbytes:
            raise BlobRejected(f"a blob ends after {written} of {out.nbytes} bytes")

    def _scratch(self, box: Box) -> Image:
        """Room for the pixels of `box`, C-contiguous; kept, and grown when a frame needs more."""
        size = box.height * box.width * 4
        if self._room.size < size:
            self._room = np.empty(size, np.uint8)
        return self._room[:size].reshape(box.height, box.width, 4)


def frame_size_in(blob: bytes) -> tuple[int, int]:
    """Return height and width of the frame in a blob that is whole. Raises `BlobRejected`."""
    if len(blob) < HEADER_BYTES:
        raise BlobRejected(f"a blob of {len(blob)} bytes is shorter than its header")
    header = _Header(*_HEADER.unpack_from(blob))
    size = (header.frame_height, header.frame_width)
    _opened(blob, size)
    return size


def _frame_size(frame: Image) -> tuple[int, int]:
    if frame.ndim != 3 or frame.shape[2] != 4 or frame.dtype != np.uint8:
        raise ValueError(f"a frame is (height, width, 4) uint8, not {frame.shape} {frame.dtype}")
    height, width = frame.shape[:2]
    return height, width


def _box_around(alpha: Image) -> Box:
    """The smallest box of whole 8x8 blocks around alpha > 0; all zeros if there is none."""
    left, top, width, height = cv2.boundingRect(alpha)
    right, bottom = left + width, top + height
    frame_height, frame_width = alpha.shape
    left, top = left - left % _BLOCK, top - top % _BLOCK
    right = min(right + -right % _BLOCK, frame_width)
    bottom = min(bottom + -bottom % _BLOCK, frame_height)
    return Box(left, top, right - left, bottom - top) if width else Box(0, 0, 0, 0)


def _boxes_in(header: _Header, content: memoryview) -> list[Box]:
    """The boxes of a lossless picture's strips: each in the frame, together no larger than it."""
    try:
        boxes = [Box(*box) for box in _BOX.iter_unpack(content[: header.first_bytes])]
    except struct.error as error:
        raise BlobRejected("a blob's boxes are cut short") from error
    for box in boxes:
        fits = box.left + box.width <= header.frame_width
        fits = fits and box.top + box.height <= header.frame_height
        if not fits or not box.width or not 0 < box.height <= STRIP_ROWS:
            raise BlobRejected(f"a blob's box is not within its frame: {box}")
    if len(boxes) > -(-header.frame_height // STRIP_ROWS):
        raise BlobRejected(f"a blob has {len(boxes)} strips")
    return boxes


def _sealed(header: _Header, first: bytes, packed: bytes) -> bytes:
    """Header, CRC32 of everything else, content."""
    head = _HEADER.pack(*header)
    crc = zlib.crc32(packed, zlib.crc32(first, zlib.crc32(head)))
    return b"".join((head, _CRC.pack(crc), first, packed))


def _opened(blob: bytes, frame_size: tuple[int, int]) -> tuple[_Header, memoryview]:
    """Header and content of a blob in which everything that can be checked is right."""
    if len(blob) < HEADER_BYTES:
        raise BlobRejected(f"a blob of {len(blob)} bytes is shorter than its header")
    header = _Header(*_HEADER.unpack_from(blob))
    content = memoryview(blob)[HEADER_BYTES:]
    if header.version != VERSION:
        raise BlobRejected(f"a blob is of version {header.version}, this is {VERSION}")
    (crc,) = _CRC.unpack_from(blob, _HEADER.size)
    if crc != zlib.crc32(content, zlib.crc32(blob[: _HEADER.size])):
        raise BlobRejected("a blob's checksum is wrong")
    height, width = header.frame_height, header.frame_width
    if (height, width) != frame_size:
        raise BlobRejected(f"a blob holds a frame of {(height, width)} where {frame_size} belongs")
    box = header.box
    fits = box.left + box.width <= width and box.top + box.height <= height
    seen = box.width > 0 and box.height > 0 and header.first_bytes <= len(content)
    if header.kind not in _KINDS or (header.kind != Kind.EMPTY and not (fits and seen)):
        raise BlobRejected("a blob's header contradicts itself")
    return header, content
