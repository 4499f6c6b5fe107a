"""How much a picture changes with each parameter: `python -m benchmarks.perception`.

The figures of `stages/cacher/perception.py`. From four poses each parameter is moved alone, by 0.2
(0.1 for what rotates); the change is the root of the mean square between both frames laid on mid
grey, in levels of 8 bits, divided by the step. Once for the built-in poser on both shipped
characters and once for a trained student in NumPy, which takes ten minutes (`--no-student` leaves
it out). Writes `benchmarks/results/perception.json`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from stages.avatar import picture
from stages.avatar.character import load_character
from stages.avatar.warp import WarpPoser
from stages.cacher.perception import CHANGE
from stages.ingest.idle import IdleMotion
from stages.ingest.trace import load_trace
from stages.networks.student_evaluation import Evaluation
from stages.pose import HIGH, INDEX, PARAMETERS, neutral

SHARED = Path(__file__).parents[2] / "shared" / "data"
PACKAGES = ("numpy", "opencv-python-headless")
ROWS = (1694, 3050, 600)  # of the recorded trace
STEP, ROTATION_STEP = 0.2, 0.1

Pose = NDArray[np.float32]
Render = Callable[[Pose], NDArray[np.uint8]]


def poses() -> list[Pose]:
    """The poses from which each parameter is moved."""
    trace = load_trace(SHARED / "pose_20fps.json")
    idle = neutral()
    IdleMotion().pose_at(3.0, idle)
    return [idle, *(trace[row].copy() for row in ROWS)]


def changes(render: Render) -> NDArray[np.float64]:
    """Return the change per unit, for each pose and parameter."""
    found = np.zeros((len(ROWS) + 1, len(PARAMETERS)))
    for row, pose in enumerate(poses()):
        before = over_grey(render(pose))
        for index in range(len(PARAMETERS)):
            step = ROTATION_STEP if index >= INDEX["iris_rotation_x"] else STEP
            moved = pose.copy()
            moved[index] += step if pose[index] + step <= HIGH[index] else -step
            found[row, index] = rms(over_grey(render(moved)), before) / step
    return found


def over_grey(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A straight frame as it looks on mid grey, (height, width, 3)."""
    alpha = frame[..., 3:].astype(np.float32) / 255
    return np.asarray(frame[..., :3] * alpha + 128 * (1 - alpha), np.float32)


def rms(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Root of the mean square of the difference."""
    return float(np.sqrt(np.mean(np.square(one - other))))


def builtin(name: str) -> Render:
    """The built-in poser on a shipped character."""
    poser = WarpPoser(picture.load(picture.resolve(name)))

    def render(pose: Pose) -> NDArray[np.uint8]:
        out = np.empty((512, 512, 4), np.uint8)
        poser.render(pose, out)
        return out

    return render


def trained() -> Render:
    """The public trained character, computed in NumPy."""
    character = load_character(SHARED / "tha4_student" / "lambda_00")
    states = character.states
    student = Evaluation(states["face_morpher"], states["body_morpher"], character.picture)
    return student.render


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-student", action="store_true", help="the built-in poser alone")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    found = {
        "builtin": np.mean([changes(builtin(name)) for name in ("ito", "koma")], axis=(0, 1)),
    }
    if not arguments.no_student:
        found["student"] = changes(trained()).mean(0)
    rows = [
        {
            "parameter": parameter.name,
            **{name: round(float(values[index]), 2) for name, values in found.items()},
            "used": round(float(CHANGE[index]), 2),
        }
        for index, parameter in enumerate(PARAMETERS)
    ]
    report.table("Change per unit, in levels", list(rows[0]), [list(row.values()) for row in rows])
    report.save("perception", {"machine": report.machine(PACKAGES), "change_per_unit": rows})


if __name__ == "__main__":
    main()
