"""What the whole pipeline does on this machine: `python -m benchmarks.pipeline`.

Starts real sessions with the launcher, publishes poses over ZeroMQ as a tracker would, reads the
output ring as another program would, and writes `benchmarks/results/pipeline.json`:

* start: from the launcher's start to the first frame in the output ring;
* smooth: the default config, 30 poses a second in, x2 out: rate, age, spacing, what each hop costs;
* without interpolation, with and without the cacher: age of a frame at the reader;
* idle: nobody publishes and idle motion is off: CPU of every process;
* memory: of every process at the end of `smooth`, or over `--soak SECONDS`.

`--quick` is a smoke test of the script itself.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import psutil
import zmq

from benchmarks.report import machine, table
from pipeline import client
from shm.clock import now_ns
from shm.frame import Flag, FrameLost
from shm.reader import RingReader
from shm.session import SessionMissing, open_output, read_session
from stages import control

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "pipeline.json"
SESSION = f"bench{os.getpid()}"  # another benchmark may run
PACKAGES = ("numpy", "opencv-python-headless", "pyzmq", "msgpack", "simplejpeg")


@contextmanager
def session(config: str, *overrides: str) -> Iterator[int]:
    """Run a session; give the moment it was started."""
    command = [sys.executable, str(ROOT / "launcher.py"), "--plain", "--session", SESSION]
    command += ["--config", config]
    for override in ("stages.ingest.options.endpoint=tcp://127.0.0.1:0", *overrides):
        command += ["--set", override]
    with tempfile.TemporaryDirectory(prefix="ayab") as folder:
        os.environ["AYATSURI_RUNTIME_DIR"] = folder
        started = now_ns()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            yield started
        finally:
            process.terminate()
            process.wait(20)


def wait_until_running() -> dict[str, Any]:
    """Return the status once every stage runs."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            status: dict[str, Any] = client.ask(SESSION, control.GetStatus())
        except (SessionMissing, client.RequestFailed):
            status = {"stages": []}
        if status["stages"] and all(stage["state"] == "running" for stage in status["stages"]):
            return status
        time.sleep(0.05)
    raise RuntimeError("the session did not start in 30 s")


