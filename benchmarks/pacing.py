"""How evenly frames are shown: `python -m benchmarks.pacing`.

Sessions of the config `smooth` (cacher, built-in poser, optical flow, each a process), to which
poses are published at a steady rate. For each rate and scale, of what stands in the output ring:

* jitter: how far the steps between frames are from even, 95th percentile, as a share of a step (a
  step is what the frames say: where the stage gave two of four, half a period);
* input: the same of the frames that the interpolation read, in milliseconds: what it has to even
  out, and cannot where frames come later than a step;
* delay: how long a rendered frame was held, from the avatar's ring to the output's, in periods;
* work: what making the frames of a pair took, and frames that were left out for want of time.

`--runs` takes every one so often, in turn, and gives the median. Writes
`benchmarks/results/pacing.json`. `--quick` is a smoke test of the script itself.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.pipeline import SESSION, fed_session
from benchmarks.report import machine, save, table
from pipeline import client
from shm.frame import FrameLost
from shm.reader import RingReader
from stages import control

RATES_HZ = (15.0, 30.0)
SCALES = (2, 3, 4)
LIMIT = 0.15
PACKAGES = ("numpy", "opencv-python-headless")


class Shown(NamedTuple):
    """What another program sees of the output ring; all times in nanoseconds."""

    published: list[int]
    parts: list[int]  # how many frames there are for each one read, as each frame says
    came: list[int]  # when rendered frames came to the interpolation
    held: list[int]  # and how long each was held


def watch(ring: RingReader, seconds: float) -> Shown:
    """Read frames as they come."""
    shown = Shown([], [], [], [])
    parts = 1
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        frame = ring.next(0.5)
        if frame is None:
            continue
        try:
            stamp, published_ns = frame.stamp, frame.published_ns
        except FrameLost:
            continue
        shown.published.append(published_ns)
        shown.parts.append(stamp.phase_denominator or parts)
        parts = stamp.phase_denominator or 1  # of those before it, the read frame says nothing
        if stamp.phase_denominator == 0:
            ages = [hop & ((1 << 56) - 1) for hop in stamp.hops if hop]
            shown.held.append(ages[-1] - ages[-2])
            shown.came.append(stamp.captured_ns + ages[-2])
    return shown


def measure(rate_hz: float, scale: int, seconds: float) -> dict[str, float]:
    """Return what one session shows."""
    with fed_session(rate_hz, "smooth", f"stages.interpolation.options.scale={scale}") as ring:
        watch(ring, min(3.0, seconds))  # warm
        shown = watch(ring, seconds)
        status = client.ask(SESSION, control.GetStatus())
    stage = next(one for one in status["stages"] if one["name"] == "interpolation")
    first, last = shown.published[0], shown.published[-1]
    steps = np.diff(shown.published) / 1e9 * rate_hz * np.array(shown.parts[1:])
    beats = np.abs(np.diff(shown.came) / 1e9 * rate_hz - 1)
    return {
        "shown_hz": round(len(steps) / ((last - first) / 1e9), 1),
        "jitter_p95": round(float(np.percentile(np.abs(steps - 1), 95)), 3),
        "input_p95_ms": round(float(np.percentile(beats, 95)) / rate_hz * 1e3, 1),
        "delay_p95_periods": round(float(np.percentile(shown.held, 95)) / 1e9 * rate_hz, 2),
        "work_p50_ms": round(stage["work_ms"]["p50"], 1),
        "left_out": stage["counters"].get("left_out", 0),
    }


def median(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {name: round(float(np.median([run[name] for run in runs])), 3) for name in runs[0]}


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each (default: 12)")
    parser.add_argument("--runs", type=int, default=3, help="of each (default: 3)")
    parser.add_argument("--quick", action="store_true", help="few frames; saves nothing")
    arguments = parser.parse_args()
    place = machine(PACKAGES)
    seconds, runs = (2.0, 1) if arguments.quick else (arguments.seconds, arguments.runs)
    cells = [(rate, scale) for rate in RATES_HZ for scale in SCALES]
    found: dict[tuple[float, int], list[dict[str, float]]] = {cell: [] for cell in cells}
    for _ in range(runs):
        for cell in cells:
            found[cell].append(measure(*cell, seconds))
    rows: list[dict[str, Any]] = [
        {"poses_per_s": rate, "scale": scale} | median(found[rate, scale]) for rate, scale in cells
    ]
    heads = ("poses/s", "scale", "shown/s", "jitter", "input ms", "delay", "work ms", "left out")
    title = "Shown, by flow (p95: jitter of a step, input, delay in periods)"
    table(title, heads, [tuple(row.values()) for row in rows])
    if not arguments.quick:
        content = {"machine": place, "runs": runs, "seconds": seconds, "shown": rows}
        print(f"\nsaved {save('pacing', content).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
