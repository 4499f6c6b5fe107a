"""How true frames in between are: `python -m benchmarks.between`.

Triplets of frames that a trained THA4 student draws for a recorded face (poses 800 to 999
  of the trace, 20 a second); of the middle one, made from the outer two over a grey ground, PSNR of
  the whole frame and of what moves (where the outer two differ by more than 8 levels, and 8 pixels
  around), and SSIM, medians. Every row is made from the same frames. RIFE is no row unless `--rife`
  names a pack with published weights: seeded ones say nothing of quality.

How evenly they are shown is `benchmarks.pacing`. `--frames FOLDER` keeps the frames. Writes
`benchmarks/results/between.json`.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import machine, save, table
from stages.avatar.student import StudentChoice, StudentPoser
from stages.ingest.trace import load_trace
from stages.interpolation.flow import FlowInterpolator

Image = NDArray[np.uint8]
Middle = Callable[[Image, Image], Image]

SHARED = Path(__file__).parents[2] / "shared" / "data"
FIRST, COUNT = 800, 200
PACKAGES = ("numpy", "opencv-python-headless")


def frames(folder: Path | None, count: int) -> list[Image]:
    """Return the student's frames of the trace, drawing those that are not in the folder."""
    poses = load_trace(SHARED / "pose_20fps.json")
    student: StudentPoser | None = None
    made = []
    for number in range(FIRST, FIRST + count):
        path = folder / f"{number:05}.png" if folder else None
        if path is not None and path.exists():
            made.append(np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8))
            continue
        if student is None:
            student = StudentPoser(
                SHARED / "tha4_student" / "lambda_00", StudentChoice("exact", threads=2)
            )
        frame = np.empty((512, 512, 4), np.uint8)
        student.render(poses[number], frame)
        made.append(frame)
        if path is not None:
            cv2.imwrite(str(path), made[-1])
    return made


def over_grey(frame: Image) -> NDArray[np.float64]:
    """What is seen of a straight frame on a grey ground."""
    alpha = frame[..., 3:] / 255.0
    seen: NDArray[np.float64] = frame[..., :3] * alpha + 128.0 * (1.0 - alpha)
    return seen


def premultiplied(frame: Image) -> NDArray[np.float64]:
    """BGRA with colours times alpha: what the project's measurements of others are of."""
    found = frame.astype(np.float64)
    found[..., :3] *= found[..., 3:] / 255.0
    return found


def psnr(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Decibels; 99 where nothing differs."""
    error = float(np.mean((one - other) ** 2)) if one.size else 0.0
    return 99.0 if error < 1e-9 else 10.0 * float(np.log10(255.0**2 / error))


def ssim(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Structural similarity, Gaussian window of 1.5 pixels, mean of the three colours."""

    def blurred(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(x, (11, 11), 1.5), np.float64)

    mean_one, mean_other = blurred(one), blurred(other)
    variance = blurred(one * one) - mean_one**2 + blurred(other * other) - mean_other**2
    covariance = blurred(one * other) - mean_one * mean_other
    low, high = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_one * mean_other + low) * (2 * covariance + high)
    return float(np.mean(likeness / ((mean_one**2 + mean_other**2 + low) * (variance + high))))


def moving(first: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the outer frames differ, and around."""
    differs = (np.abs(first - last).max(axis=2) > 8).astype(np.uint8)
    return np.asarray(cv2.dilate(differs, np.ones((17, 17), np.uint8)), np.bool_)


def blend(first: Image, last: Image) -> Image:
    """The mean, premultiplied."""
    mean = (premultiplied(first) + premultiplied(last)) / 2
    mean[..., :3] *= 255 / np.maximum(mean[..., 3:], 1)
    return np.clip(np.round(mean), 0, 255).astype(np.uint8)


def by_flow() -> Middle:
    """What the stage does without weights."""
    flow = FlowInterpolator(512, 512)

    def middle(first: Image, last: Image) -> Image:
        out = np.empty_like(first)
        flow.between(first, last, [0.5], [out])
        return out

    return middle


def by_rife(pack: Path) -> Middle:
    """What the stage does with weights."""
    from stages.backends.choice import open_backend
    from stages.interpolation.rife import RifeInterpolator
    from stages.networks.rife_pack import find_rife

    rife = RifeInterpolator(find_rife(pack, "", "fp32", (512, 512)), open_backend(threads=2))

    def middle(first: Image, last: Image) -> Image:
        out = np.empty_like(first)
        rife.between(first, last, [0.5], [out])
        return out

    return middle


def truth(images: list[Image], step: int, methods: dict[str, Middle]) -> dict[str, list[float]]:
    """Return PSNR whole, PSNR moving, SSIM, PSNR of premultiplied BGRA: medians by method."""
    found: dict[str, list[list[float]]] = {name: [] for name in methods}
    for number in range(0, len(images) - 2 * step, step):
        first, true, last = images[number : number + 2 * step + 1 : step]
        expected = over_grey(true)
        where = moving(over_grey(first), over_grey(last))
        for name, method in methods.items():
            frame = method(first, last)
            made = over_grey(frame)
            values = [psnr(made, expected), psnr(made[where], expected[where])]
            bare = psnr(premultiplied(frame), premultiplied(true))
            found[name].append([*values, ssim(made, expected), bare])
    return {
        name: [round(float(value), 3) for value in np.median(rows, axis=0)]
        for name, rows in found.items()
    }


def rows(found: dict[str, list[float]]) -> Iterator[tuple[Any, ...]]:
    """Yield table rows."""
    for name, values in found.items():
        yield name, *values


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=Path, help="a folder that keeps the student's frames")
    parser.add_argument("--count", type=int, default=COUNT, help=f"frames (default: {COUNT})")
    parser.add_argument("--rife", type=Path, help="a pack with published weights")
    parser.add_argument("--quick", action="store_true", help="few frames; saves nothing")
    arguments = parser.parse_args()
    place = machine(PACKAGES)
    cv2.setNumThreads(1)
    if arguments.frames:
        arguments.frames.mkdir(parents=True, exist_ok=True)
    images = frames(arguments.frames, 5 if arguments.quick else arguments.count)
    methods: dict[str, Middle] = {
        "repeat": lambda first, _last: first,
        "blend": blend,
        "flow": by_flow(),
    }
    if arguments.rife:
        methods["RIFE"] = by_rife(arguments.rife)
    content: dict[str, Any] = {"machine": place, "frames": len(images)}
    for step, what in ((1, "neighbours"), (2, "every second")):
        found = truth(images, step, methods)
        table(
            f"The middle of {what}, against the true frame",
            ("", "PSNR", "where it moves", "SSIM", "PSNR premultiplied"),
            rows(found),
        )
        content[what] = found
    if not arguments.quick:
        print(f"\nsaved {save('between', content).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
