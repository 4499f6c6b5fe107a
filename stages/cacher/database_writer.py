"""What writes to a database of pictures: a thread with a connection of its own, off the hot path.

Puts wait in a bounded queue and are committed up to 16 at once, or after a quarter of a second;
when the queue is full they are dropped. When the disk is full, or fails, what waits is dropped
too, nothing is written for a while, and `trouble` says so.
"""

import contextlib
import sqlite3
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from stages.cacher.database_file import (
    JOURNAL_BYTES,
    PAGE_BYTES,
    id_of,
    open_file,
)
from stages.cacher.database_room import Room, delete
from stages.cacher.store import NOTHING_HELD, WHOLE, DatabaseRejected, Held, Shares

QUEUE_BYTES: Final = 16 * 2**20
# Of a budget, what is not for the file itself: the log with one transaction on top, rounded up.
RESERVED_BYTES: Final = 4 * JOURNAL_BYTES

_TOGETHER: Final = 16
_WAIT_S: Final = 0.25
_USE_S: Final = 5.0  # how often the times of last use are written when there is nothing else
_COUNT_S: Final = 1.0
_PAUSE_S: Final = 10.0  # after the disk refused
_GIVEN_BACK_PAGES: Final = 512  # in one go, to a file system, when the budget has become smaller


