"""Rings of frames in shared memory: one writer, any number of readers, no copy, no waiting writer.

Standard library and NumPy only; knows nothing of stages. See docs/ring-layout.md.
"""

from shm.clock import now_ns
from shm.frame import (
    POSE_FORMAT,
    Flag,
    FormatError,
    Frame,
    FrameFormat,
    FrameLost,
    Kind,
    Stamp,
    State,
    image_format,
)
from shm.leases import LeaseRefused
from shm.owner import RingOwner, create_ring, remove_stale_rings
from shm.publishing import Slot
from shm.reader import RingReader
from shm.segment import MemoryFull, NameTaken, SegmentError, SegmentMissing
from shm.writer import RingWriter, WriterAlive

__all__ = [
    "POSE_FORMAT",
    "Flag",
    "FormatError",
    "Frame",
    "FrameFormat",
    "FrameLost",
    "Kind",
    "LeaseRefused",
    "MemoryFull",
    "NameTaken",
    "RingOwner",
    "RingReader",
    "RingWriter",
    "SegmentError",
    "SegmentMissing",
    "Slot",
    "Stamp",
    "State",
    "WriterAlive",
    "create_ring",
    "image_format",
    "now_ns",
    "remove_stale_rings",
]
