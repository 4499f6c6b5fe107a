"""The rings against their peers and their targets: `python -m benchmarks.rings [--quick]`.

Everything that is compared runs interleaved in one run, and only ratios are judged: microseconds
belong to one machine at one moment. Writes `benchmarks/results/rings.json`, with --quick nothing.
"""

import argparse
import ctypes
import multiprocessing
import os
import random
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers import FORMAT, NBYTES, RECEIVERS, SENDERS, WAIT_S, available
from benchmarks.report import machine, percentiles, ratio, save, table
from shm import FrameFormat, Kind, RingReader, RingWriter, Stamp, create_ring, now_ns
from shm.segment import create, prefault, unlink

END = 1  # a mark that is no time: the last frame
HZ = 60
_spawn = multiprocessing.get_context("spawn")
_PICTURES = [np.random.default_rng(n).integers(0, 256, NBYTES, np.uint8) for n in range(4)]


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


class Target(NamedTuple):
    """A figure that has a limit."""

    name: str
    value: float
    limit: float
    more: bool = False  # whether more is better

    @property
    def met(self) -> bool:
        """Whether it is kept."""
        return self.value >= self.limit if self.more else self.value <= self.limit


def _name(tag: str) -> str:
    return f"aya-b-{os.getpid()}-{tag}"


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


def _told(connection: Connection) -> Any:
    if not connection.poll(60):
        raise TimeoutError("a reader process said nothing for a minute")
    return connection.recv()


def _pause_until(due_ns: int) -> None:
    left = due_ns - now_ns()
    if left > 0:
        time.sleep(left / 1e9)


# --- the hand-over at 60 frames a second


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
    names = {way: _name(f"h{number}") for number, way in enumerate(ways)}
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
            _told(connection)
        order = list(ways)
        due = now_ns() + 100_000_000
        for number in range(length.rounds):
            if number % 240 == 0:  # neighbours change, the beat of each way hardly does
                chance.shuffle(order)
            for way in order:
                _pause_until(due)
                due += 1_000_000_000 // (HZ * len(ways))
                senders[way].send(_PICTURES[number & 3])
        time.sleep(0.1)
        for way in ways:
            senders[way].send(_PICTURES[0], END)
        told = {way: _told(c) for way, c in zip(ways, connections, strict=True)}
    skip = length.rounds // 20  # warming up
    return {
        way: {**percentiles(ages[skip:]), "reader_cpu": round(share, 4)}
        for way, (ages, share) in told.items()
    }


# --- throughput


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
            name, counter = _name(f"t{number}"), _name(f"c{number}")
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
            _told(connection)
        for _ in range(length.bursts):
            for way, (sender, done, _) in parts.items():
                rates[way].append(_burst(sender.send, done, length.burst))
        for sender, _, _ in parts.values():
            sender.send(_PICTURES[0], END)
        for connection in connections:
            _told(connection)
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
        send(_PICTURES[number & 3])
    until_done(frames)
    return frames / ((now_ns() - begun) / 1e9)


# --- what publishing costs


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
        rings = [stack.enter_context(create_ring(_name(f"p{n}"), FORMAT, 6)) for n in counts]
        writers = [stack.enter_context(RingWriter(ring.name)) for ring in rings]
        arguments = [(ring.name,) for ring, n in zip(rings, counts, strict=True) for _ in range(n)]
        for connection in stack.enter_context(children(wait_for_frames, arguments)):
            _told(connection)
        due = now_ns()
        picture = _PICTURES[0].reshape(FORMAT.shape)
        for _ in range(length.publishes):
            for writer, count in zip(writers, counts, strict=True):
                due += 1_000_000_000 // (HZ * 3)
                _pause_until(due)
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


# --- what waiting costs


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
        create_ring(_name("i"), FORMAT, 3) as ring,
        children(wait_idly, [(ring.name, length.idle_s)]) as connections,
    ):
        return {"share_of_a_core": round(_told(connections[0]), 6)}


# --- the traps


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
        name = _name("w")
        shared = create(name, 4096)
        try:
            with children(store_words, [(name, how, length.trap_s)]) as (connection,):
                _told(connection)
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
            create_ring(_name("g"), small, 6) as ring,
            RingWriter(ring.name) as writer,
            children(
                receive_beside_a_busy_thread,
                [(ring.name, interval, int(length.trap_s * HZ))],
            ) as (connection,),
        ):
            _told(connection)
            due = now_ns()
            while not connection.poll(0):
                due += 1_000_000_000 // HZ
                _pause_until(due)
                writer.publish(writer.loan(Stamp()))
            found[label] = percentiles(_told(connection))
    return found


