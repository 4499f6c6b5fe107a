"""What a writer and a reader have in common: an open ring, checked, with its views built once."""

import struct
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shm import layout
from shm.compiled import LIVE
from shm.doorbell import FutexBell, open_doorbell
from shm.fence import order_of
from shm.frame import FormatError, State, unpack_format
from shm.segment import Segment, SegmentMissing, open_segment

_HEADER = layout.offsets(layout.HEADER)
_SLOT = layout.offsets(layout.SLOT)
_FIRST_LOOK_S = 0.01


class LayoutMismatch(FormatError):
    """The segment is a ring of another version, or no ring."""


class AttachedRing:
    """An open ring. Everything that a hot path needs is bound here, once.

    `headers[slot]` is a slot's header (512 bytes), `arrays[slot]` its payload in the ring's format,
    `locks[slot]` the index of its lock among `segment.words`. `live` is the compiled helper, if it
    can wait and publish here.
    """

    def __init__(self, segment: Segment) -> None:
        check_header(segment)
        self.segment = segment
        self.format = unpack_format(segment.data.data)
        self.slot_count = int(_u32(segment, "slot_count"))
        self.order = order_of(segment.words, segment.address)
        table = int(_u64(segment, "slot_table"))
        size = int(_u32(segment, "slot_header_bytes"))
        buffer = segment.data.data
        starts = [table + slot * size for slot in range(self.slot_count)]
        self.headers = [buffer[start : start + size] for start in starts]
        self.locks = [(start + _SLOT["lock"]) // 8 for start in starts]
        self.arrays = [self._payload(slot) for slot in range(self.slot_count)]
        load, head = self.order.load_acquire, _HEADER["head"]
        self.bell = open_doorbell(segment.name, segment.address + head, lambda: load(head // 8))
        live = LIVE.load()
        # It sleeps and wakes as the futex bell does, and so stands in for no other.
        futex = isinstance(self.bell, FutexBell) and hasattr(live, "wait")
        self.live = live if futex else None

    def _payload(self, slot: int) -> NDArray[Any]:
        start = int(_u64(self.segment, "payload_offset"))
        start += slot * int(_u64(self.segment, "payload_stride"))
        flat = self.segment.data[start : start + self.format.nbytes]
        return flat.view(np.dtype(self.format.dtype)).reshape(self.format.shape)

    def word(self, name: str) -> int:
        """Load a live word of the header."""
        return self.order.load_acquire(_HEADER[name] // 8)

    @property
    def state(self) -> State:
        """What the header says of the writer."""
        return State(self.word("state"))

    def close(self) -> None:
        """Drop every view and let the segment go."""
        self.bell.close()
        self.headers.clear()
        self.arrays.clear()
        self.segment.close()


def _u32(segment: Segment, name: str) -> Any:
    return struct.unpack_from("<I", segment.data.data, _HEADER[name])[0]


def _u64(segment: Segment, name: str) -> Any:
    return struct.unpack_from("<Q", segment.data.data, _HEADER[name])[0]


def check_header(segment: Segment) -> None:
    """Raise `SegmentMissing` while the ring is not ready, `LayoutMismatch` if we cannot read it.

    Nothing in the header is believed before it has been held against the mapping's length.
    """
    length = len(segment.data)
    if length < layout.HEADER_BYTES or segment.words[0] != layout.MAGIC:
        raise SegmentMissing(f"{segment.name!r} is not a ring (yet): its magic is missing")
    major = struct.unpack_from("<H", segment.data.data, _HEADER["major"])[0]
    if major != layout.MAJOR:
        raise LayoutMismatch(
            f"{segment.name!r} has ring layout {major}, this program reads {layout.MAJOR}: use the "
            "same version of ayatsuri on both sides"
        )
    frame_format = unpack_format(segment.data.data)
    slots = int(_u32(segment, "slot_count"))
    table, size = int(_u64(segment, "slot_table")), int(_u32(segment, "slot_header_bytes"))
    payload, stride = int(_u64(segment, "payload_offset")), int(_u64(segment, "payload_stride"))
    fits = (
        layout.MIN_SLOTS <= slots <= layout.MAX_SLOTS
        and size == layout.SLOT_HEADER_BYTES
        and table >= layout.HEADER_BYTES
        and table % 8 == 0
        and payload >= table + slots * size
        and frame_format.nbytes <= stride
        and payload + slots * stride <= length
    )
    if not fits:
        raise LayoutMismatch(f"{segment.name!r} is damaged: its header does not fit its length")


def attach(name: str, *, writable: bool, timeout_s: float) -> AttachedRing:
    """Open the ring `name`, waiting up to `timeout_s` for it to be made."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            segment = open_segment(name, writable=writable)
            try:
                return AttachedRing(segment)
            except BaseException:
                segment.close()
                raise
        except SegmentMissing:
            if time.monotonic() >= end:
                raise
        time.sleep(_FIRST_LOOK_S)
