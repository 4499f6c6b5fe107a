"""What a ring holds and what a frame says of itself."""

import struct
from collections.abc import Callable
from enum import IntEnum, IntFlag
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shm import layout

_SLOT = layout.offsets(layout.SLOT)
_HEADER = layout.offsets(layout.HEADER)
BGRA_FOURCC: Final = int.from_bytes(b"AR24", "little")


class Kind(IntEnum):
    """What the payload of a slot is."""

    POSE = 1
    IMAGE = 2
    ENCODED = 3


class State(IntEnum):
    """The life of a ring, in its header; set by the writer and, for DEAD, by the supervisor."""

    NONE = layout.STATES["NONE"]
    RUNNING = layout.STATES["RUNNING"]
    ENDED = layout.STATES["ENDED"]
    DEAD = layout.STATES["DEAD"]


class Flag(IntFlag):
    """How a frame came about."""

    INTERPOLATED = layout.FLAGS["INTERPOLATED"]
    CACHED = layout.FLAGS["CACHED"]
    REPEATED = layout.FLAGS["REPEATED"]
    DISCONTINUITY = layout.FLAGS["DISCONTINUITY"]


class FormatError(ValueError):
    """A ring cannot hold what was asked of it, or a segment is no ring of this version."""


class FrameFormat(NamedTuple):
    """What every slot of a ring holds. Fixed when the ring is created."""

    kind: Kind
    dtype: str  # "float32" or "uint8"
    shape: tuple[int, ...]  # (45,) for a pose; (height, width, 4) for an image

    @property
    def nbytes(self) -> int:
        """Bytes of one payload."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize


POSE_FORMAT: Final = FrameFormat(Kind.POSE, "float32", (layout.POSE_SIZE,))


def image_format(height: int = 512, width: int = 512) -> FrameFormat:
    """Return the format of BGRA pictures: uint8, straight alpha, sRGB."""
    return FrameFormat(Kind.IMAGE, "uint8", (height, width, 4))


_DTYPES: Final = {"uint8": 1, "float32": 2}
_DTYPE_NAMES: Final = {number: name for name, number in _DTYPES.items()}
_FORMAT = struct.Struct("<III4II")  # kind, dtype, rank, shape, fourcc


def pack_format(frame_format: FrameFormat) -> bytes:
    """Return the header's format block. Raises `FormatError`."""
    rank = len(frame_format.shape)
    if frame_format.dtype not in _DTYPES or not 1 <= rank <= 4 or frame_format.nbytes < 1:
        raise FormatError(
            f"a ring holds uint8 or float32 arrays of one to four axes, not {frame_format}"
        )
    shape = (*frame_format.shape, 0, 0, 0)[:4]
    fourcc = BGRA_FOURCC if frame_format.kind is Kind.IMAGE else 0
    return _FORMAT.pack(frame_format.kind, _DTYPES[frame_format.dtype], rank, *shape, fourcc)


def unpack_format(header: Any) -> FrameFormat:
    """Read the format from a ring's header. Raises `FormatError`."""
    kind, dtype, rank, *rest = _FORMAT.unpack_from(header, _HEADER["kind"])
    if kind not in Kind.__members__.values() or dtype not in _DTYPE_NAMES or not 1 <= rank <= 4:
        raise FormatError(f"unknown frame format: kind {kind}, dtype {dtype}, {rank} axes")
    frame_format = FrameFormat(Kind(kind), _DTYPE_NAMES[dtype], tuple(rest[:rank]))
    if frame_format.nbytes < 1:
        raise FormatError(f"frames of the shape {frame_format.shape} hold nothing")
    return frame_format


NO_HOPS: Final = (0,) * layout.HOP_COUNT
NO_POSE: Final = bytes(4 * layout.POSE_SIZE)


