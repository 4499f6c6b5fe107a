"""What publishing costs the writer, and waiting the reader."""

import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.peers import FORMAT, WAIT_S
from benchmarks.report import percentiles
from benchmarks.rings.harness import HZ, PICTURES, Length, children, hear, pause_until, ring_name
from shm import RingReader, RingWriter, Stamp, create_ring, now_ns


def wait_for_frames(connection: Connection, name: str) -> None:
    """Wait for frames until the ring ends."""
    with RingReader(name, timeout_s=10) as reader:
        connection.send("ready")
        while not reader.ended:
            reader.newest(WAIT_S)


def publish_cost(length: Length) -> dict[str, Any]:
    """Time loan and publish with 1, 4 and 8 readers asleep, the three in turn."""
    counts = (1, 4, 8)
    loans: dict[int, list[int]] = {count: [] for count in counts}
    publishes: dict[int, list[int]] = {count: [] for count in counts}
    with ExitStack() as stack:
        rings = [stack.enter_context(create_ring(ring_name(f"p{n}"), FORMAT, 6)) for n in counts]
        writers = [stack.enter_context(RingWriter(ring.name)) for ring in rings]
        arguments = [(ring.name,) for ring, n in zip(rings, counts, strict=True) for _ in range(n)]
        for connection in stack.enter_context(children(wait_for_frames, arguments)):
            hear(connection)
        due = now_ns()
        picture = PICTURES[0].reshape(FORMAT.shape)
        for _ in range(length.publishes):
            for writer, count in zip(writers, counts, strict=True):
                due += 1_000_000_000 // (HZ * 3)
                pause_until(due)
                before = now_ns()
                slot = writer.loan(Stamp())
                loaned = now_ns()
                slot.array[:] = picture
                filled = now_ns()
                writer.publish(slot)
                publishes[count].append(now_ns() - filled)
                loans[count].append(loaned - before)
        for ring in rings:
            ring.end()
    return {
        f"{count} readers": {
            "publish": percentiles(publishes[count]),
            "loan": percentiles(loans[count]),
        }
        for count in counts
    }


def wait_idly(connection: Connection, name: str, seconds: float) -> None:
    """Wait for a frame that never comes; send the share of a core this took."""
    with RingReader(name) as reader:
        reader.newest(0.05)
        used, begun = time.process_time_ns(), now_ns()
        reader.newest(seconds)
        connection.send((time.process_time_ns() - used) / (now_ns() - begun))


def idle(length: Length) -> dict[str, Any]:
    """Measure a reader that waits."""
    with (
        create_ring(ring_name("i"), FORMAT, 3) as ring,
        children(wait_idly, [(ring.name, length.idle_s)]) as connections,
    ):
        return {"share_of_a_core": round(hear(connections[0]), 6)}
