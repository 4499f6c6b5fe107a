"""Every offset of a ring's segment, once.

The segment is one header of 4096 bytes (geometry, the writer's live words, the history, the format,
the reader table), then one slot header of 512 bytes per slot, then the payloads:

    0x0000  header          who writes, what is newest, which frame is in which slot
    0x1000  slot headers    slot_count x 512: the lock word, the stamp, the pose
    ......  payloads        slot_count x payload_stride, from payload_offset (a multiple of 4096)

All integers are little-endian and aligned to their size; unnamed bytes are zero. A *live* word is
read and written by several processes at once: it is 8 bytes on an 8-byte boundary and is only ever
stored whole (a `memoryview` of format "Q" does that; `struct.pack_into` does not, it zeroes first).

`docs/ring-layout.md` and `shm/ring.h` are made from these tables (`python -m shm.published`) and
a test holds them to it.
"""

from typing import Final, NamedTuple

MAGIC: Final = int.from_bytes(b"AYARING1", "little")
MAJOR: Final = 1
MINOR: Final = 0
HEADER_BYTES: Final = 0x1000
SLOT_HEADER_BYTES: Final = 0x200
READER_COUNT: Final = 16
READER_BYTES: Final = 128
READER_TABLE: Final = 0x400
HISTORY_COUNT: Final = 64
HISTORY: Final = 0x100
HOP_COUNT: Final = 8
POSE_SIZE: Final = 45
MIN_SLOTS: Final = 3
MAX_SLOTS: Final = 64
PAGE: Final = 4096


class Field(NamedTuple):
    """A named place: offset in its block, C type, number of elements, meaning."""

    name: str
    offset: int
    type: str  # u16, u32, u64, f32 or char
    length: int
    meaning: str


SIZES: Final = {"u16": 2, "u32": 4, "u64": 8, "f32": 4, "char": 1}

HEADER: Final = (
    Field("magic", 0x000, "u64", 1, "`AYARING1`, stored last: without it the ring is not ready"),
    Field("major", 0x008, "u16", 1, "layout version; an unknown one must be refused"),
    Field("minor", 0x00A, "u16", 1, "layout version; an unknown one only adds fields"),
    Field("header_bytes", 0x00C, "u32", 1, "4096"),
    Field("segment_bytes", 0x010, "u64", 1, "length in use; the mapping may be longer"),
    Field("slot_count", 0x018, "u32", 1, "3 to 64"),
    Field("slot_header_bytes", 0x01C, "u32", 1, "512"),
    Field("slot_table", 0x020, "u64", 1, "offset of the first slot header"),
    Field("payload_offset", 0x028, "u64", 1, "offset of the first payload, a multiple of 4096"),
    Field("payload_stride", 0x030, "u64", 1, "distance of two payloads"),
    Field("payload_capacity", 0x038, "u64", 1, "bytes a payload may use"),
    Field("reader_count", 0x040, "u32", 1, "entries of the reader table: 16"),
    Field("reader_bytes", 0x044, "u32", 1, "128"),
    Field("reader_table", 0x048, "u64", 1, "offset of the reader table"),
    Field("stream_id", 0x050, "u64", 1, "random; another one under this name is another ring"),
    Field("created_unix_ns", 0x058, "u64", 1, "wall clock at creation"),
    Field("clock", 0x060, "u32", 1, "of all `_ns`: 1 CLOCK_MONOTONIC, 2 QPC, 3 mach"),
    Field("wake", 0x064, "u32", 1, "bits: 1 futex on head, 2 event pair, 4 os_sync on head"),
    Field("history_count", 0x068, "u32", 1, "64"),
    Field("history_offset", 0x070, "u64", 1, "0x100"),
    Field("creator_pid", 0x078, "u64", 1, "process that made the segment and will unlink it"),
    Field("head", 0x080, "u64", 1, "live: sequence << 8 | slot of the newest frame; 0: none yet"),
    Field("epoch", 0x088, "u64", 1, "live: how many writers there have been; 0: none yet"),
    Field("look", 0x090, "u64", 1, "live: digest of what shapes the pixels besides the pose"),
    Field("writer_pid", 0x0C0, "u64", 1, "live: process id of the writer"),
    Field("writer_start", 0x0C8, "u64", 1, "live: its start time (system's unit), 0 if unknown"),
    Field("beat_ns", 0x0D0, "u64", 1, "live: last sign of life of the writer"),
    Field("state", 0x0D8, "u64", 1, "live: 0 no writer yet, 1 running, 2 ended, 3 writer dead"),
    Field("revoked", 0x0E0, "u64", 1, "live: leases taken back so far"),
    Field("creator_start", 0x0F8, "u64", 1, "start time of the creator, 0 if unknown"),
    Field("history", 0x100, "u64", 64, "live: history[sequence % 64] = sequence << 8 | slot"),
    Field("name", 0x300, "char", 64, "the segment's name, padded with zeros"),
    Field("kind", 0x340, "u32", 1, "1 pose, 2 image, 3 encoded"),
    Field("dtype", 0x344, "u32", 1, "1 uint8, 2 float32"),
    Field("rank", 0x348, "u32", 1, "how many of `shape` count"),
    Field("shape", 0x34C, "u32", 4, "(45,), or (height, width, 4): rows from the top, no padding"),
    Field("fourcc", 0x35C, "u32", 1, "`AR24`: bytes B, G, R, A, straight alpha, sRGB; 0: no image"),
)

