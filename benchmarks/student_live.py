"""A trained character live, through all processes: `python -m benchmarks.student_live`.

Starts the config `student` with the whole recorded face (250 s, so that hardly a pose comes twice),
reads the output ring as another program would, and says how many frames are shown, how old they are
and what every process takes. Each way to draw has a session of its own, one after the other: the
compiled kernel, the same with half precision in early layers, NumPy alone. Writes
`benchmarks/results/student_live.json`.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.pipeline import SESSION, cpu_percent, memory_mb, session, wait_until_running, watch
from benchmarks.report import machine, save, table
from shm.compiled import PURE
from shm.session import open_output

SHARED = Path(__file__).parents[2] / "shared" / "data"
PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless")
WAYS = {
    "compiled, fast": ("fast", "0"),
    "compiled, coarse": ("coarse", "0"),
    "NumPy, fast": ("fast", "1"),
}
TARGET = 28.0  # frames shown a second


def measure(character: Path, mode: str, pure: str, seconds: float) -> dict[str, Any]:
    """Run one session; return what its reader saw and what its processes took."""
    os.environ[PURE] = pure
    options = {
        "ingest.options.trace": SHARED / "pose_20fps.json",
        "avatar.options.character": character,
        "avatar.options.student_mode": mode,
        "avatar.options.stand_in": "false",
        "page.options.port": 0,
    }
    settings = [f"stages.{key}={value}" for key, value in options.items()]
    with session("student", *settings):
        wait_until_running()
        with open_output(SESSION, timeout_s=30) as ring:
            watch(ring, 4.0)  # until interpolation knows the rate
            seen = watch(ring, seconds)
        return seen | {"cpu_percent": cpu_percent(seconds / 2), "memory_mb": memory_mb()}


def main() -> int:
    """Measure, print, write; 0 also when the target is missed: the table says so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--character", type=Path, default=SHARED / "tha4_student" / "lambda_00")
    parser.add_argument("--seconds", type=float, default=20.0, help="to watch each way")
    arguments = parser.parse_args()
    if not arguments.character.is_dir():
        parser.exit(2, f"no character at {arguments.character}: this needs a trained one\n")
    place = machine(PACKAGES)
    found = {
        name: measure(arguments.character.resolve(), mode, pure, arguments.seconds)
        for name, (mode, pure) in WAYS.items()
    }
    table(
        f"A trained character through all processes, poses at 20 a second (target: {TARGET} shown)",
        ("", "shown a second", "age p50 ms", "p99", "spacing off p95", "CPU % of a core"),
        [
            (
                name,
                row["frames_per_s"],
                row["age_ms"]["p50"],
                row["age_ms"]["p99"],
                row["spacing_off_p95"],
                round(sum(row["cpu_percent"].values()), 1),
            )
            for name, row in found.items()
        ],
    )
    save("student_live", {"machine": place, "target_frames_per_s": TARGET, "sessions": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
