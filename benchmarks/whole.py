"""What whole sessions show, with real networks: `python -m benchmarks.whole`.

Each row is a session of the config `tha3` with another poser and another interpolation, every stage
a process, 30 poses a second in over ZeroMQ that never repeat. Of what another program reads from
the output ring: frames drawn and shown a second, and how old they are. Published weights of THA3
and RIFE cannot be fetched here: packs of seeded ones of the same shapes are made on the spot (what
they draw is noise, what they cost is the same), or `--models FOLDER` names your own. A row whose
weights are missing is left out and named.

`--threads` adds RIFE on one thread and on two, behind THA3 and behind the built-in poser.
Writes `benchmarks/results/whole.json`; `--quick` is a smoke test of the script itself.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks.pipeline import SESSION, fed_session, quantiles
from benchmarks.report import machine, save, table
from pipeline import client
from shm.clock import now_ns
from shm.frame import Flag, FrameLost
from shm.reader import RingReader
from stages import control

RATE_HZ = 30.0
PACKAGES = ("numpy", "opencv-python-headless", "openvino", "onnxruntime")
STUDENT = Path(__file__).parents[2] / "shared" / "data" / "tha4_student" / "lambda_00"
FLOW = ("stages.interpolation.options.method=flow",)
RIFE = ("stages.interpolation.options.method=rife",)


class Row(NamedTuple):
    """One session: its name, and what differs from the config."""

    name: str
    overrides: tuple[str, ...]


def rows(models: Path, threads: bool) -> Iterator[Row]:
    """Yield the sessions whose weights are there."""
    yield Row("built-in + flow", ("stages.avatar.options.poser=warp", *FLOW))
    if STUDENT.exists():
        student = "stages.avatar.options.poser=tha4_student"
        mode = "stages.avatar.options.student_mode=fast"
        character = f"stages.avatar.options.character={STUDENT}"
        yield Row("student + flow", (student, mode, character, *FLOW))
    else:
        print(f"left out: no trained character at {STUDENT}")
    tha3 = (
        f"stages.avatar.options.models={models}",
        f"stages.interpolation.options.models={models}",
        f"stages.avatar.options.picture={models / 'picture.png'}",
        "stages.avatar.options.stand_in=false",
        "stages.interpolation.options.pause_s=5.0",
    )
    yield Row("THA3 + flow", (*tha3, *FLOW))
    for count in (1, 2) if threads else ():
        given = (*RIFE, f"stages.interpolation.threads={count}")
        yield Row(f"THA3 + RIFE, threads {count}", (*tha3, *given))
        built_in = (
            "stages.avatar.options.poser=warp",
            f"stages.interpolation.options.models={models}",
        )
        yield Row(f"built-in + RIFE, threads {count}", (*built_in, *given))
    yield Row("THA3 + RIFE", (*tha3, *RIFE))


def seeded(folder: Path) -> Path:
    """Make packs of THA3 and RIFE on seeded weights, as the tests do, and a picture."""
    from tests.rife_packs import write_pack as write_rife
    from tests.seeded import seeded_image
    from tests.tha3_reference import DATA, Reference
    from tests.tha3_reference import write_pack as write_tha3

    write_tha3(Reference(DATA / "separable_seed0.npz"), folder / "tha3_separable_fp32")
    write_rife(folder / "rife_v4.25.lite_fp32", (512, 512), scales=(2,))
    cv2.imwrite(str(folder / "picture.png"), seeded_image(512, 512, 4, 0))
    return folder


def watch(ring: RingReader, seconds: float) -> dict[str, Any]:
    """Read frames as another program does; return rates, and ages in milliseconds."""
    ages: list[float] = []
    drawn = 0
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        frame = ring.next(0.2)
        if frame is None:
            continue
        try:
            stamp = frame.stamp
        except FrameLost:
            continue
        ages.append((now_ns() - stamp.captured_ns) / 1e6)
        drawn += not stamp.flags & Flag.INTERPOLATED
    taken = time.monotonic() - start
    return {
        "drawn_per_s": round(drawn / taken, 1),
        "shown_per_s": round(len(ages) / taken, 1),
        "age_ms": quantiles(ages, 0) if ages else {},
    }


def measure(row: Row, seconds: float) -> dict[str, Any]:
    """Return what one session shows."""
    with fed_session(RATE_HZ, "tha3", *row.overrides) as ring:
        watch(ring, min(4.0, seconds))  # warm
        found = watch(ring, seconds)
        status = client.ask(SESSION, control.GetStatus())
    stages = {stage["name"]: stage for stage in status["stages"]}
    between = stages["interpolation"]
    return {
        "poses_per_s": RATE_HZ,
        **found,
        "by": "RIFE" if between["counters"].get("by_rife") else "flow",
        "between_work_ms": between["work_ms"],
        "avatar_work_ms": stages["avatar"]["work_ms"],
    }


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each (default: 15)")
    parser.add_argument("--runs", type=int, default=1, help="of each, in turn (default: 1)")
    parser.add_argument("--models", type=Path, help="a folder with packs, and a picture.png")
    parser.add_argument("--threads", action="store_true", help="RIFE on one thread and on two")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--quick", action="store_true", help="few frames; saves nothing")
    arguments = parser.parse_args()
    place = machine(PACKAGES)
    seconds = 2.0 if arguments.quick else arguments.seconds
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        models = arguments.models or seeded(Path(folder))
        for _ in range(arguments.runs):
            for row in rows(models, arguments.threads):
                if arguments.only in row.name:
                    found.setdefault(row.name, []).append(measure(row, seconds))
                    print(row.name, found[row.name][-1], flush=True)
    heads = ("session", "poses/s", "drawn/s", "shown/s", "age p50", "age p95, ms", "made by")
    table("Whole sessions, each stage a process", heads, [_row(*item) for item in found.items()])
    if not arguments.quick:
        print(f"\nsaved {save('whole', {'machine': place, 'sessions': found}).name}")
    return 0


def _row(name: str, runs: list[dict[str, Any]]) -> tuple[Any, ...]:
    """Return a row of the table: of several runs the medians."""

    def median(*keys: str) -> float:
        values = []
        for run in runs:
            value: Any = run
            for key in keys:
                value = value.get(key, float("nan"))
            values.append(value)
        return round(float(np.median(values)), 1)

    rates = (median(key) for key in ("poses_per_s", "drawn_per_s", "shown_per_s"))
    return name, *rates, median("age_ms", "p50"), median("age_ms", "p95"), runs[-1]["by"]


if __name__ == "__main__":
    sys.exit(main())
