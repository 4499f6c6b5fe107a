"""Room in a database of pictures: whose share is how large, and who gives up what for others."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import Final

from stages.cacher.database_file import PAGE_BYTES
from stages.cacher.store import Held, Shares

_SLACK_BYTES: Final = 8 * PAGE_BYTES  # what the tables and their indices grow by besides


class Room:
    """A limit for a file, shared out among makers of pictures as `stages.cacher.store` says.

    For the one thread that writes.
    """

    def __init__(self, limit_bytes: int, shares: Shares) -> None:
        self.evictions: Counter[int] = Counter()  # by maker
        self._limit_bytes = limit_bytes
        self._own = {maker: int(share * limit_bytes) for maker, share in shares.items()}

    def own_bytes(self, maker: int) -> int:
        """Return how much nobody can push this maker's pictures out of."""
        return self._own.get(maker, 0) if self._own else self._limit_bytes

    @property
    def least_bytes(self) -> int:
        """The smallest of the shares."""
        return min((own for own in self._own.values() if own), default=self._limit_bytes)

    def make(self, connection: sqlite3.Connection, wanted: Counter[int]) -> None:
        """Evict what was used longest ago until so many bytes more, by maker, fit."""
        more = wanted.total() + _SLACK_BYTES
        while _filled_bytes(connection) + more > self._limit_bytes:
            held = {maker: found for maker, found in self.held(connection).items() if found.entries}
            if not held:
                return
            most = max(held, key=lambda m: held[m].used_bytes + wanted[m] - held[m].own_bytes)
            delete(connection, _oldest(connection, most if self._own else None))
            self.evictions[most] += 1

    def held(self, connection: sqlite3.Connection) -> dict[int, Held]:
        """What there is of each maker: of the file's pages, as large a part as of its bytes."""
        found = connection.execute("SELECT maker, pictures, bytes FROM makers").fetchall()
        filled, whole = _filled_bytes(connection), sum(size for _, _, size in found)
        sizes = {int(name, 16): (count, size) for name, count, size in found}
        return {
            maker: Held(
                entries=sizes.get(maker, (0, 0))[0],
                used_bytes=filled * sizes.get(maker, (0, 0))[1] // max(1, whole),
                own_bytes=self.own_bytes(maker),
                evictions=self.evictions[maker],
            )
            for maker in self._own.keys() | sizes.keys()
        }

    def shared(self, connection: sqlite3.Connection) -> dict[int, Held]:
        """The same, of those with a share."""
        return {m: found for m, found in self.held(connection).items() if m in self._own}


def delete(connection: sqlite3.Connection, rows: Iterable[int]) -> None:
    """Delete pictures by their row numbers."""
    for table in ("pictures", "blobs"):
        connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(row,) for row in rows])


def _oldest(connection: sqlite3.Connection, maker: int | None) -> tuple[int, ...]:
    """Return the row of the picture used longest ago, of one maker or of any."""
    if maker is None:
        found = connection.execute("SELECT id FROM pictures ORDER BY used LIMIT 1")
    else:
        mine = "hex(substr(key, -1)) = ?"  # as the index has it
        found = connection.execute(
            f"SELECT id FROM pictures WHERE {mine} ORDER BY used LIMIT 1", (f"{maker:02X}",)
        )
    return tuple(found.fetchone() or ())


def _filled_bytes(connection: sqlite3.Connection) -> int:
    """What the file needs at least: its pages without the free ones."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages - free) * PAGE_BYTES
