"""What every part of the benchmark uses: its length, its pictures, its ring names, its readers."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers import NBYTES
from shm import now_ns

END = 1  # a mark that is no time: the last frame
HZ = 60
PICTURES = [np.random.default_rng(n).integers(0, 256, NBYTES, np.uint8) for n in range(4)]
_spawn = multiprocessing.get_context("spawn")


class Length(NamedTuple):
    """How long each part runs."""

    rounds: int  # frames of each way in the hand-over
    burst: int  # frames in a burst of the throughput
    bursts: int
    publishes: int
    idle_s: float
    trap_s: float


FULL = Length(2400, 300, 7, 600, 5.0, 2.0)
QUICK = Length(60, 30, 2, 40, 0.5, 0.2)


def ring_name(tag: str) -> str:
    """Return a ring name of this run."""
    return f"aya-b-{os.getpid()}-{tag}"


_SPIN_NS = 1_500_000


def pause_until(due_ns: int) -> None:
    """Return at a time, to the microsecond; at once if it is over.

    A sleep alone ends up to a millisecond late here, now and then: no steady beat to compare on.
    """
    left = due_ns - _SPIN_NS - now_ns()
    if left > 0:
        time.sleep(left / 1e9)
    while now_ns() < due_ns:
        pass


@contextmanager
def children(function: Callable[..., None], arguments: list[tuple[Any, ...]]) -> Iterator[list]:
    """Run `function(connection, *arguments)` in a process for each; give the connections."""
    running = []
    for one in arguments:
        ours, theirs = _spawn.Pipe()
        process = _spawn.Process(target=function, args=(theirs, *one), daemon=True)
        process.start()
        theirs.close()
        running.append((process, ours))
    try:
        yield [connection for _, connection in running]
    finally:
        for process, connection in running:
            connection.close()
            process.join(10)
            process.kill()


def hear(connection: Connection) -> Any:
    """Return what a reader process says next; raise if that takes a minute."""
    if not connection.poll(60):
        raise TimeoutError("a reader process said nothing for a minute")
    return connection.recv()
