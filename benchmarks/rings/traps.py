"""Ways that look right and are not: why the rings store, wait and reserve as they do."""

import ctypes
import struct
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.peers import NBYTES, WAIT_S
from benchmarks.report import percentiles
from benchmarks.rings.harness import HZ, PICTURES, Length, children, hear, pause_until, ring_name
from shm import FrameFormat, Kind, RingReader, RingWriter, Stamp, create_ring, now_ns
from shm.segment import create, prefault, unlink


def store_words(connection: Connection, name: str, how: str, seconds: float) -> None:
    """Store two values in turn in one word, never zero."""
    from shm.segment import open_segment

    shared = open_segment(name, writable=True)
    words, buffer, pack = shared.words, shared.data.data, struct.Struct("<Q").pack_into
    words[0] = 1
    connection.send("ready")
    values = (2**64 - 1, 2**63 + 1)
    end = now_ns() + int(seconds * 1e9)
    while now_ns() < end:
        for value in values * 200:
            if how == "struct.pack_into":
                pack(buffer, 0, value)
            else:
                words[0] = value
    connection.send("done")
    del words, buffer
    shared.close()


def word_tearing(length: Length) -> dict[str, Any]:
    """Count how often another process sees a zero that nobody stored."""
    found = {}
    for how in ("struct.pack_into", "memoryview item"):
        name = ring_name("w")
        shared = create(name, 4096)
        try:
            with children(store_words, [(name, how, length.trap_s)]) as (connection,):
                hear(connection)
                words, zeros, looks = shared.words, 0, 0
                while not connection.poll(0):
                    zeros += sum(words[0] == 0 for _ in range(5000))
                    looks += 5000
                del words
        finally:
            shared.close()
            unlink(name)
        found[how] = {"looks": looks, "zeros_percent": round(100 * zeros / looks, 3)}
    return found


def receive_beside_a_busy_thread(
    connection: Connection, name: str, interval_s: float, frames: int
) -> None:
    """Receive while another thread of this process computes; send the ages."""
    if interval_s:
        sys.setswitchinterval(interval_s)
    stop = False

    def compute() -> None:
        number = 0
        while not stop:
            number += 1

    with RingReader(name) as reader:
        thread = threading.Thread(target=compute, daemon=True)
        thread.start()
        connection.send("ready")
        ages: list[int] = []
        while len(ages) < frames:
            frame = reader.newest(WAIT_S)
            at = now_ns()
            if frame is not None:
                ages.append(at - frame.published_ns)
        stop = True
        thread.join()
    connection.send(ages)


def busy_receiver(length: Length) -> dict[str, Any]:
    """Hand over to a process with a busy Python thread, at two switch intervals."""
    small = FrameFormat(Kind.ENCODED, "uint8", (64,))
    found = {}
    for label, interval in (("default (5 ms)", 0.0), ("0.1 ms", 1e-4)):
        with (
            create_ring(ring_name("g"), small, 6) as ring,
            RingWriter(ring.name) as writer,
            children(
                receive_beside_a_busy_thread,
                [(ring.name, interval, int(length.trap_s * HZ))],
            ) as (connection,),
        ):
            hear(connection)
            due = now_ns()
            while not connection.poll(0):
                due += 1_000_000_000 // HZ
                pause_until(due)
                writer.publish(writer.loan(Stamp()))
            found[label] = percentiles(hear(connection))
    return found


def first_touch() -> dict[str, Any]:
    """Fill a fresh 1 MiB slot whose pages are reserved only, or brought in."""
    times: dict[str, list[int]] = {"reserved": [], "prefaulted": [], "second time": []}
    for _ in range(30):
        for how in ("reserved", "prefaulted"):
            name = ring_name("f")
            shared = create(name, NBYTES)
            try:
                if how == "prefaulted":
                    prefault(shared)
                for label in (how, "second time"):
                    before = now_ns()
                    ctypes.memmove(shared.address, PICTURES[0].ctypes.data, NBYTES)
                    times[label].append(now_ns() - before)
            finally:
                shared.close()
                unlink(name)
    return {label: percentiles(found) for label, found in times.items()}