class Publisher(threading.Thread):
    """Publishes poses that never repeat at a steady rate, from a thread of its own."""

    def __init__(self, rate_hz: float) -> None:
        super().__init__(daemon=True)
        self.rate_hz = rate_hz
        self._over = threading.Event()

    def run(self) -> None:
        """Publish until stopped."""
        with zmq.Context() as context, context.socket(zmq.PUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(read_session(SESSION)["endpoints"]["poses"])
            due, tick = time.perf_counter(), 0
            while not self._over.wait(max(0.0, due - time.perf_counter())):
                socket.send(
                    msgpack.packb({"pose": _pose(tick / self.rate_hz), "time_ns": now_ns()})
                )
                tick += 1
                due += 1 / self.rate_hz

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()


@contextmanager
def fed_session(rate_hz: float, config: str, *overrides: str) -> Iterator[RingReader]:
    """Run a session to which poses are published at a steady rate; give a reader of its output."""
    with session(config, *overrides):
        wait_until_running()
        publisher = Publisher(rate_hz)
        publisher.start()
        try:
            with open_output(SESSION) as ring:
                yield ring
        finally:
            publisher.stop()


def _pose(seconds: float) -> bytes:
    """A lively head: sines without a common period, so that no pose comes twice."""
    pose = np.zeros(45, "<f4")
    for index, speed in ((39, 2.1), (40, 1.7), (41, 1.3), (42, 1.1), (43, 0.7), (37, 2.9)):
        pose[index] = math.sin(speed * seconds + index)
    pose[44] = 0.5 + 0.5 * math.sin(1.9 * seconds)
    return pose.tobytes()


def quantiles(values: list[float], digits: int = 2) -> dict[str, float]:
    """p50, p95 and p99."""
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return {"p50": round(p50, digits), "p95": round(p95, digits), "p99": round(p99, digits)}


def watch(ring: RingReader, seconds: float) -> dict[str, Any]:
    """Read frames as another program does and say how they come."""
    ages: list[float] = []
    shown: list[int] = []
    rendered_ages: list[float] = []
    hops: dict[int, list[float]] = {}
    first_drop = ring.dropped
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        frame = ring.next(0.5)
        if frame is None:
            continue
        seen = now_ns()
        try:
            stamp, published = frame.stamp, frame.published_ns
        except FrameLost:
            continue
        shown.append(published)
        ages.append((seen - stamp.captured_ns) / 1e6)
        if stamp.flags & Flag.INTERPOLATED:
            continue
        rendered_ages.append(ages[-1])
        before = 0
        for hop in filter(None, stamp.hops):
            number, since = hop >> 56, hop & ((1 << 56) - 1)
            hops.setdefault(number, []).append((since - before) / 1e6)
            before = since
    spacing = np.diff(shown) / 1e6
    middle = float(np.median(spacing))
    return {
        "frames_per_s": round((len(shown) - 1) / ((shown[-1] - shown[0]) / 1e9), 2),
        "age_ms": quantiles(ages),
        "rendered_age_ms": quantiles(rendered_ages),
        "spacing_ms": {"median": round(middle, 2)},
        "spacing_off_p95": round(float(np.percentile(abs(spacing - middle), 95)) / middle, 3),
        "dropped_by_reader": ring.dropped - first_drop,
        "hops_ms": {number: quantiles(times, 3) for number, times in hops.items()},
    }


def processes() -> dict[str, psutil.Process]:
    """Return the session's processes by name."""
    content = read_session(SESSION)
    found = {"launcher": psutil.Process(content["pid"])}
    found |= {stage["name"]: psutil.Process(stage["pid"]) for stage in content["stages"]}
    return found


def cpu_percent(seconds: float) -> dict[str, float]:
    """Return each process's CPU in per cent of one core, over some seconds."""
    watched = processes()
    before = {name: sum(process.cpu_times()[:2]) for name, process in watched.items()}
    start = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - start
    return {
        name: round(100 * (sum(process.cpu_times()[:2]) - before[name]) / elapsed, 2)
        for name, process in watched.items()
    }


def memory_mb() -> dict[str, float]:
    """Return each process's own memory (unique set): shared segments and libraries not counted."""
    return {
        name: round(process.memory_full_info().uss / 1e6, 1)
        for name, process in processes().items()
    }


def measure_start(rounds: int) -> dict[str, Any]:
    """From the launcher's start to the first frame."""
    times = []
    for _ in range(rounds):
        with session("default") as started, open_output(SESSION, timeout_s=30) as ring:
            frame = ring.newest(30)
            assert frame is not None
            times.append((frame.published_ns - started) / 1e9)
    return {"rounds": rounds, "first_frame_s": quantiles(times)}


def measure_smooth(seconds: float, soak_s: float) -> dict[str, Any]:
    """The default config under a tracker of 30 poses a second."""
    with session("default"):
        names = {stage["number"]: stage["name"] for stage in _stages()}
        publisher = Publisher(30.0)
        publisher.start()
        with open_output(SESSION) as ring:
            watch(ring, 3)  # warm
            found = watch(ring, seconds)
            found["hops_ms"] = {names[n]: times for n, times in found["hops_ms"].items()}
            found["cpu_percent"] = cpu_percent(min(seconds, 10))
            found["memory_mb"] = memory_mb()
            if soak_s:
                found["soak"] = _soak(ring, soak_s)
        publisher.stop()
    return found


def _soak(ring: RingReader, seconds: float) -> dict[str, Any]:
    """Memory every 30 s while frames run; the first minute warms caches and is left out."""
    samples = [memory_mb()]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        watch(ring, min(30, max(1, end - time.monotonic())))
        samples.append(memory_mb())
    return {
        "seconds": seconds,
        "memory_mb": {name: [sample[name] for sample in samples] for name in samples[0]},
        "status": client.ask(SESSION, control.GetStatus())["cache"],
    }


def measure_without_interpolation(config: str, rate_hz: float, seconds: float) -> dict[str, Any]:
    """How old a frame is at the reader, in pose periods."""
    with session(config):
        _stages()
        publisher = Publisher(rate_hz)
        publisher.start()
        with open_output(SESSION) as ring:
            watch(ring, 2)
            found = watch(ring, seconds)
        publisher.stop()
    periods = found["age_ms"]["p50"] * rate_hz / 1000
    return {
        "config": config,
        "poses_per_s": rate_hz,
        "age_p50_in_periods": round(periods, 3),
        **found,
    }


def measure_idle(seconds: float) -> dict[str, Any]:
    """Nobody publishes, nothing moves."""
    with session("default", "stages.ingest.options.idle=false"):
        _stages()
        time.sleep(2)
        return {"seconds": seconds, "cpu_percent": cpu_percent(seconds)}


def _stages() -> list[dict[str, Any]]:
    wait_until_running()
    stages: list[dict[str, Any]] = read_session(SESSION)["stages"]
    return stages


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--soak", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    seconds = 2.0 if arguments.quick else 20.0
    result = {
        "machine": machine(PACKAGES),
        "start": measure_start(1 if arguments.quick else 5),
        "smooth": measure_smooth(seconds, arguments.soak),
        "without_interpolation": [
            measure_without_interpolation(config, rate_hz, seconds)
            for config in ("direct", "cached")
            for rate_hz in ((30.0,) if arguments.quick else (20.0, 30.0, 60.0))
        ],
        "idle": measure_idle(seconds),
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_tables(result)


def print_tables(result: dict[str, Any]) -> None:
    """Print what was found, for people."""
    smooth, start = result["smooth"], result["start"]["first_frame_s"]
    print(f"\nfirst frame after {start['p50']} s (p95 {start['p95']} s)")
    print(
        f"default config, 30 poses a second: {smooth['frames_per_s']} frames/s, age p50 "
        f"{smooth['age_ms']['p50']} ms, p99 {smooth['age_ms']['p99']} ms, spacing off by "
        f"{smooth['spacing_off_p95']:.0%} (p95)"
    )
    hops = smooth["hops_ms"].items()
    table("what each hop costs, ms", ["hop", "p50", "p95", "p99"], [_row(*hop) for hop in hops])
    rows = [
        [found["config"], found["poses_per_s"], found["age_ms"]["p50"], found["age_p50_in_periods"]]
        for found in result["without_interpolation"]
    ]
    table("without interpolation", ["config", "poses/s", "age p50 ms", "in periods"], rows)
    idle = result["idle"]["cpu_percent"]
    used = [
        [name, percent, idle.get(name, ""), smooth["memory_mb"][name]]
        for name, percent in smooth["cpu_percent"].items()
    ]
    table("per process", ["process", "CPU %", "idle CPU %", "MB"], used)


def _row(name: str, times: dict[str, float]) -> list[Any]:
    return [name, times["p50"], times["p95"], times["p99"]]


if __name__ == "__main__":
    main()
