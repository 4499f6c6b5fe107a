"""How old a frame is when a reader has it, at 60 frames a second."""

import random
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.peers import FORMAT, RECEIVERS, SENDERS
from benchmarks.report import percentiles
from benchmarks.rings.harness import (
    END,
    HZ,
    PICTURES,
    Length,
    children,
    hear,
    pause_until,
    ring_name,
)
from shm import create_ring, now_ns


def receive_marks(connection: Connection, way: str, name: str) -> None:
    """Receive frames; send their ages at the view in ns, and this process's processor time."""
    receiver = RECEIVERS[way](name)
    ages: list[int] = []
    connection.send("ready")
    begun = 0
    while True:
        got = receiver.receive()
        if got is None:
            continue
        words, at = got
        mark = int(words[0])
        if not receiver.done():
            continue
        if not begun:  # the first frame: only now does the time of the run begin
            begun, used = at, time.process_time_ns()
        if mark == END:
            break
        ages.append(at - mark)
    share = (time.process_time_ns() - used) / (now_ns() - begun)
    connection.send((ages, share))
    receiver.close()


def hand_over(length: Length, ways: list[str]) -> dict[str, Any]:
    """Send frames of all ways in turn, each way `HZ` times a second."""
    names = {way: ring_name(f"h{number}") for number, way in enumerate(ways)}
    chance = random.Random(1)
    with ExitStack() as stack:
        for way in ways:
            if way.startswith("ring"):
                stack.enter_context(create_ring(names[way], FORMAT, 6))
        senders = {way: SENDERS[way](names[way]) for way in ways}
        for sender in senders.values():
            stack.callback(sender.close)
        connections = stack.enter_context(
            children(receive_marks, [(way, names[way]) for way in ways])
        )
        for connection in connections:
            hear(connection)
        order = list(ways)
        due = now_ns() + 100_000_000
        for number in range(length.rounds):
            if number % 240 == 0:  # neighbours change, the beat of each way hardly does
                chance.shuffle(order)
            for way in order:
                pause_until(due)
                due += 1_000_000_000 // (HZ * len(ways))
                senders[way].send(PICTURES[number & 3])
        time.sleep(0.1)
        for way in ways:
            senders[way].send(PICTURES[0], END)
        told = {way: hear(c) for way, c in zip(ways, connections, strict=True)}
    skip = length.rounds // 20  # warming up
    return {
        way: {**percentiles(ages[skip:]), "reader_cpu": round(share, 4)}
        for way, (ages, share) in told.items()
    }
