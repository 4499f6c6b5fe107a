"""The one who makes rings and takes them away: the launcher, or a test."""

import os
import secrets
import struct
import time

from shm import layout
from shm.clock import CLOCK
from shm.doorbell import open_doorbell
from shm.fence import order_of
from shm.frame import FormatError, FrameFormat, State, pack_format
from shm.identity import alive, start_time
from shm.leases import reap
from shm.segment import (
    SHM_FOLDER,
    NameTaken,
    Segment,
    SegmentMissing,
    create,
    names,
    open_segment,
    prefault,
    unlink,
)

_HEADER = layout.offsets(layout.HEADER)
_STATE, _HEAD, _MAGIC = (_HEADER[key] // 8 for key in ("state", "head", "magic"))
_HALF_MADE_S = 5.0
NAME_LIMIT = 30  # macOS allows 31 with the slash


class RingOwner:
    """A ring as its maker sees it: it lives until `close`, whoever writes or reads meanwhile."""

    def __init__(self, segment: Segment, frame_format: FrameFormat, slots: int) -> None:
        self.name = segment.name
        self.format = frame_format
        self.slots = slots
        self._segment = segment
        self._closed = False
        self._order = order_of(segment.words, segment.address)
        self._bell = open_doorbell(
            segment.name, segment.address + _HEADER["head"], lambda: self._order.load_acquire(_HEAD)
        )

    @property
    def nbytes(self) -> int:
        """Bytes of shared memory the ring takes."""
        return len(self._segment.data)

    @property
    def state(self) -> State:
        """What the header says of the writer."""
        return State(self._order.load_acquire(_STATE))

    def writer_died(self) -> None:
        """Tell readers that nobody writes until a successor takes over."""
        if self.state is State.RUNNING:
            self._set_state(State.DEAD)

    def end(self) -> None:
        """Tell readers that no frame will follow."""
        self._set_state(State.ENDED)

    def _set_state(self, state: State) -> None:
        self._order.store_release(_STATE, state)
        self._bell.ring(self._order.load_acquire(_HEAD) >> 8)

    def reap_readers(self) -> int:
        """Free the entries, and so the leases, of readers that are gone; return how many."""
        return reap(self.name, self._order)

    def close(self) -> None:
        """End the ring and remove its name; readers that have it open keep their last frame."""
        if self._closed:
            return
        self._closed = True
        self.end()
        unlink(self.name)
        self._bell.close()
        self._segment.close()

    def __enter__(self) -> "RingOwner":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_name(name: str) -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    if not 1 <= len(name) <= NAME_LIMIT or not set(name) <= allowed:
        raise FormatError(f"a ring's name is 1 to {NAME_LIMIT} of a-z, 0-9 and '-', not {name!r}")


def create_ring(name: str, frame_format: FrameFormat, slots: int = 8) -> RingOwner:
    """Make a ring; a segment of that name left by a dead process is replaced.

    Raises `FormatError`, `NameTaken` if its maker lives, `MemoryFull`.
    """
    _check_name(name)
    if not layout.MIN_SLOTS <= slots <= layout.MAX_SLOTS:
        raise FormatError(f"a ring has {layout.MIN_SLOTS} to {layout.MAX_SLOTS} slots, not {slots}")
    format_block = pack_format(frame_format)
    size = layout.geometry(slots, frame_format.nbytes)[2]
    try:
        segment = create(name, size)
    except NameTaken:
        remove_stale(name)
        segment = create(name, size)
    try:
        prefault(segment)
        owner = RingOwner(segment, frame_format, slots)
        _write_header(segment, format_block, frame_format.nbytes, slots, owner._bell.KIND)
        owner._order.store_release(_MAGIC, layout.MAGIC)
    except BaseException:
        unlink(name)
        segment.close()
        raise
    return owner


def _write_header(
    segment: Segment, format_block: bytes, capacity: int, slots: int, wake: int
) -> None:
    payload_offset, stride, size = layout.geometry(slots, capacity)
    values = {
        "major": layout.MAJOR,
        "minor": layout.MINOR,
        "header_bytes": layout.HEADER_BYTES,
        "segment_bytes": size,
        "slot_count": slots,
        "slot_header_bytes": layout.SLOT_HEADER_BYTES,
        "slot_table": layout.HEADER_BYTES,
        "payload_offset": payload_offset,
        "payload_stride": stride,
        "payload_capacity": capacity,
        "reader_count": layout.READER_COUNT,
        "reader_bytes": layout.READER_BYTES,
        "reader_table": layout.READER_TABLE,
        "stream_id": secrets.randbits(63) | 1,
        "created_unix_ns": time.time_ns(),
        "clock": CLOCK,
        "wake": wake,
        "history_count": layout.HISTORY_COUNT,
        "history_offset": layout.HISTORY,
        "creator_pid": os.getpid(),
        "creator_start": start_time(os.getpid()),
    }
    buffer = segment.data.data
    for field in layout.HEADER:
        if field.name in values:
            code = {"u16": "<H", "u32": "<I", "u64": "<Q"}[field.type]
            struct.pack_into(code, buffer, field.offset, values[field.name])
    buffer[_HEADER["name"] : _HEADER["name"] + len(segment.name)] = segment.name.encode()
    buffer[_HEADER["kind"] : _HEADER["kind"] + len(format_block)] = format_block


def remove_stale(name: str) -> None:
    """Remove a segment whose maker is dead. Raises `NameTaken` if it lives."""
    try:
        segment = open_segment(name, writable=False)
    except SegmentMissing:
        unlink(name)
        return
    words = segment.words
    whole = len(segment.data) >= layout.HEADER_BYTES and words[_MAGIC] == layout.MAGIC
    pid, start = (
        (words[_HEADER["creator_pid"] // 8], words[_HEADER["creator_start"] // 8])
        if whole
        else (0, 0)
    )
    del words
    segment.close()
    if whole and alive(pid, start):
        raise NameTaken(
            f"the ring {name!r} belongs to the running process {pid}: stop that session or give "
            "this one another name"
        )
    if not whole and _age_s(name) < _HALF_MADE_S:
        raise NameTaken(
            f"a segment named {name!r} that is no ring was made just now: another program uses "
            "this name; give the session another one"
        )
    unlink(name)


def _age_s(name: str) -> float:
    path = SHM_FOLDER / name
    return time.time() - path.stat().st_mtime if path.exists() else _HALF_MADE_S


def remove_stale_rings(prefix: str) -> list[str]:
    """Remove every ring whose name begins with `prefix` and whose maker is dead; return them."""
    removed = []
    for name in names(prefix):
        try:
            remove_stale(name)
        except NameTaken:
            continue
        removed.append(name)
    return removed