def first_touch() -> dict[str, Any]:
    """Fill a fresh 1 MiB slot whose pages are reserved only, or brought in."""
    times: dict[str, list[int]] = {"reserved": [], "prefaulted": [], "second time": []}
    for _ in range(30):
        for how in ("reserved", "prefaulted"):
            name = _name("f")
            shared = create(name, NBYTES)
            try:
                if how == "prefaulted":
                    prefault(shared)
                for label in (how, "second time"):
                    before = now_ns()
                    ctypes.memmove(shared.address, _PICTURES[0].ctypes.data, NBYTES)
                    times[label].append(now_ns() - before)
            finally:
                shared.close()
                unlink(name)
    return {label: percentiles(found) for label, found in times.items()}


# --- all of it


def judge(results: dict[str, Any]) -> list[Target]:
    """Hold the figures against the targets."""
    hand, rate = results["hand_over"], results["throughput"]
    ours, predicting = hand["ring"], hand["ring, predicting"]
    targets = []
    if "iceoryx2" in hand:
        peer = hand["iceoryx2"]
        for key, limit in (("p50_us", 0.75), ("p99_us", 1.0)):
            label = f"hand-over, {key[:3]}: ring / iceoryx2"
            targets.append(Target(label, ratio(ours[key], peer[key]), limit))
        label = "hand-over, p50: predicting / iceoryx2"
        targets.append(Target(label, ratio(predicting["p50_us"], peer["p50_us"]), 0.2))
        speed = ratio(rate["ring, in order"]["frames_per_s"], rate["iceoryx2"]["frames_per_s"])
        targets.append(Target("throughput: ring / iceoryx2", speed, 1.0, more=True))
    if "ZeroMQ" in hand:
        label = "hand-over, p50: ring / ZeroMQ"
        targets.append(Target(label, ratio(ours["p50_us"], hand["ZeroMQ"]["p50_us"]), 0.2))
        speed = ratio(rate["ring, in order"]["frames_per_s"], rate["ZeroMQ"]["frames_per_s"])
        targets.append(Target("throughput: ring / ZeroMQ", speed, 2.0, more=True))
    eight, one = (results["publish"][f"{n} readers"]["publish"]["p50_us"] for n in (8, 1))
    return [
        *targets,
        Target("share of a core: predicting reader", predicting["reader_cpu"], 0.05),
        Target("share of a core: idle reader", results["idle"]["share_of_a_core"], 0.001),
        Target("publish, p50: 8 readers / 1 reader", ratio(eight, one), 1.5),
    ]


def _print(results: dict[str, Any], targets: list[Target]) -> None:
    table(
        "Hand-over of a 512x512x4 frame at 60 frames a second, filled -> view in the reader",
        ("way", "p50 us", "p99 us", "frames", "reader's core"),
        [
            (way, row["p50_us"], row["p99_us"], row["count"], f"{row['reader_cpu']:.2%}")
            for way, row in results["hand_over"].items()
        ],
    )
    table(
        "Throughput, filled by one process, every byte read by another",
        ("way", "frames/s"),
        [(way, row["frames_per_s"]) for way, row in results["throughput"].items()],
    )
    table(
        "The writer's cost with readers asleep",
        ("", "publish p50 us", "p99 us", "count", "loan p50 us", "p99 us", "count"),
        [
            (label, *row["publish"].values(), *row["loan"].values())
            for label, row in results["publish"].items()
        ],
    )
    traps = results["traps"]
    table(
        "Trap: one word stored by another process",
        ("stored by", "zeros seen %", "looks"),
        [(how, r["zeros_percent"], r["looks"]) for how, r in traps["word_tearing"].items()],
    )
    for title, label, key in (
        ("Trap: a busy thread beside the receiver", "GIL switch interval", "busy_receiver"),
        ("Trap: a fill of 1 MiB", "pages", "first_touch"),
    ):
        rows = [(how, r["p50_us"], r["p99_us"]) for how, r in traps[key].items()]
        table(title, (label, "p50 us", "p99 us"), rows)
    table(
        "Targets",
        ("", "measured", "limit", ""),
        [
            (t.name, t.value, f"{'>=' if t.more else '<='} {t.limit}", "met" if t.met else "MISSED")
            for t in targets
        ],
    )


def main() -> int:
    """Run everything; return 0 also when a target is missed: the table says so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few frames of each; saves nothing")
    length = QUICK if (quick := parser.parse_args().quick) else FULL
    place = machine(["numpy", "iceoryx2", "pyzmq"])
    ways = available()
    results = {
        "hand_over": hand_over(length, ways),
        "throughput": throughput(length, ["ring, in order", *ways[2:]]),
        "publish": publish_cost(length),
        "idle": idle(length),
        "traps": {
            "word_tearing": word_tearing(length),
            "busy_receiver": busy_receiver(length),
            "first_touch": first_touch(),
        },
    }
    targets = judge(results)
    _print(results, targets)
    if not quick:
        judged = [{**t._asdict(), "met": t.met} for t in targets]
        path = save("rings", {"machine": place, "targets": judged, **results})
        print(f"\nsaved {path.relative_to(path.parents[2])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
