"""What a frame of a trained character takes on a processor: `python -m benchmarks.student_speed`.

Every way to draw it takes its turn with the next pose of a recorded face, and how far its frames
are off is measured beside: against an evaluation in plain NumPy, laid over mid grey. Peers are the
networks as torch.onnx.export writes them, in plain ONNX Runtime sessions without conversion of
pictures, and, with `--torch PYTHON`, the official modules in PyTorch, run by a Python that has it.
Ratios are medians over the rounds of the ratio within a round: other jobs on the machine disturb
both sides of it. Writes `benchmarks/results/student_speed.json`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import student_plain
from benchmarks.report import machine, save, table
from benchmarks.tha3 import busy_s, wait_for_quiet
from shm.compiled import PURE
from stages.avatar.character import Character, load_character
from stages.avatar.siren.native_kernel import NativeMissing, paths
from stages.avatar.siren.passes import prepared
from stages.avatar.student import Mode, StudentChoice, StudentPoser
from stages.ingest.trace import load_trace
from stages.networks.student_evaluation import Evaluation

SHARED = Path(__file__).parents[2] / "shared" / "data"
PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless")
PLAIN, OFFICIAL = "plain ONNX Runtime", "official code, PyTorch"
LIMITS = {PLAIN: 5.0, OFFICIAL: 10.0}

Pose = NDArray[np.float32]
Draw = Callable[[int], tuple[float, float]]  # index of a pose: wall and CPU seconds


class Ours:
    """One way of ours to draw the character."""

    def __init__(self, folder: Path, poses: Pose, choice: StudentChoice, *, pure: bool) -> None:
        with _pure(pure):
            self.poser = StudentPoser(folder, choice)
        self.frame = np.zeros((512, 512, 4), np.uint8)
        self._poses = poses

    def __call__(self, index: int) -> tuple[float, float]:
        return self.draw(self._poses[index])

    def draw(self, pose: Pose) -> tuple[float, float]:
        """Draw one pose, (45,); return wall and CPU seconds."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.poser.render(pose, self.frame)
        return time.perf_counter() - wall, time.process_time() - cpu


class SameFace(Ours):
    """The same while only head and body move."""

    def __call__(self, index: int) -> tuple[float, float]:
        pose = self._poses[index].copy()
        pose[:39] = self._poses[0, :39]
        return self.draw(pose)


def ours(folder: Path, poses: Pose, threads: int) -> dict[str, Ours]:
    """Return what there is, by name."""
    ways: list[tuple[str, Mode, bool]] = [
        ("NumPy, exact", "exact", True),
        ("NumPy, fast", "fast", True),
    ]
    try:
        halves = any(coarse for _, coarse in paths())
        ways += [("compiled, exact", "exact", False), ("compiled, fast", "fast", False)]
        ways += [("compiled, coarse", "coarse", False)] if halves else []
    except NativeMissing as error:
        print(f"left out: {error}")
    found = {
        name: Ours(folder, poses, StudentChoice(mode, threads=threads), pure=pure)
        for name, mode, pure in ways
    }
    for name, mode, pure in ways:
        if mode == "fast":
            choice = StudentChoice(mode, threads=threads)
            found[f"{name}, same face"] = SameFace(folder, poses, choice, pure=pure)
    return found


