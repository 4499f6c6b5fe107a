"""Memory in front of a database: what was used lately is found without reading a file."""

from stages.cacher.database import DatabaseStore
from stages.cacher.store import RamStore, Statistics


class LayeredStore:
    """A `Store` of two: `ram` is asked first, `database` keeps what both were given."""

    def __init__(self, ram: RamStore, database: DatabaseStore) -> None:
        self.ram = ram
        self.database = database

    @property
    def trouble(self) -> str | None:
        """What keeps the database from storing."""
        return self.database.trouble

    def __contains__(self, key: bytes) -> bool:
        """Whether either holds `key`."""
        return key in self.ram or key in self.database

    def get(self, key: bytes) -> bytes | None:
        """Return the blob; one found in the database is in memory from then on."""
        blob = self.ram.get(key)
        if blob is not None:
            self.database.note_use(key)  # or it would be evicted for being asked for so often
        elif (blob := self.database.get(key)) is not None:
            self.ram.put(key, blob)
        return blob

    def put(self, key: bytes, blob: bytes) -> bool:
        """Keep `blob` in both; False if neither took it."""
        in_memory = self.ram.put(key, blob)
        return self.database.put(key, blob) or in_memory

    def remove(self, key: bytes) -> None:
        """Forget `key` in both."""
        self.ram.remove(key)
        self.database.remove(key)

    def keys(self, count: int, ending: bytes = b"") -> list[bytes]:
        """Return the keys used last that end so, at most so many: those in memory first."""
        found = self.ram.keys(count, ending) + self.database.keys(count, ending)
        return list(dict.fromkeys(found))[:count]

    def statistics(self) -> Statistics:
        """A hit of either is a hit; entries and bytes are the database's, evictions those of both.

        Each has statistics of its own.
        """
        ram, database = self.ram.statistics(), self.database.statistics()
        return database._replace(
            hits=ram.hits + database.hits,
            evictions=ram.evictions + database.evictions,
            makers={
                maker: held._replace(evictions=held.evictions + ram.makers[maker].evictions)
                for maker, held in database.makers.items()
                if maker in ram.makers
            },
        )

    def close(self) -> None:
        """Write what waits, and let both go."""
        self.database.close()
        self.ram.close()
