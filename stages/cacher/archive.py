"""A database of pictures as a whole: listed, copied to one file, taken over from one."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stages.cacher.codec import BlobRejected, frame_size_in
from stages.cacher.database import DatabaseStore
from stages.cacher.database_file import id_of, open_to_read
from stages.cacher.key import PictureKey, read_key
from stages.cacher.store import DatabaseRejected

_FLUSH_EVERY = 32


class Entry(NamedTuple):
    """One stored picture, without the picture."""

    key: PictureKey
    bytes: int


class Imported(NamedTuple):
    """What became of the entries of a file."""

    taken: int
    known: int  # there already
    refused: int  # damaged, or too large


class Archive:
    """Reads a database and never changes it. For one thread."""

    def __init__(self, path: Path) -> None:
        """Raises `DatabaseRejected`."""
        self.path = path
        self._connection = open_to_read(path)

    def __len__(self) -> int:
        return int(next(self._rows("SELECT count(*) FROM pictures"))[0])

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, the one used longest ago first."""
        for key, size in self._rows("SELECT key, bytes FROM pictures ORDER BY used"):
            try:
                yield Entry(read_key(key), size)
            except ValueError as error:
                raise DatabaseRejected(f"{self.path} holds what is no key: {error}") from error

    def blobs(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and blob of all entries, the one used longest ago first."""
        yield from self._rows("SELECT key, blob FROM pictures JOIN blobs USING (id) ORDER BY used")

    def blob(self, key: PictureKey) -> bytes | None:
        """Return one blob."""
        packed = key.packed()
        statement = "SELECT key, blob FROM pictures JOIN blobs USING (id) WHERE id = ?"
        found = next(self._rows(statement, id_of(packed)), None)
        return found[1] if found is not None and found[0] == packed else None

    def export(self, out: Path) -> None:
        """Write a copy to `out`, as it is at one moment; other sessions may go on writing."""
        if out.exists():
            raise DatabaseRejected(f"{out} is there already; name another file, or delete it")
        try:
            self._connection.execute("VACUUM INTO ?", (str(out),))
        except sqlite3.DatabaseError as error:
            out.unlink(missing_ok=True)
            raise DatabaseRejected(f"{out} could not be written ({error})") from error

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, statement: str, *values: int) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(statement, values)
        except sqlite3.DatabaseError as error:
            raise DatabaseRejected(f"{self.path} is damaged ({error})") from error


def take_over(source: Archive, store: DatabaseStore, step: Callable[[], None]) -> Imported:
    """Put all whole entries of `source` into `store`; calls `step` for each.

    Nothing in the file is trusted: keys must be keys, and blobs whole.
    """
    taken = known = refused = 0
    for key, blob in source.blobs():
        step()
        try:
            read_key(key)
            frame_size_in(blob)
        except (ValueError, BlobRejected):
            refused += 1
            continue
        if key in store:
            known += 1
        elif store.put(key, blob):
            taken += 1
            if taken % _FLUSH_EVERY == 0:
                store.flush()
        else:
            refused += 1
    store.flush()
    return Imported(taken, known, refused)