SLOT: Final = (
    Field("lock", 0x00, "u64", 1, "live: sequence << 1 when whole, odd while written, 0 empty"),
    Field("sequence", 0x08, "u64", 1, "1, 2, 3 ... without gaps at the writer"),
    Field("epoch", 0x10, "u64", 1, "of the writer that made this frame"),
    Field("payload_bytes", 0x18, "u64", 1, "valid bytes of the payload"),
    Field("loaned_ns", 0x20, "u64", 1, "when the writer began to fill the slot"),
    Field("published_ns", 0x28, "u64", 1, "when it published the frame"),
    Field("pose_sequence", 0x30, "u64", 1, "stamp: sequence of the pose this frame shows"),
    Field("captured_ns", 0x38, "u64", 1, "stamp: when that pose was measured"),
    Field("received_ns", 0x40, "u64", 1, "stamp: when it reached the pipeline"),
    Field("look", 0x48, "u64", 1, "stamp: what shaped the pixels besides the pose"),
    Field("source", 0x50, "u32", 1, "stamp: CRC-32 of the pose's source id; 0: the pipeline's own"),
    Field("flags", 0x54, "u32", 1, "stamp: 1 interpolated, 2 cached, 4 repeated, 8 discontinuity"),
    Field("phase_numerator", 0x58, "u32", 1, "stamp: an interpolated frame lies this far ..."),
    Field(
        "phase_denominator", 0x5C, "u32", 1, "... of so many from the pose before; 0: at its pose"
    ),
    Field("hops", 0x80, "u64", 8, "stamp: stage number << 56 | ns from captured to published"),
    Field("application", 0xC0, "char", 64, "free for applications"),
    Field("pose", 0x100, "f32", 45, "stamp: the pose itself"),
)

READER: Final = (
    Field("pid", 0x00, "u64", 1, "live: process that holds this entry; 0: free"),
    Field("start", 0x08, "u64", 1, "its start time, 0 if unknown"),
    Field("lease", 0x10, "u64", 1, "live: head value of the frame it holds; 0: none"),
    Field("name", 0x40, "char", 32, "who it is, for people"),
)

STATES: Final = {"NONE": 0, "RUNNING": 1, "ENDED": 2, "DEAD": 3}
FLAGS: Final = {"INTERPOLATED": 1, "CACHED": 2, "REPEATED": 4, "DISCONTINUITY": 8}


def offsets(fields: tuple[Field, ...]) -> dict[str, int]:
    """Return name -> byte offset within the block."""
    return {field.name: field.offset for field in fields}


def geometry(slot_count: int, capacity: int) -> tuple[int, int, int]:
    """Return (payload_offset, payload_stride, segment_bytes) for slots of `capacity` bytes.

    Payloads of a page or more start on a page, so that a GPU driver can pin them; small ones share
    pages but never a cache line.
    """
    grain = PAGE if capacity >= PAGE else 64
    stride = -(-capacity // grain) * grain
    payload_offset = -(-(HEADER_BYTES + slot_count * SLOT_HEADER_BYTES) // PAGE) * PAGE
    return payload_offset, stride, payload_offset + -(-slot_count * stride // PAGE) * PAGE
