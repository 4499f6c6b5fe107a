"""The last one out: cleans up when the launcher is killed and can do it no more.

Run as a program by the launcher, with nothing but the standard library, so that it costs little. It
reads lines from its standard input: `+pid` and `-pid` for each stage that starts or ends, and `bye`
before an orderly end. Input that ends without `bye` means that the launcher was killed: then the
stages are killed, the segments named on the command line unlinked and the session's folder removed;
the two latter only while it holds the folder's lock, which a new session of the name may have.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time

_PATIENCE_S = 2.0  # the lock of a process that is just dying is not free yet


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if _is_stage(pid):
                os.kill(pid, signal.SIGKILL)


def _is_stage(pid: int) -> bool:
    """Whether the process of that id still is one of ours: ids are used again."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - pathlib is not loaded here
            return b"stages.runner" in file.read()
    except OSError:
        return sys.platform != "linux"


def _claim(folder: str) -> bool:
    """Take the session's lock; whether there is a session to clean up, and it is nobody else's."""
    path = os.path.join(folder, "lock")  # noqa: PTH118 - pathlib is not loaded here
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Kept until this process ends. The file may have been removed while we took it.
            return os.path.samestat(os.fstat(descriptor), os.stat(path))  # noqa: PTH116
        except OSError:
            os.close(descriptor)
            time.sleep(0.01)
    return False


def main(folder: str, segments: list[str]) -> None:
    """Wait for the launcher's end; clean up if it was not an orderly one."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    stages: set[int] = set()
    for line in sys.stdin:
        if line.startswith("bye"):
            return
        (stages.add if line[0] == "+" else stages.discard)(int(line[1:]))
    _kill(stages)
    if not _claim(folder):
        return
    import _posixshmem  # type: ignore[import-not-found]

    for name in segments:
        with contextlib.suppress(OSError):
            _posixshmem.shm_unlink(f"/{name}")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
