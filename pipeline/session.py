"""The session's folder: who holds the name, what others are told, what a dead session left."""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from shm.lock import FileLock, Locked
from shm.owner import remove_stale_rings
from shm.session import FILE, SessionMissing, read_session, sessions_folder
from stages.stage import StartFailed

RING_PREFIX = "aya-"
_ENDING_S = 5.0  # how long a session that has ended or died may take to clean up
_LONGEST_SOCKET_PATH = 100  # sockaddr_un holds 108 bytes on Linux and 104 on macOS


class SessionFolder:
    """A session's own folder, held by a lock that a killed launcher cannot keep."""

    def __init__(self, name: str) -> None:
        """Claim the name and clean up after dead sessions. Raises `StartFailed` if it is in use."""
        self.name = name
        self.path = sessions_folder() / name
        _make_own(sessions_folder())
        self._lock = self._claim()
        self.cleaned = self._clean()

    def _claim(self) -> FileLock:
        """Hold the folder's lock; a session that is just ending is waited for."""
        end = time.monotonic() + _ENDING_S
        while True:
            _make_own(self.path)
            self.path.chmod(0o700)  # only this one: the folder around it is the user's to share
            lock = FileLock(self.path / "lock", make=True)
            try:
                lock.acquire()
                if lock.is_current():
                    return lock
                lock.release()
            except FileNotFoundError:
                pass  # the folder was removed before we could lock it, or while we did
            except Locked:
                if self._lives() or time.monotonic() > end:
                    raise StartFailed(
                        f'a session named "{self.name}" is running already: give this one another '
                        "name with --session NAME, or end that one with "
                        f"`launcher.py stop --session {self.name}`"
                    ) from None
                time.sleep(0.02)

    def _lives(self) -> bool:
        try:
            read_session(self.name)
        except SessionMissing:
            return False
        return True

    def _clean(self) -> list[str]:
        """Remove what a dead session of this name left: its files and its rings."""
        for left in self.path.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            elif left.name != "lock":
                left.unlink(missing_ok=True)
        # Only our own name's rings: another session's may be half made by a launcher that lives.
        return remove_stale_rings(f"{RING_PREFIX}{self.name}-")

    def endpoint(self, name: str) -> str:
        """Return an address for a socket of this session that only this user can reach."""
        if sys.platform == "win32":
            return "tcp://127.0.0.1:*"
        path = self.path / f"{name}.sock"
        if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
            raise StartFailed(
                f"{self.path} is too long a path for a socket: set AYATSURI_RUNTIME_DIR to a "
                "shorter folder"
            )
        return f"ipc://{path}"

    def file(self, name: str) -> Path:
        """Return the path of a file that lives as long as the session."""
        return self.path / name

    def tell(self, content: dict[str, Any]) -> None:
        """Replace the session file as a whole: a reader sees the old one or the new one."""
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=FILE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        Path(temporary).replace(self.path / FILE)

    def close(self) -> None:
        """Remove the folder and give the name back."""
        (self.path / FILE).unlink(missing_ok=True)
        if sys.platform != "win32":  # an open file cannot be removed there
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()

    def __enter__(self) -> "SessionFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make_own(folder: Path) -> None:
    """Make a folder for us alone; one that belongs to somebody else is not trusted."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartFailed(
            f"{folder} cannot be made ({error.strerror}): set AYATSURI_RUNTIME_DIR to a folder of "
            "your own"
        ) from error
    if sys.platform == "win32":
        return
    if folder.stat().st_uid != os.getuid():
        raise StartFailed(
            f"{folder} belongs to another user: set AYATSURI_RUNTIME_DIR to a folder of your own"
        )


def wait_for_end(name: str, timeout_s: float = 10.0) -> None:
    """Return when the session has ended. Raises `StartFailed` if it has not after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            read_session(name)
        except SessionMissing:
            return
        time.sleep(0.02)
    raise StartFailed(f'the session "{name}" did not end in {timeout_s:g} s')
