"""Where a running session is found: its file names the rings, endpoints and processes.

The file is `<folder>/<session>/session.json`, UTF-8 JSON, replaced as a whole and removed when the
session ends. The folder is $AYATSURI_RUNTIME_DIR, or `ayatsuri` in the user's runtime folder, or
in the temporary folder. docs/session-file.md describes it for other languages.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from shm.identity import alive
from shm.reader import RingReader

FILE = "session.json"


class SessionMissing(LookupError):
    """No such session runs."""


def sessions_folder() -> Path:
    """Return the folder that holds a folder for each session; it need not exist."""
    chosen = os.environ.get("AYATSURI_RUNTIME_DIR")
    if chosen:
        return Path(chosen)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and sys.platform == "linux" and Path(runtime).is_dir():
        return Path(runtime) / "ayatsuri"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", tempfile.gettempdir())) / "ayatsuri" / "sessions"
    return Path(tempfile.gettempdir()) / f"ayatsuri-{os.getuid()}"


def read_session(name: str) -> dict[str, Any]:
    """Return the content of a session's file. Raises `SessionMissing`, also if it has died."""
    content = _running(name)
    if content is None:
        others = running_sessions()
        there = f"; there is: {', '.join(others)}" if others else ""
        raise SessionMissing(
            f"no session named {name!r} is running{there}: start it with `python launcher.py`"
        )
    return content


def _running(name: str) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(
            (sessions_folder() / name / FILE).read_text(encoding="utf-8")
        )
        return content if alive(content["pid"], content["start"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running_sessions() -> list[str]:
    """Return the names of the sessions that run now."""
    files = sorted(sessions_folder().glob(f"*/{FILE}"))
    return [file.parent.name for file in files if _running(file.parent.name) is not None]


def usual_session() -> str:
    """Return the session meant when none is named: "main", or the only one that runs."""
    running = running_sessions()
    return running[0] if len(running) == 1 else "main"


def open_output(
    session: str | None = None, *, timeout_s: float = 5.0, predict: bool = False, leases: int = 0
) -> RingReader:
    """Open the ring that a session gives to other programs, waiting for the session to start.

    Without a name it is the only one that runs, or "main". Frames are BGRA uint8 (height, width,
    4), straight alpha, sRGB. Raises `SessionMissing`.
    """
    end = time.monotonic() + timeout_s
    while True:
        try:
            name = read_session(session or usual_session())["output"]["segment"]
            break
        except SessionMissing:
            if time.monotonic() >= end:
                raise
        time.sleep(0.05)
    return RingReader(name, timeout_s=timeout_s, predict=predict, leases=leases)