class DatabaseWriter(threading.Thread):
    """Writes one database. Its public methods may be called from one other thread."""

    def __init__(self, path: Path, budget_bytes: int, shares: Shares = WHOLE) -> None:
        super().__init__(name=f"writes {path.name}", daemon=True)
        self.trouble: str | None = None
        self.makers: Mapping[int, Held] = NOTHING_HELD  # as of a second ago, like what follows
        self.unwritten = 0
        self.entries = 0  # of the file, other sessions' included; as of a second ago
        self.used_bytes = 0
        self._path = path
        self._limit_bytes = budget_bytes - RESERVED_BYTES
        self.room = Room(self._limit_bytes, shares)
        self._changed = threading.Condition()
        self._puts: OrderedDict[bytes, bytes] = OrderedDict()  # in the order they came
        self._writing: dict[bytes, bytes] = {}
        self._waiting_bytes = 0
        self._removals: set[bytes] = set()
        self._uses: dict[int, int] = {}
        self._clock = 0
        self._flushing = True  # the file is opened and held to its budget at once
        self._stopping = False
        self._counted_s = 0.0
        self._again_s = 0.0  # not before this time after the disk refused

    # --- from the other thread

    def offer(self, key: bytes, blob: bytes) -> bool:
        """Take a blob to be written; False if there is no room for it now."""
        if self.trouble is not None and time.monotonic() < self._again_s:
            self.unwritten += 1
            return False
        with self._changed:
            if self._waiting_bytes + len(blob) > QUEUE_BYTES:
                self.unwritten += 1
                return False
            self._waiting_bytes += len(blob) - len(self._puts.pop(key, b""))
            self._puts[key] = blob
            self._removals.discard(key)
            if len(self._puts) in (1, _TOGETHER):
                self._changed.notify_all()
        return True

    def waiting(self, key: bytes) -> bytes | None:
        """Return a blob that is not in the file yet."""
        with self._changed:
            return self._puts.get(key, self._writing.get(key))

    def removing(self, key: bytes) -> bool:
        """Whether `key` is about to leave the file."""
        return key in self._removals

    def remove(self, key: bytes) -> None:
        """Take a key out of queue and file."""
        with self._changed:
            self._waiting_bytes -= len(self._puts.pop(key, b""))
            self._writing.pop(key, None)
            self._removals.add(key)
            self._changed.notify_all()

    def used(self, row: int) -> None:
        """Note that a row was used just now."""
        with self._changed:
            self._uses[row] = self._now()

    def flush(self, timeout_s: float) -> bool:
        """Write all that waits; False if it was not done in time."""
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._flushing, timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self.join(timeout_s)

    # --- the thread itself

    def run(self) -> None:
        """Write until stopped."""
        connection: sqlite3.Connection | None = None
        try:
            while True:
                stopping = self._wait()
                try:
                    if connection is None:
                        connection = open_file(self._path)
                        with _transaction(connection):
                            self.room.make(connection, Counter())
                        self._count(connection)
                    self._write(connection)
                    self._tell_flushed()
                    self._give_back(connection)
                except (sqlite3.Error, DatabaseRejected) as error:
                    self._give_up(error)
                    self._tell_flushed()
                if stopping and not self._puts:
                    return
        finally:
            if connection is not None:
                connection.close()

    def _tell_flushed(self) -> None:
        with self._changed:
            if not self._puts:
                self._flushing = False
                self._changed.notify_all()

    def _wait(self) -> bool:
        """Wait until there is enough to write; return whether it is the last time."""
        with self._changed:
            self._changed.wait_for(self._has_work, _USE_S)
            if self._puts and not self._is_urgent():
                self._changed.wait_for(self._is_urgent, _WAIT_S)
            return self._stopping

    def _has_work(self) -> bool:
        return bool(self._puts or self._removals) or self._is_urgent()

    def _is_urgent(self) -> bool:
        return self._flushing or self._stopping or len(self._puts) >= _TOGETHER

    def _write(self, connection: sqlite3.Connection) -> None:
        """Commit one transaction with a part of what waits."""
        with self._changed:
            uses, self._uses = self._uses, {}
            puts = self._take()
            self._writing = dict(puts)
            removals = list(self._removals)
        if not (uses or puts or removals):
            return
        try:
            with _transaction(connection):
                self._change(connection, puts, removals, uses)
            if puts:  # what only changes the file may fit where nothing more does
                self.trouble = None
            if self._flushing or time.monotonic() - self._counted_s > _COUNT_S:
                self._count(connection)
        finally:
            with self._changed:
                self._removals.difference_update(removals)
                self._waiting_bytes -= sum(map(len, self._writing.values()))
                self._writing = {}

    def _take(self) -> dict[bytes, bytes]:
        """Take from the queue what is written together: a few, and never half a share."""
        taken: dict[bytes, bytes] = {}
        size = 0
        while self._puts and len(taken) < _TOGETHER and size <= self.room.least_bytes // 4:
            key, blob = self._puts.popitem(last=False)
            taken[key] = blob
            size += len(blob)
        return taken

    def _change(
        self,
        connection: sqlite3.Connection,
        puts: dict[bytes, bytes],
        removals: Iterable[bytes],
        uses: dict[int, int],
    ) -> None:
        """What one transaction does."""
        run_all = connection.executemany
        delete(connection, [id_of(key) for key in removals])
        run_all(
            "UPDATE pictures SET used = ? WHERE id = ?", [(when, row) for row, when in uses.items()]
        )
        delete(connection, [id_of(key) for key in puts])
        wanted: Counter[int] = Counter()
        for key, blob in puts.items():
            wanted[key[-1]] += len(key) + len(blob)
        self.room.make(connection, wanted)
        rows = [(id_of(key), key, self._now(), len(blob), blob) for key, blob in puts.items()]
        run_all("INSERT INTO pictures VALUES (?, ?, ?, ?)", [row[:4] for row in rows])
        run_all("INSERT INTO blobs VALUES (?, ?)", [(row[0], row[4]) for row in rows])

    def _count(self, connection: sqlite3.Connection) -> None:
        (self.entries,) = connection.execute(
            "SELECT coalesce(sum(pictures), 0) FROM makers"
        ).fetchone()
        self.makers = self.room.shared(connection)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        self.used_bytes = pages * PAGE_BYTES
        self._counted_s = time.monotonic()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        """Give space back to the file system while nothing waits, if the budget was larger."""
        while self.used_bytes > self._limit_bytes and not self._has_work():
            excess = (self.used_bytes - self._limit_bytes) // PAGE_BYTES + 1
            pages = min(excess, _GIVEN_BACK_PAGES)
            connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
            before = self.used_bytes
            self._count(connection)
            if self.used_bytes >= before:
                return

    def _give_up(self, error: Exception) -> None:
        """Drop what waits and say why."""
        self._again_s = time.monotonic() + _PAUSE_S
        self.trouble = f"pictures are not kept in {self._path} for now: {error}"
        with self._changed:
            self.unwritten += len(self._puts)
            self._puts.clear()
            self._waiting_bytes = 0

    def _now(self) -> int:
        """Return a time for `used`, never twice the same; of the day, so that sessions agree."""
        self._clock = max(self._clock + 1, time.time_ns())
        return self._clock


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
