"""Blobs in a file that several sessions may share, the least recently used evicted first.

    get ──▶ a connection that only reads        put, remove ──▶ queue ──▶ thread that writes

What was put is found at once by who put it, and by other sessions once it is written. Killed at any
moment, a session loses what was still in the queue and nothing else.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from stages.cacher.database_file import id_of, open_file
from stages.cacher.database_writer import RESERVED_BYTES, DatabaseWriter
from stages.cacher.store import WHOLE, DatabaseRejected, Shares, Statistics

LEAST_BUDGET_BYTES: Final = 2 * RESERVED_BYTES
_READ_WAIT_MS: Final = 5  # a reader that would have to wait longer makes it a miss
_CLOSE_S: Final = 5.0

_FIND = "SELECT key, blob FROM pictures JOIN blobs USING (id) WHERE id = ?"


class DatabaseStore:
    """A `Store` in the file at `path`. The file with its log stays within the budget."""

    def __init__(self, path: Path, budget_bytes: int, shares: Shares = WHOLE) -> None:
        """Raises `DatabaseRejected` for a file that is damaged or of something else."""
        if budget_bytes < LEAST_BUDGET_BYTES:
            raise ValueError(f"budget_bytes is {budget_bytes}, allowed is {LEAST_BUDGET_BYTES} up")
        self._path = path
        self._budget_bytes = budget_bytes
        self._reader = open_file(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._reader.execute(f"PRAGMA busy_timeout = {_READ_WAIT_MS}")
        self._writer = DatabaseWriter(path, budget_bytes, shares)
        self._writer.start()
        self._unreadable: str | None = None
        self._hits = self._misses = self._refused = 0

    @property
    def trouble(self) -> str | None:
        """Why nothing is written, or read, at the moment."""
        return self._unreadable or self._writer.trouble

    def __contains__(self, key: bytes) -> bool:
        """Whether `key` is kept, or about to be; counts as neither hit nor use."""
        if self._writer.waiting(key) is not None:
            return True
        found = self._look("SELECT key FROM pictures WHERE id = ?", id_of(key))
        return found is not None and found[0] == key and not self._writer.removing(key)

    def get(self, key: bytes) -> bytes | None:
        """Return the blob and note its use; None, counted as a miss, if there is none."""
        blob = self._writer.waiting(key)
        if blob is None and not self._writer.removing(key):
            row = id_of(key)
            found = self._look(_FIND, row)
            # Two keys with one hash of 64 bits: the one written later is kept.
            if found is not None and found[0] == key:
                blob = found[1]
                self._writer.used(row)
        self._hits += blob is not None
        self._misses += blob is None
        return blob

    def note_use(self, key: bytes) -> None:
        """Count `key` as used just now, if it is there."""
        self._writer.used(id_of(key))

    def put(self, key: bytes, blob: bytes) -> bool:
        """Have `blob` written; False if it is too large or the writer cannot keep up."""
        if len(blob) > self._writer.room.own_bytes(key[-1]) // 4:
            self._refused += 1
            self.remove(key)
            return False
        return self._writer.offer(key, blob)

    def remove(self, key: bytes) -> None:
        """Forget `key`, if it is there."""
        self._writer.remove(key)

    def keys(self, count: int, ending: bytes = b"") -> list[bytes]:
        """Return the keys used last that end so, at most so many, of those that are written."""
        try:
            # Of `substr`, -0 would be the whole key.
            found = self._reader.execute(
                "SELECT key FROM pictures WHERE ?2 = x'' OR substr(key, -length(?2)) = ?2 "
                "ORDER BY used DESC LIMIT ?1",
                (count, ending),
            ).fetchall()
        except sqlite3.DatabaseError:
            return []
        return [bytes(key) for (key,) in found]

    def flush(self, timeout_s: float = _CLOSE_S) -> bool:
        """Write what waits; False if that took longer than `timeout_s`."""
        return self._writer.flush(timeout_s)

    def statistics(self) -> Statistics:
        """The counts of this session; entries and bytes are those of the file, a second ago."""
        return Statistics(
            hits=self._hits,
            misses=self._misses,
            evictions=self._writer.room.evictions.total(),
            refused=self._refused,
            entries=self._writer.entries,
            used_bytes=self._writer.used_bytes,
            budget_bytes=self._budget_bytes,
            unwritten=self._writer.unwritten,
            makers=self._writer.makers,
        )

    def close(self) -> None:
        """Write what waits, for some seconds at most, and let the file go."""
        self._writer.stop(_CLOSE_S)
        with contextlib.suppress(sqlite3.Error):
            self._reader.close()

    def _look(self, statement: str, *values: int) -> tuple[bytes, bytes] | None:
        """Return one row. A file that cannot be read holds nothing."""
        try:
            found: tuple[bytes, bytes] | None = self._reader.execute(statement, values).fetchone()
        except sqlite3.DatabaseError as error:
            is_busy = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
            if not is_busy:
                self._unreadable = f"{self._path} cannot be read: {error}"
            return None
        return found


__all__ = ["LEAST_BUDGET_BYTES", "DatabaseRejected", "DatabaseStore"]
