"""What the tests of the rings share: a format, frames to tell apart, foreign files."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shm import Frame, FrameFormat, Kind, RingOwner, RingWriter, Stamp, layout, segment

MakeRing = Callable[..., RingOwner]
Start = Callable[..., Any]
ROOT = Path(__file__).resolve().parent.parent
SMALL = FrameFormat(Kind.ENCODED, "uint8", (64,))
HEADER = layout.offsets(layout.HEADER)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/shm; Linux runs this")


def publish(writer: RingWriter, count: int = 1) -> int:
    """Publish frames whose bytes are all their sequence's low byte; return the last sequence."""
    sequence = 0
    for _ in range(count):
        slot = writer.loan(Stamp())
        sequence = writer.publish(slot)
        slot.array[:] = sequence & 0xFF  # nobody reads yet: this is one thread
    return sequence


def some(frame: Frame | None) -> Frame:
    """Return the frame that must be there."""
    assert frame is not None
    return frame


@contextlib.contextmanager
def foreign_segment(name: str, content: bytes, age_s: float = 0.0) -> Iterator[Path]:
    """A file in /dev/shm that is no whole ring, as old as wanted."""
    path = segment.SHM_FOLDER / name
    path.write_bytes(content)
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