def plain(character: Character, poses: Pose, threads: int) -> Draw:
    """Return what draws with plain sessions."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    face, body = (
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for graph in (
            student_plain.face(character.states["face_morpher"]),
            student_plain.body(character.states["body_morpher"]),
        )
    )
    image = np.ascontiguousarray(prepared(character.picture).transpose(2, 0, 1)[None])

    def draw(index: int) -> tuple[float, float]:
        pose = poses[index][None]
        wall, cpu = time.perf_counter(), time.process_time()
        (painted,) = face.run(None, {"pose": pose[:, :39]})
        body.run(None, {"image": image, "face": painted, "pose": pose})
        return time.perf_counter() - wall, time.process_time() - cpu

    return draw


@contextmanager
def official(python: Path, folder: Path, poses: Pose, threads: int) -> Iterator[Draw]:
    """Give what draws with the official modules, in a process of their own."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "poses.npy"
        np.save(file, poses)
        script = Path(__file__).with_name("student_official.py")
        command = [str(python), str(script), str(folder), str(file), str(threads)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            asked, answers = process.stdin, process.stdout
            if answers.readline().strip() != "ready":
                raise SystemExit(f"{python} cannot run {script.name}")

            def draw(index: int) -> tuple[float, float]:
                print(index, file=asked, flush=True)
                wall, cpu = answers.readline().split()
                return float(wall), float(cpu)

            yield draw
            asked.close()


def take_turns(draws: dict[str, Draw], rounds: int, poses: int) -> dict[str, list[Any]]:
    """Return for each way its runs: wall and CPU seconds, and seconds other processes took."""
    runs: dict[str, list[Any]] = {name: [] for name in draws}
    for index in range(rounds + 2):
        for name, draw in draws.items():
            wait_for_quiet()
            busy = busy_s()
            wall, cpu = draw(index % poses)
            if index >= 2:
                runs[name].append((wall, cpu, max(0.0, busy_s() - busy - cpu)))
    return runs


def summed(runs: dict[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """Return medians, and how many times as fast as each peer."""
    peers = [name for name in LIMITS if name in runs]
    rows: dict[str, dict[str, Any]] = {}
    for name, own in runs.items():
        quiet = [run for run in own if run[2] <= 0.06 * run[0] + 0.01]
        used = quiet if len(quiet) >= 3 else own
        row: dict[str, Any] = {
            "wall_ms": round(float(np.median([run[0] for run in used])) * 1e3, 1),
            "cpu_ms": round(float(np.median([run[1] for run in used])) * 1e3, 1),
            "runs": len(own),
            "undisturbed": len(quiet),
        }
        for peer in peers:
            for at, unit in enumerate(("wall", "cpu")):
                pairs = zip(runs[peer], own, strict=True)
                faster = float(np.median([theirs[at] / mine[at] for theirs, mine in pairs]))
                row[f"{unit}_times_{peer}"] = round(faster, 2)
        rows[name] = row
    return rows


def errors(ways: dict[str, Ours], character: Character, poses: Pose, count: int) -> dict[str, Any]:
    """Return how far the frames are off, over grey: most, mean, decibels; raw values that differ.

    Every pose is drawn after the one before it in the trace, as it happens live.
    """
    evaluation = Evaluation(
        character.states["face_morpher"], character.states["body_morpher"], character.picture
    )
    chosen = np.linspace(1, len(poses) - 1, count).round().astype(int)
    found: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in ways}
    for index in chosen:
        expected = evaluation.render(poses[index])
        for name, way in ways.items():
            way.draw(poses[index - 1])
            way.draw(poses[index])
            off = np.abs(_over_grey(way.frame) - _over_grey(expected))
            raw = float((way.frame != expected).mean())
            found[name].append((off.max(), off.mean(), np.square(off).mean(), raw))
    rows = {}
    for name, values in found.items():
        most, mean, square, raw = np.array(values).T
        rows[name] = {
            "most_levels": round(float(most.max()), 1),
            "mean_levels": round(float(mean.mean()), 5),
            "decibels": round(float(10 * np.log10(255**2 / max(square.mean(), 1e-12))), 1),
            "raw_values_that_differ": round(float(raw.mean()), 5),
        }
    return rows


def main() -> int:
    """Measure, print, write; 0 also when a target is missed: the table says so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--character", type=Path, default=SHARED / "tha4_student" / "lambda_00")
    parser.add_argument("--torch", type=Path, metavar="PYTHON", help="a Python that has PyTorch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frames", type=int, default=12, help="whose errors are measured")
    arguments = parser.parse_args()
    if not arguments.character.is_dir():
        parser.exit(2, f"no character at {arguments.character}: this needs a trained one\n")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    character = load_character(arguments.character)
    trace = load_trace(SHARED / "pose_20fps.json")
    poses = np.ascontiguousarray(trace[1000:1100])
    place = machine(PACKAGES)
    ways = ours(arguments.character, poses, arguments.threads)
    draws: dict[str, Draw] = {PLAIN: plain(character, poses, arguments.threads), **ways}
    if arguments.torch:
        with official(arguments.torch, arguments.character, poses, arguments.threads) as draw:
            rows = summed(take_turns({OFFICIAL: draw, **draws}, arguments.rounds, len(poses)))
    else:
        rows = summed(take_turns(draws, arguments.rounds, len(poses)))
    exact = {name: way for name, way in ways.items() if not isinstance(way, SameFace)}
    off = errors(exact, character, trace, arguments.frames)
    show(rows, off)
    save(
        "student_speed",
        {
            "machine": place,
            "character": arguments.character.name,
            "threads": arguments.threads,
            "targets": {f"fast, times as fast as {name}": value for name, value in LIMITS.items()},
            "times": rows,
            "errors": off,
            "counters": {name: dict(way.poser.counters()) for name, way in ways.items()},
        },
    )
    return 0


def show(rows: dict[str, dict[str, Any]], off: dict[str, Any]) -> None:
    """Print both tables."""
    peers = [name for name in LIMITS if f"wall_times_{name}" in rows[PLAIN]]
    table(
        "A frame of a trained character",
        ("", "wall ms", "fps", "CPU ms", *(f"times as fast as {name}" for name in peers), "quiet"),
        [
            (
                name,
                row["wall_ms"],
                round(1000 / row["wall_ms"], 1),
                row["cpu_ms"],
                *(row[f"wall_times_{peer}"] for peer in peers),
                f"{row['undisturbed']} of {row['runs']}",
            )
            for name, row in rows.items()
        ],
    )
    table(
        "Off, laid over grey (levels of 8 bits)",
        ("", "most", "mean", "dB", "raw values that differ"),
        [(name, *row.values()) for name, row in off.items()],
    )


@contextmanager
def _pure(wanted: bool) -> Iterator[None]:
    before = os.environ.get(PURE)
    os.environ[PURE] = "1" if wanted else "0"
    try:
        yield
    finally:
        os.environ.pop(PURE) if before is None else os.environ.update({PURE: before})


def _over_grey(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    alpha = frame[..., 3:] / 255
    return np.asarray(frame[..., :3] * alpha + 128 * (1 - alpha))


if __name__ == "__main__":
    sys.exit(main())
