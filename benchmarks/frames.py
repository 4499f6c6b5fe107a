"""How long the work on one 512x512 frame takes: `python -m benchmarks.frames`.

Render, interpolate, encode, decode, on one thread, each alone in this process. Prints a table of
medians and 99th percentiles in milliseconds, of CPU and of wall time, and writes the same with the
machine to `benchmarks/results/frames.json`. The poses are the idle motion, 60 a second.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from stages.avatar import picture
from stages.avatar.warp import WarpPoser
from stages.cacher.codec import Codec
from stages.ingest.idle import PERIOD_S, IdleMotion
from stages.ingest.trace import load_trace
from stages.interpolation.flow import FlowInterpolator
from stages.jpeg import JpegBinding, PyTurboJpegBinding, SimpleJpegBinding
from stages.pose import neutral

Image = NDArray[np.uint8]
Item = TypeVar("Item")

RESULT = Path(__file__).parent / "results" / "frames.json"
TRACE = Path(__file__).parents[1] / "configs" / "traces" / "face_10s.json"
PACKAGES = ("numpy", "opencv-python-headless", "zstandard", "PyTurboJPEG", "simplejpeg")
QUALITIES = (85, 90, 100)
FACTORS = (2, 3, 4)


class Timing(NamedTuple):
    """One row: what was done, and how long it took per frame it produced."""

    what: str
    frames: int
    cpu_p50_ms: float
    cpu_p99_ms: float
    wall_p50_ms: float
    wall_p99_ms: float
    bytes_per_frame: int | None = None


def timed(
    what: str, work: Callable[[Item], object], items: Iterable[Item], produced: int = 1
) -> Timing:
    """Time `work` on each item; `produced` is the number of frames one call makes."""
    cpu_ns, wall_ns = [], []
    for item in items:
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        work(item)
        cpu_ns.append(time.thread_time_ns() - cpu)
        wall_ns.append(time.perf_counter_ns() - wall)

    def per_frame_ms(taken_ns: list[int], share: int) -> float:
        # The first tenth warms caches and allocators.
        rest = taken_ns[len(taken_ns) // 10 :]
        return round(float(np.percentile(rest, share)) / 1e6 / produced, 3)

    return Timing(
        what,
        frames=len(cpu_ns) * produced,
        cpu_p50_ms=per_frame_ms(cpu_ns, 50),
        cpu_p99_ms=per_frame_ms(cpu_ns, 99),
        wall_p50_ms=per_frame_ms(wall_ns, 50),
        wall_p99_ms=per_frame_ms(wall_ns, 99),
    )


def idle_poses(count: int) -> list[NDArray[np.float32]]:
    """Poses of the idle motion, 1/60 s apart, over and over one period."""
    motion, poses = IdleMotion(), []
    for number in range(count):
        pose = neutral()
        motion.pose_at(number / 60 % PERIOD_S, pose)
        poses.append(pose)
    return poses


def rendered(poser: WarpPoser, poses: Iterable[NDArray[np.float32]]) -> list[Image]:
    """Each pose as a frame of its own."""
    frames = []
    for pose in poses:
        out = np.empty((512, 512, 4), np.uint8)
        poser.render(pose, out)
        frames.append(out)
    return frames


def render_timings(poser: WarpPoser, count: int) -> Iterator[Timing]:
    """Rendering, with the idle motion and with a recorded face."""
    out = np.empty((512, 512, 4), np.uint8)
    trace = load_trace(TRACE)
    recorded = [trace[number % len(trace)] for number in range(count)]
    for what, poses in (("render, idle", idle_poses(count)), ("render, recorded face", recorded)):
        yield timed(what, partial(poser.render, out=out), poses)


def interpolation_timings(frames: list[Image]) -> Iterator[Timing]:
    """Interpolation per produced frame: the flow is shared by all phases of a pair."""
    for factor in FACTORS:
        yield timed(
            f"interpolate x{factor}",
            interpolate_pair(factor),
            list(pairwise(frames)),
            produced=factor - 1,
        )


def interpolate_pair(factor: int) -> Callable[[tuple[Image, Image]], None]:
    """What makes `factor` - 1 frames between two."""
    interpolator = FlowInterpolator(512, 512)
    phases = [step / factor for step in range(1, factor)]
    outs = [np.empty((512, 512, 4), np.uint8) for _ in phases]

    def interpolate(pair: tuple[Image, Image]) -> None:
        interpolator.between(*pair, phases=phases, outs=outs)

    return interpolate


def codec_timings(frames: list[Image]) -> Iterator[Timing]:
    """Encoding and decoding, with every JPEG binding that works here."""
    out = np.empty((512, 512, 4), np.uint8)
    for jpeg in working_bindings():
        for quality in QUALITIES:
            codec = Codec(quality, jpeg)
            how = "lossless" if quality == 100 else f"q{quality}, {jpeg.name}"
            blobs = [codec.encode(frame) for frame in frames]
            size = round(sum(map(len, blobs)) / len(blobs))
            encoding = timed(f"encode {how}", codec.encode, frames)
            yield encoding._replace(bytes_per_frame=size)
            yield timed(f"decode {how}", partial(codec.decode, out=out), blobs)


def working_bindings() -> list[JpegBinding]:
    """Every JPEG binding whose library is here."""
    bindings: list[JpegBinding] = []
    for make in (PyTurboJpegBinding, SimpleJpegBinding):
        try:
            bindings.append(make())
        except (ImportError, OSError, RuntimeError) as error:
            print(f"left out: {make.__name__}: {str(error).splitlines()[0]}")
    return bindings


def machine() -> dict[str, object]:
    """What the figures depend on; nothing that names the host or its folders."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: installed_version(name) for name in PACKAGES},
    }


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def installed_version(distribution: str) -> str | None:
    """The version of an installed package, None without it."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def shown(timings: list[Timing]) -> Table:
    """The timings as a table."""
    table = Table("per produced frame", "CPU p50 ms", "CPU p99", "wall p50", "wall p99", "bytes")
    for row in timings:
        figures = (row.cpu_p50_ms, row.cpu_p99_ms, row.wall_p50_ms, row.wall_p99_ms)
        size = "" if row.bytes_per_frame is None else f"{row.bytes_per_frame:,}"
        table.add_row(row.what, *(f"{figure:.2f}" for figure in figures), size)
    return table


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300, help="frames per row (default: 300)")
    parser.add_argument("--picture", default="default", help="name of a shipped picture, or a path")
    parser.add_argument("--output", type=Path, default=RESULT, help="where the JSON goes")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    poser = WarpPoser(picture.load(picture.resolve(arguments.picture)))
    frames = rendered(poser, idle_poses(arguments.frames))
    timings = [
        *render_timings(poser, arguments.frames),
        *interpolation_timings(frames),
        *codec_timings(frames),
    ]
    Console().print(shown(timings))
    report = {"machine": machine(), "timings": [row._asdict() for row in timings]}
    arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
