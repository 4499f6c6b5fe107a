"""How many frames a second go from one process to another that reads every byte."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.peers import FORMAT, RECEIVERS, SENDERS
from benchmarks.rings.harness import END, PICTURES, Length, children, hear, ring_name
from shm import create_ring, now_ns
from shm.segment import create, unlink


def receive_and_touch(connection: Connection, way: str, name: str, counter: str) -> None:
    """Receive frames and add up every word; count those done in a shared word."""
    from shm.segment import open_segment

    receiver = RECEIVERS[way](name)
    shared = open_segment(counter, writable=True)
    done = shared.words
    total = 0
    connection.send("ready")
    while True:
        got = receiver.receive()
        if got is None:
            continue
        words = got[0]
        mark = int(words[0])
        total ^= int(np.bitwise_xor.reduce(words))
        receiver.done()
        if mark == END:
            break
        done[0] += 1
    connection.send(total)
    receiver.close()
    del done
    shared.close()


def throughput(length: Length, ways: list[str]) -> dict[str, Any]:
    """Send bursts of each way in turn, never more than two frames ahead of the reader."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    with ExitStack() as stack:
        parts = {}
        for number, way in enumerate(ways):
            name, counter = ring_name(f"t{number}"), ring_name(f"c{number}")
            if way.startswith("ring"):
                stack.enter_context(create_ring(name, FORMAT, 6))
            shared = create(counter, 4096)
            stack.callback(unlink, counter)
            stack.callback(shared.close)
            sender = SENDERS[way](name)
            stack.callback(sender.close)
            parts[way] = (sender, shared.words, (way, name, counter))
        connections = stack.enter_context(
            children(receive_and_touch, [part[2] for part in parts.values()])
        )
        for connection in connections:
            hear(connection)
        for _ in range(length.bursts):
            for way, (sender, done, _) in parts.items():
                rates[way].append(_burst(sender.send, done, length.burst))
        for sender, _, _ in parts.values():
            sender.send(PICTURES[0], END)
        for connection in connections:
            hear(connection)
        parts.clear()
        del done
    return {way: {"frames_per_s": round(float(np.median(found)))} for way, found in rates.items()}


def _burst(send: Callable[..., None], done: memoryview, frames: int) -> float:
    first, begun = done[0], now_ns()

    def until_done(count: int) -> None:
        while done[0] - first < count:
            os.sched_yield()
            if now_ns() - begun > 60_000_000_000:
                raise TimeoutError(f"{done[0] - first} of {count} frames arrived")

    for number in range(frames):
        until_done(number - 1)
        send(PICTURES[number & 3])
    until_done(frames)
    return frames / ((now_ns() - begun) / 1e9)
