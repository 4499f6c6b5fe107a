"""The last one out: cleans up when the launcher is killed and can do it no more.

Run as a program by the launcher, with nothing but the standard library, so that it costs little. It
reads lines from its standard input: `+pid` and `-pid` for each stage that starts or ends, and `bye`
before an orderly end. Input that ends without `bye` means that the launcher was killed: then the
stages are killed, the segments named on the command line unlinked and the session's folder removed.
"""

import contextlib
import os
import shutil
import signal
import sys


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
    import _posixshmem  # type: ignore[import-not-found]

    for name in segments:
        with contextlib.suppress(OSError):
            _posixshmem.shm_unlink(f"/{name}")
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
