"""How evenly frames come where hits and misses take turns: `python -m benchmarks.cache_pace`.

Real sessions of the config `cached`, the pacing of the cacher `even` and `lowest_latency` in turns,
with the built-in poser, or with a trained character. Every second pose is stored, every second one
is not. For two frames one after the other, a step is off by how much the time between them at the
reader differs from the time between their poses. Writes `benchmarks/results/cache_pace.json`.
"""

import argparse
import json
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.pipeline import SESSION, session, wait_until_running
from shm.frame import Flag, FrameLost, Stamp
from shm.session import open_output

SHARED = Path(__file__).parents[2] / "shared" / "data"
PACKAGES = ("numpy", "opencv-python-headless", "simplejpeg")
KNOWN, RATE_HZ = 40, 20.0
START = 1000  # of the recording: a lively part
PACINGS = ("lowest_latency", "even")


def trace(turns: int) -> list[Any]:
    """Poses of a recorded face: some, then these again with others in between."""
    face = json.loads((SHARED / "pose_20fps.json").read_text())
    stored, others = face[START : START + KNOWN], face[START + 500 : START + 500 + turns]
    return stored + [pose for turn in range(turns) for pose in (stored[turn % KNOWN], others[turn])]


def watch(options: dict[str, Any], poses: list[Any]) -> list[tuple[Stamp, int]]:
    """Play the poses once; return stamp and time of every frame after the first ones."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        path.write_text(json.dumps(poses))
        options = {
            "ingest.options.trace": path,
            "ingest.options.trace_hz": RATE_HZ,
            "ingest.options.ease_s": 0.0,
            "cacher.options.snap_within": 0.0,
            **options,
        }
        with session("cached", *(f"stages.{key}={value}" for key, value in options.items())):
            wait_until_running()
            found: dict[int, tuple[Stamp, int]] = {}
            with open_output(SESSION, timeout_s=30) as ring:
                end = time.monotonic() + (len(poses) - KNOWN) / RATE_HZ
                while time.monotonic() < end:
                    frame = ring.next(0.2)
                    if frame is None:
                        continue
                    try:
                        found[frame.stamp.pose_sequence] = frame.stamp, frame.published_ns
                    except FrameLost:
                        continue
    return list(found.values())[KNOWN + 20 :]


def measure(frames: list[tuple[Stamp, int]]) -> dict[str, list[float]]:
    """How much steps are off, and how old frames are, in milliseconds; 1 for each hit."""
    steps = [
        abs((now - before) - (stamp.captured_ns - older.captured_ns)) / 1e6
        for (older, before), (stamp, now) in pairwise(frames)
    ]
    return {
        "off_ms": steps,
        "age_ms": [(now - stamp.captured_ns) / 1e6 for stamp, now in frames],
        "hit": [float(bool(stamp.flags & Flag.CACHED)) for stamp, _ in frames],
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="sessions of each kind (default: 2)")
    parser.add_argument("--turns", type=int, default=150, help="of hit and miss (default: 150)")
    parser.add_argument("--character", type=Path, help="the folder of a trained one, to draw with")
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        parser.exit(2, f"no data at {SHARED}: this needs the recorded face\n")
    options: dict[str, Any] = {}
    if arguments.character:
        options = {
            "avatar.options.poser": "tha4_student",
            "avatar.options.character": arguments.character.resolve(),
        }
    poses = trace(arguments.turns)
    seen: dict[str, dict[str, list[float]]] = {pacing: {} for pacing in PACINGS}
    for _ in range(arguments.rounds):
        for pacing in PACINGS:
            one = measure(watch({**options, "cacher.options.pacing": pacing}, poses))
            for name, values in one.items():
                seen[pacing].setdefault(name, []).extend(values)
    rows = [{"pacing": pacing, **_row(seen[pacing])} for pacing in PACINGS]
    report.table(
        "hits and misses in turns, poses at 20 a second",
        list(rows[0]),
        [list(row.values()) for row in rows],
    )
    report.save("cache_pace", {"machine": report.machine(PACKAGES), "rows": rows})


def _row(seen: dict[str, list[float]]) -> dict[str, Any]:
    off, age = (np.percentile(seen[name], (50, 95)) for name in ("off_ms", "age_ms"))
    return {
        "frames": len(seen["age_ms"]),
        "hits": round(float(np.mean(seen["hit"])), 2),
        "off_p50_ms": round(float(off[0]), 2),
        "off_p95_ms": round(float(off[1]), 2),
        "age_p50_ms": round(float(age[0]), 2),
        "age_p95_ms": round(float(age[1]), 2),
    }


if __name__ == "__main__":
    main()
