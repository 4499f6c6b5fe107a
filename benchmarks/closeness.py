"""How close the built-in poser comes to a trained one: `python -m benchmarks.closeness`.

The trained one is a THA4 student of a public character, evaluated in NumPy (2 to 4 s a pose). Both
pose the same picture. What is measured, for one pose: both frames (straight alpha) are laid over
mid grey, and the differences of all their values, in levels of 8 bits, are averaged. Over poses the
averages are averaged. `ratio` divides that by the same of the picture that does not move at all: 1
is as good as doing nothing, 0 is the student itself.

* trace: poses spread evenly over the recorded trace of a person, and parts of the frame;
* groups: each parameter of a group alone, at full scale.

Prints a table and writes `benchmarks/results/closeness.json`.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from stages.avatar.boxes import corrections_path, read_corrections
from stages.avatar.character import load_character
from stages.avatar.warp import WarpPoser
from stages.ingest.trace import load_trace
from stages.networks.student_evaluation import Evaluation
from stages.pose import PARAMETERS, neutral

SHARED = Path(__file__).parents[2] / "shared" / "data"
PACKAGES = ("numpy", "opencv-python-headless")
LIMIT = 0.55

Pose = NDArray[np.float32]
Part = tuple[slice, slice]

# Rows and columns of the input convention.
PARTS: dict[str, Part] = {
    "whole frame": (slice(None), slice(None)),
    "head": (slice(0, 205), slice(None)),
    "body": (slice(205, 512), slice(None)),
    "face": (slice(110, 190), slice(200, 312)),
}
GROUPS = {
    "brows": "eyebrow_",
    "eyes": "eye_",
    "irises": "iris_",
    "mouth": "mouth_",
    "head": ("head_", "neck_"),
    "body": ("body_", "breathing"),
}


class Closeness(NamedTuple):
    """Mean differences to the student's frames, in levels."""

    what: str
    poses: int
    unmoved: float
    posed: float

    @property
    def ratio(self) -> float:
        """Part of the unmoved picture's difference that is left."""
        return self.posed / max(self.unmoved, 1e-9)


class Bench:
    """Poses one character in both ways."""

    def __init__(self, folder: Path) -> None:
        character = load_character(folder)
        states, picture = character.states, character.picture
        self._student = Evaluation(states["face_morpher"], states["body_morpher"], picture)
        given = read_corrections(corrections_path(folder / "character.png"))
        self._poser = WarpPoser(picture, given)
        self._unmoved = _over_grey(picture)

    def measure(self, poses: Iterable[Pose], parts: dict[str, Part]) -> list[Closeness]:
        """Return how close each part of the frame comes, over the poses."""
        unmoved: dict[str, list[float]] = {name: [] for name in parts}
        posed: dict[str, list[float]] = {name: [] for name in parts}
        out = np.empty((512, 512, 4), np.uint8)
        for pose in poses:
            goal = _over_grey(self._student.render(pose))
            self._poser.render(pose, out)
            frame = _over_grey(out)
            for name, part in parts.items():
                unmoved[name].append(float(np.abs(self._unmoved[part] - goal[part]).mean()))
                posed[name].append(float(np.abs(frame[part] - goal[part]).mean()))
        return [
            Closeness(name, len(posed[name]), _mean(unmoved[name]), _mean(posed[name]))
            for name in parts
        ]


def trace_poses(count: int) -> list[Pose]:
    """Return poses of the recorded trace, evenly spread."""
    trace = load_trace(SHARED / "pose_20fps.json")
    return list(trace[np.linspace(0, len(trace) - 1, count).round().astype(int)])


def group_poses(prefix: str | tuple[str, ...]) -> list[Pose]:
    """Return a pose for each end of each parameter whose name starts so."""
    poses = []
    for index, (name, low, high) in enumerate(PARAMETERS):
        for value in (high, low) if name.startswith(prefix) else ():
            if value:
                pose = neutral()
                pose[index] = value
                poses.append(pose)
    return poses


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--character", type=Path, default=SHARED / "tha4_student" / "lambda_00")
    parser.add_argument("--poses", type=int, default=60, help="of the trace (default: 60)")
    parser.add_argument("--no-groups", action="store_true", help="the trace alone")
    arguments = parser.parse_args()
    if not arguments.character.is_dir():
        parser.exit(2, f"no character at {arguments.character}: this needs a trained student\n")
    cv2.setNumThreads(1)
    bench = Bench(arguments.character)
    found = {"trace": bench.measure(trace_poses(arguments.poses), PARTS)}
    if not arguments.no_groups:
        whole = {"whole frame": PARTS["whole frame"]}
        found["groups"] = [
            bench.measure(group_poses(prefix), whole)[0]._replace(what=name)
            for name, prefix in GROUPS.items()
        ]
    _print(found)
    rows = {
        name: [row._asdict() | {"ratio": round(row.ratio, 4)} for row in rows]
        for name, rows in found.items()
    }
    facts = {"character": arguments.character.name, "limit": LIMIT}
    report.save("closeness", facts | {"machine": report.machine(PACKAGES)} | rows)


def _print(found: dict[str, list[Closeness]]) -> None:
    report.table(
        f"Difference to the trained student, in levels (limit of the ratio: {LIMIT})",
        ("what", "poses", "unmoved", "posed", "ratio"),
        [
            (f"{name}: {row.what}", row.poses, row.unmoved, row.posed, f"{row.ratio:.3f}")
            for name, rows in found.items()
            for row in rows
        ],
    )


def _over_grey(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    alpha = frame[..., 3:].astype(np.float32) / 255
    return np.asarray(frame[..., :3] * alpha + 128 * (1 - alpha), np.float32)


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 4)


if __name__ == "__main__":
    main()
