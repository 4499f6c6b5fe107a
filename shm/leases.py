"""The reader table: who holds which entry, and so which leases. Its readers write it themselves.

Entries are given out and taken back under a lock of their own, which no frame ever waits for.
"""

import contextlib
import os

from shm import layout
from shm.attached import AttachedRing
from shm.fence import Order
from shm.identity import alive, start_time
from shm.lock import reader_table

_READER = {name: offset // 8 for name, offset in layout.offsets(layout.READER).items()}
PID, START, LEASE = _READER["pid"], _READER["start"], _READER["lease"]  # words of an entry
ENTRIES = [
    (layout.READER_TABLE + number * layout.READER_BYTES) // 8
    for number in range(layout.READER_COUNT)
]


class LeaseRefused(RuntimeError):
    """No lease can be had."""


def claim(ring: AttachedRing, count: int) -> list[int]:
    """Take so many entries and return their first words; those of dead processes count as free.

    Raises `LeaseRefused`; then none is taken.
    """
    store, load, pid = ring.order.store_release, ring.order.load_acquire, os.getpid()
    with reader_table(ring.segment.name):
        free = [
            entry
            for entry in ENTRIES
            if not (holder := load(entry + PID)) or not alive(holder, load(entry + START))
        ]
        if len(free) < count:
            raise LeaseRefused(
                f"{count} leases wanted, {len(free)} of {layout.READER_COUNT} entries of "
                f"{ring.segment.name!r} are free: close other readers that lease"
            )
        for entry in free[:count]:
            store(entry + LEASE, 0)
            store(entry + START, start_time(pid))
            store(entry + PID, pid)
    return free[:count]


def reap(name: str, order: Order) -> int:
    """Free the entries, and so the leases, of readers that are gone; return how many."""

    def dead() -> list[int]:
        held = [(entry, order.load_acquire(entry + PID)) for entry in ENTRIES]
        return [
            entry
            for entry, pid in held
            if pid and not alive(pid, order.load_acquire(entry + START))
        ]

    reaped: list[int] = []
    if dead():
        # A look under the lock decides: a reader may be claiming that entry just now. Where the
        # lock cannot be had the next look, in half a second, is soon enough.
        with contextlib.suppress(OSError), reader_table(name):
            reaped = dead()
            for entry in reaped:
                order.store_release(entry + LEASE, 0)
                order.store_release(entry + PID, 0)
    return len(reaped)
