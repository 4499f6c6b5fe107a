"""The file of a database of pictures: made, recognised, and refused when it is not one of ours.

SQLite with a write-ahead log. Pictures have two tables, so that looking for one reads none:

    pictures   id, key, used, bytes       id: 64 bits of a hash of the key; used: when, for eviction
    blobs      id, blob
    makers     maker, pictures, bytes     of each last byte of a key, in hexadecimal; by triggers,
                                          so that it holds whoever writes

A file that is something else is never written to: until it is known to be ours, or empty, it is
only read.
"""

import hashlib
import re
import sqlite3
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from stages.cacher.store import DatabaseRejected

APPLICATION_ID: Final = 0x61796163  # "ayac"
LAYOUT: Final = 1  # goes up with any change of the tables; kept in the file's user_version
PAGE_BYTES: Final = 8192
# The log is emptied into the file when it has grown so large; one transaction may come on top.
JOURNAL_BYTES: Final = 4 * 2**20

_MAGIC: Final = b"SQLite format 3\0"
_OPEN_S: Final = 5.0
_HEADER = struct.Struct(">16sH10xI36xI")  # magic, page size, pages, application id

_looking = threading.RLock()
_open: Counter[tuple[int, int]] = Counter()  # connections of this process, by device and inode

_SCHEMA = """
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, used INTEGER NOT NULL, bytes INTEGER NOT NULL
);
CREATE INDEX by_use ON pictures (used, bytes);
CREATE TABLE blobs (id INTEGER PRIMARY KEY, blob BLOB NOT NULL);
"""

# Files of this layout that were made without it get it when they are opened to be written to.
_MAKERS = """
CREATE TABLE makers (maker TEXT PRIMARY KEY, pictures INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO makers SELECT hex(substr(key, -1)), count(*), sum(bytes) FROM pictures GROUP BY 1;
CREATE INDEX by_maker ON pictures (hex(substr(key, -1)), used);
CREATE TRIGGER picture_came AFTER INSERT ON pictures BEGIN
    INSERT OR IGNORE INTO makers VALUES (hex(substr(new.key, -1)), 0, 0);
    UPDATE makers SET pictures = pictures + 1, bytes = bytes + new.bytes
    WHERE maker = hex(substr(new.key, -1));
END;
CREATE TRIGGER picture_went AFTER DELETE ON pictures BEGIN
    UPDATE makers SET pictures = pictures - 1, bytes = bytes - old.bytes
    WHERE maker = hex(substr(old.key, -1));
END;
"""
_HAS_MAKERS = "SELECT count(*) FROM sqlite_master WHERE name = 'makers'"


