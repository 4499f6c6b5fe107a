"""Named blocks of shared memory: make, open, lock, unlink; what differs between systems is here."""

import contextlib
import mmap
import os
import sys
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shm import layout

SHM_FOLDER = Path("/dev/shm")
_MADV_POPULATE_WRITE = 23  # Linux 5.14; not in Python's mmap module
_tracker_guard = threading.Lock()


class SegmentError(OSError):
    """A block of shared memory cannot be made or opened as wanted."""


class SegmentMissing(SegmentError):
    """There is no segment of this name."""


class NameTaken(SegmentError):
    """A segment of this name exists."""


class MemoryFull(SegmentError):
    """There is not enough shared memory."""


@contextlib.contextmanager
def _untracked() -> Iterator[None]:
    # Before Python 3.13 opening a segment registers it with a resource tracker, which unlinks it
    # under everybody when that process exits (python/cpython#82300); and a tracked creator that is
    # killed takes its segment along. Unregistering afterwards is no cure: children share one
    # tracker, and it would forget the creator's entry. So nothing registers while it is opened.
    with _tracker_guard:
        register = resource_tracker.register
        resource_tracker.register = lambda *_: None
        try:
            yield
        finally:
            resource_tracker.register = register


def _shared_memory(name: str, **how: Any) -> SharedMemory:
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False, **how)
    with _untracked():
        return SharedMemory(name, **how)


class Segment:
    """An open segment: `data` is all of it as uint8, `words` the same as 8-byte words."""

    def __init__(self, name: str, block: SharedMemory | mmap.mmap, writable: bool) -> None:
        self.name = name
        self.writable = writable
        self._block = block
        self._let_go = block.close
        if isinstance(block, SharedMemory):
            # Its finaliser closes too, and at exit complains of views that still exist.
            block.__dict__["close"] = lambda: None
        buffer = memoryview(block.buf if isinstance(block, SharedMemory) else block)  # type: ignore[arg-type]
        self.data: NDArray[np.uint8] = np.frombuffer(buffer, np.uint8)
        self.words = buffer[: len(buffer) // 8 * 8].cast("Q")
        self._buffer = buffer
        self.address = int(self.data.__array_interface__["data"][0])

    def close(self) -> None:
        """Let go of the mapping; views that still exist keep it until they are gone."""
        self.words.release()
        self.data = np.empty(0, np.uint8)
        with contextlib.suppress(BufferError):
            self._buffer.release()
        with contextlib.suppress(BufferError):
            self._let_go()
        # Where views keep the mapping, the descriptor is still open.
        descriptor = getattr(self._block, "_fd", -1)
        if descriptor >= 0:
            os.close(descriptor)
            self._block.__dict__["_fd"] = -1


def free_bytes() -> int | None:
    """Return how much shared memory is free, None where that cannot be known."""
    if sys.platform != "linux":
        return None
    stat = os.statvfs(SHM_FOLDER)
    return stat.f_bavail * stat.f_frsize


def create(name: str, size: int) -> Segment:
    """Make a segment of zeros whose pages are all there.

    Raises `NameTaken`, or `MemoryFull`: SharedMemory alone only sets the length, and the first
    touch of a page that cannot be had would be a SIGBUS.
    """
    try:
        block = _shared_memory(name, create=True, size=size)
    except FileExistsError:
        raise NameTaken(f"a shared memory segment named {name!r} exists already") from None
    if sys.platform == "linux":
        _reserve(name, size, block)
    segment = Segment(name, block, writable=True)
    if sys.platform != "linux":
        segment.data[:: layout.PAGE] = 0
    return segment


def _reserve(name: str, size: int, block: SharedMemory) -> None:
    descriptor = os.open(SHM_FOLDER / name, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        block.close()
        unlink(name)
        raise MemoryFull(
            f"/dev/shm has {(free_bytes() or 0) >> 20} MiB free, {name!r} needs "
            f"{-(-size >> 20)} MiB: use fewer slots, or give it more (Docker: --shm-size=256m)"
        ) from error
    finally:
        os.close(descriptor)


def open_segment(name: str, *, writable: bool) -> Segment:
    """Open a segment that exists. Raises `SegmentMissing`.

    On Linux a reader maps it read-only: it cannot damage the ring, and no resource tracker hears
    of it.
    """
    try:
        if sys.platform == "linux" and not writable:
            return Segment(name, _map_read_only(name), writable=False)
        return Segment(name, _shared_memory(name), writable)
    except (FileNotFoundError, ValueError):  # ValueError: length still 0, its maker is not ready
        raise SegmentMissing(
            f"no shared memory segment named {name!r}: is the session running?"
        ) from None


def _map_read_only(name: str) -> mmap.mmap:
    descriptor = os.open(SHM_FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return mmap.mmap(
            descriptor, 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ
        )
    finally:
        os.close(descriptor)


def prefault(segment: Segment) -> None:
    """Bring all pages in for writing: the first touch of a fresh 1 MiB slot costs 644 us."""
    block = segment._block
    inner = getattr(block, "_mmap", None)
    if sys.platform == "linux" and isinstance(inner, mmap.mmap):
        with contextlib.suppress(
            OSError, ValueError
        ):  # an older kernel: the first frames are slower
            inner.madvise(_MADV_POPULATE_WRITE)


def unlink(name: str) -> None:
    """Remove the name; those who have the segment open keep it. A missing one is no error."""
    if sys.platform == "win32":
        return  # the system removes it with the last handle
    import _posixshmem  # type: ignore[import-not-found]

    with contextlib.suppress(FileNotFoundError):
        # SharedMemory.unlink would tell the resource tracker, and so start one.
        _posixshmem.shm_unlink(f"/{name}")


def names(prefix: str) -> list[str]:
    """Return the segments whose name begins with `prefix`; empty where the system cannot list."""
    if sys.platform != "linux":
        return []
    return sorted(path.name for path in SHM_FOLDER.glob(f"{prefix}*"))
