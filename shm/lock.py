"""Locks that a killed process cannot keep: the kernel takes them back."""

import contextlib
import os
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shm.segment import SHM_FOLDER


class Locked(OSError):
    """Another living process holds the lock."""


class FileLock:
    """An exclusive lock on a file, held until `release` or the death of this process.

    On Linux it may be the segment's own file, so that it goes when the segment goes; elsewhere a
    file of that name in the temporary folder, made at need.
    """

    def __init__(self, path: Path, *, make: bool) -> None:
        self.path = path
        self._flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | (os.O_CREAT if make else 0)
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise `Locked`, or FileNotFoundError; never waits."""
        descriptor = os.open(self.path, self._flags, 0o600)
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise Locked(f"{self.path.name} is held by another process") from error
        self._descriptor = descriptor

    def is_current(self) -> bool:
        """Whether the file locked is the one that has this path now, and no removed one."""
        try:
            return self._descriptor is not None and os.path.samestat(
                os.fstat(self._descriptor), self.path.stat()
            )
        except OSError:
            return False

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def writer_lock(name: str) -> FileLock:
    """Return the lock that the writer of segment `name` holds for life."""
    if sys.platform == "linux":
        # Not made here: a segment unlinked meanwhile would leave an empty file of its name.
        return FileLock(SHM_FOLDER / name, make=False)
    return FileLock(Path(tempfile.gettempdir()) / f"{name}.writer-lock", make=True)


@contextlib.contextmanager
def reader_table(name: str) -> Iterator[None]:
    """Hold the lock under which entries of the reader table are claimed; waits for microseconds.

    On Linux an open-file-description lock on the segment: a kind that knows nothing of the writer's
    flock, and that closing another descriptor of this process does not drop.
    """
    if sys.platform != "linux":
        lock = FileLock(Path(tempfile.gettempdir()) / f"{name}.reader-lock", make=True)
        lock.acquire()
        try:
            yield
        finally:
            lock.release()
        return
    import fcntl

    descriptor = os.open(SHM_FOLDER / name, os.O_RDWR | os.O_CLOEXEC)
    try:
        whole_file = struct.pack("hhxxxxqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, whole_file)
        yield
    finally:
        os.close(descriptor)