def id_of(key: bytes) -> int:
    """Return the 64-bit row number of a key: the same in every process."""
    digest = hashlib.blake2b(key, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def open_file(path: Path) -> sqlite3.Connection:
    """Open the database at `path` for this thread, making it if there is none.

    Raises `DatabaseRejected` for a file that is damaged, of something else or of another version.
    """
    try:
        with _looking:
            _refuse_what_is_not_ours(path)
            connection = _Connection(path, timeout=_OPEN_S, isolation_level=None)
    except sqlite3.Error as error:
        raise DatabaseRejected(f"{path} cannot be opened ({error})") from error
    try:
        _patiently(lambda: _prepare(connection, path))
    except sqlite3.DatabaseError as error:
        connection.close()
        raise _rejected(path, error) from error
    except DatabaseRejected:
        connection.close()
        raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the database at `path` without ever writing to it. Raises `DatabaseRejected`."""
    if not path.is_file():
        raise DatabaseRejected(f"there is no database at {path}; check the path")
    try:
        with _looking:
            _refuse_what_is_not_ours(path)
            connection = _read_only(path)
        _check_layout(connection, path)
    except sqlite3.DatabaseError as error:
        raise _rejected(path, error) from error
    return connection


def _refuse_what_is_not_ours(path: Path) -> None:
    """Look at a file without changing a byte of it. The caller holds `_looking`."""
    if path.is_dir():
        raise DatabaseRejected(f"{path} is a folder; give the path of a file for the database")
    if not path.parent.is_dir():
        raise DatabaseRejected(f"there is no folder {path.parent} for the database; make it first")
    if not path.exists() or path.stat().st_size == 0:
        return
    # Opened by ourselves only before SQLite has it: closing a file drops all locks that this
    # process holds on it, and another one would take the log for its own
    # (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    if not _open[_inode(path)]:
        _refuse_other_head(path)


def _refuse_other_head(path: Path) -> None:
    """Look at the first bytes of a file that no connection of this process has open."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except OSError as error:
        raise DatabaseRejected(f"{path} cannot be read ({error.strerror})") from error
    if len(head) < _HEADER.size or not head.startswith(_MAGIC):
        raise _foreign(path)
    _, page_bytes, pages, application = _HEADER.unpack(head)
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    log = path.with_name(path.name + "-wal")
    # With a log beside it the file may be behind its own header.
    is_whole = path.stat().st_size >= page_bytes * pages
    if not is_whole and not (log.exists() and log.stat().st_size):
        raise DatabaseRejected(
            f"{path} is damaged: it ends after {path.stat().st_size} of {page_bytes * pages} "
            "bytes; delete it, or name another file"
        )
    if application != APPLICATION_ID:
        _refuse_other_tables(path)


def _refuse_other_tables(path: Path) -> None:
    """Refuse somebody else's database; not one that is empty, or whose header is in the log."""
    try:
        connection = _read_only(path)
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise _rejected(path, error) from error
    if application != APPLICATION_ID and tables:
        raise _foreign(path)


class _Connection(sqlite3.Connection):
    """One that is counted while it is open."""

    def __init__(self, path: Path | str, **how: Any) -> None:
        super().__init__(path, **how)
        file = self.execute("PRAGMA database_list").fetchone()[2]
        self._inode: tuple[int, int] | None = _inode(Path(file))
        with _looking:
            _open[self._inode] += 1

    def close(self) -> None:
        super().close()
        with _looking:
            if self._inode is not None:
                _open[self._inode] -= 1
            self._inode = None


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _read_only(path: Path) -> sqlite3.Connection:
    return _Connection(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_OPEN_S, isolation_level=None
    )


def _patiently(work: Callable[[], None]) -> None:
    """Do it again while another session holds the file: changing to a log waits for nobody."""
    end = time.monotonic() + _OPEN_S
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            threading.Event().wait(0.01)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables if there are none, check them, and set what holds for one connection."""
    run = connection.execute
    if run("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
        _make(connection)
    _check_layout(connection, path)
    if run(_HAS_MAKERS).fetchone() == (0,):
        _run_all(connection, _HAS_MAKERS, (0,), _MAKERS)
    run("PRAGMA journal_mode = WAL")  # which a copy of a database does not have
    run("PRAGMA synchronous = NORMAL")
    run(f"PRAGMA wal_autocheckpoint = {JOURNAL_BYTES // PAGE_BYTES}")
    run(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
    # Debian's SQLite has it on: evicting would write every freed byte anew.
    run("PRAGMA secure_delete = OFF")
    # No mmap: were the file cut short by somebody, reading it would be a SIGBUS and no error.


def _make(connection: sqlite3.Connection) -> None:
    run = connection.execute
    run(f"PRAGMA page_size = {PAGE_BYTES}")
    run("PRAGMA auto_vacuum = INCREMENTAL")  # so that a smaller budget can give space back
    run("PRAGMA journal_mode = WAL")
    named = f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {LAYOUT};\n"
    _run_all(connection, "PRAGMA application_id", (0,), _SCHEMA + named)


def _run_all(
    connection: sqlite3.Connection, question: str, answer: tuple[int], statements: str
) -> None:
    """Run all statements or none, unless another session was quicker: then the answer differs."""
    run = connection.execute
    run("BEGIN IMMEDIATE")
    try:
        if run(question).fetchone() == answer:
            # Those within a trigger are indented.
            for statement in re.split(r";\n(?! |END)", statements.strip()):
                run(statement)
    except BaseException:
        run("ROLLBACK")
        raise
    run("COMMIT")


def _check_layout(connection: sqlite3.Connection, path: Path) -> None:
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout != LAYOUT:
        raise DatabaseRejected(
            f"{path} was written by another version (layout {layout}, this is {LAYOUT}); delete "
            "it, or name another file"
        )
    # Reads the whole index, and with it finds damage in the part that every look-up needs.
    connection.execute("SELECT count(*), sum(bytes) FROM pictures").fetchone()


def _foreign(path: Path) -> DatabaseRejected:
    return DatabaseRejected(
        f"{path} is not a database of pictures of ayatsuri; it was left as it is: name another file"
    )


def _rejected(path: Path, error: sqlite3.DatabaseError) -> DatabaseRejected:
    if isinstance(error, sqlite3.OperationalError):
        return DatabaseRejected(
            f"{path} cannot be used as a database ({error}); give a file on a local disk that can "
            "be written"
        )
    return DatabaseRejected(f"{path} is damaged ({error}); delete it, or name another file")