class Stamp(NamedTuple):
    """Where a frame comes from. Each stage hands it on; a stage changes only what it made so.

    Times are `clock.now_ns()`: comparable on one machine only. `pose` is 180 bytes, 45 float32 in
    the order of `stages.pose`. A frame between two poses lies `phase_numerator` parts of
    `phase_denominator` from the pose before to its own; 0 of 0 means exactly at its pose. A hop is
    the number of a stage << 56 | ns from `captured_ns` to when that stage published.
    """

    pose_sequence: int = 0
    captured_ns: int = 0
    received_ns: int = 0
    look: int = 0
    source: int = 0
    flags: int = 0
    phase_numerator: int = 0
    phase_denominator: int = 0
    hops: tuple[int, ...] = NO_HOPS
    pose: bytes = NO_POSE


# From `epoch` to the end of `hops`, as the layout has it; the 32 bytes in between are unnamed.
_META = struct.Struct("<QQQQQQQQIIII32x8Q")
_META_START: Final = _SLOT["epoch"]
_POSE_START: Final = _SLOT["pose"]
_POSE_END: Final = _POSE_START + len(NO_POSE)
assert _META_START + _META.size == _SLOT["hops"] + 8 * layout.HOP_COUNT


def write_meta(header: memoryview, epoch: int, nbytes: int, loaned_ns: int, stamp: Stamp) -> None:
    """Fill a slot header (512 bytes) that is marked as being written."""
    (pose_sequence, captured, received, look, source, flags, part, parts, hops, pose) = stamp
    _META.pack_into(
        header, _META_START, epoch, nbytes, loaned_ns, 0, pose_sequence, captured, received, look,
        source, flags, part, parts, *hops,
    )  # fmt: skip
    header[_POSE_START:_POSE_END] = pose


def read_stamp(header: memoryview) -> tuple[Stamp, int, int]:
    """Return the stamp, `loaned_ns` and `published_ns` of a slot header; not validated."""
    _, _, loaned, published, *rest = _META.unpack_from(header, _META_START)
    stamp = Stamp._make((*rest[:8], tuple(rest[8:]), bytes(header[_POSE_START:_POSE_END])))
    return stamp, loaned, published


class FrameLost(RuntimeError):
    """The writer has taken the slot again: what was read from the frame must not be used."""


class Place(NamedTuple):
    """A slot as a reader sees it, made once."""

    array: NDArray[Any]
    header: memoryview
    load: Callable[[int], int]  # after everything that was read before
    lock: int
    slot: int


class Frame:
    """One frame, seen in the ring without a copy.

    `array` is a read-only view of the slot; the writer may take the slot again after about
    `slots - 2` further frames. So: use it, then ask `valid`; only a yes makes what was read true.
    `dropped` frames were never seen between the one before and this one.
    """

    __slots__ = ("_place", "array", "dropped", "sequence")

    def __init__(self, place: Place, sequence: int, dropped: int) -> None:
        self.array = place[0]
        self.sequence = sequence
        self.dropped = dropped
        self._place = place

    @property
    def slot(self) -> int:
        """The number of the slot."""
        return self._place.slot

    @property
    def valid(self) -> bool:
        """Whether the slot still held this frame when asked."""
        place = self._place
        return place.load(place.lock) == self.sequence << 1

    def check(self) -> None:
        """Raise `FrameLost` unless `valid`."""
        if not self.valid:
            raise FrameLost(
                f"frame {self.sequence} was overwritten while it was used: copy it, hold a lease, "
                "or give the ring more slots"
            )

    @property
    def stamp(self) -> Stamp:
        """Where the frame comes from. Raises `FrameLost`."""
        stamp = read_stamp(self._place.header)[0]
        self.check()
        return stamp

    @property
    def published_ns(self) -> int:
        """When its writer published it. Raises `FrameLost`."""
        published = read_stamp(self._place.header)[2]
        self.check()
        return published

    def copy(self, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the whole frame as an array of the caller's (`out`, if given).

        Raises `FrameLost` if the writer took the slot meanwhile; a torn copy is never returned.
        """
        if out is None:
            out = np.empty_like(self.array)
        np.copyto(out, self.array)
        self.check()
        return out
