"""`launcher.py video INPUT OUTPUT`: arguments to sources, sinks and what lies between them."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

EXIT_VIDEO = 6


def add(commands: Any) -> None:
    """Add `video` to the parser's commands."""
    text = "make frames in between for a video file or a folder of pictures"
    video = commands.add_parser("video", help=text, description=text)
    video.set_defaults(run=_video)
    video.add_argument("input", type=Path, help="a video, or a folder of pictures")
    video.add_argument("output", type=Path, help="a video, or a folder for PNG files")
    video.add_argument("--scale", type=int, choices=[2, 3, 4], default=2, help="(default: 2)")
    video.add_argument(
        "--method",
        choices=["auto", "flow", "rife"],
        default="auto",
        help="auto: the network if there are weights (default: auto)",
    )
    video.add_argument(
        "--model",
        type=Path,
        help="flownet.pkl as published, a model pack of the video's size, or the folder of packs",
    )
    video.add_argument(
        "--backend",
        choices=["auto", "openvino", "onnxruntime", "cuda", "directml"],
        default="auto",
        help="what runs the network (default: auto)",
    )
    video.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    video.add_argument("--fps", type=float, help="of a folder of pictures that becomes a video")
    video.add_argument(
        "--cut", type=float, metavar="LEVELS", default=20.0, help="least difference of a scene cut"
    )
    video.add_argument("--no-cuts", action="store_true", help="take no difference for a scene cut")
    video.add_argument("--quality", type=int, default=16, help="x264's crf, 0 best (default: 16)")
    video.add_argument("--overwrite", action="store_true", help="replace what is at OUTPUT")


def _video(arguments: argparse.Namespace) -> int:
    from pipeline.models.conversion import ConversionFailed
    from pipeline.video.frames import VideoRejected
    from stages.backends.engine import BackendMissing, GraphRejected
    from stages.networks.pack import PackRejected
    from stages.networks.parameters import WeightsMismatch
    from stages.networks.weights import WeightsRejected

    try:
        return _run(arguments)
    except (
        VideoRejected,
        ConversionFailed,
        PackRejected,
        BackendMissing,
        GraphRejected,
        WeightsMismatch,
        WeightsRejected,
        OSError,
    ) as error:
        print(error, file=sys.stderr)
        return EXIT_VIDEO


def _run(arguments: argparse.Namespace) -> int:
    import cv2
    from rich.console import Console

    from pipeline.video.cuts import CutDetector
    from pipeline.video.frames import open_source
    from pipeline.video.interpolate import interpolate

    cv2.setNumThreads(arguments.threads or -1)
    source = open_source(arguments.input)
    rate = Fraction(arguments.fps).limit_denominator(1001) if arguments.fps else source.rate
    _check_output(arguments, rate)
    console, begun = Console(), time.monotonic()
    with ExitStack() as stack:
        interpolator, name = stack.enter_context(_interpolator(arguments, source.size))
        console.print(f"{name} makes {arguments.scale - 1} between two", highlight=False)
        cuts = None if arguments.no_cuts else CutDetector(arguments.cut)
        tell = stack.enter_context(_progress(console, source.count))
        write = stack.enter_context(_output(arguments, source, rate))
        done = interpolate(iter(source), arguments.scale, interpolator, write, cuts, tell)
    seconds = time.monotonic() - begun
    console.print(
        f"[green]written[/green] {arguments.output}: {done.read} frames became {done.written}, "
        f"{done.cuts} cuts, {seconds:.0f} s ({done.written / seconds:.1f} frames a second)",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _check_output(arguments: argparse.Namespace, rate: Fraction | None) -> None:
    """Refuse an output that cannot be, before any work is done."""
    from pipeline.video.frames import VideoRejected

    output: Path = arguments.output
    if output.exists() and output.samefile(arguments.input):
        raise VideoRejected(f"{output} is the input: give another place")
    if output.exists() and not arguments.overwrite:
        raise VideoRejected(f"{output} is there already: --overwrite replaces it")
    if output.suffix and rate is None:
        raise VideoRejected("--fps says how many of the pictures are shown a second")


@contextmanager
def _progress(console: Any, count: int) -> Iterator[Any]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), "frames", TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=count or None)
        yield lambda done: progress.update(task, completed=done.read)


@contextmanager
def _output(arguments: argparse.Namespace, source: Any, rate: Fraction | None) -> Iterator[Any]:
    """Give what takes frames; the output is in its place only if everything went well."""
    from pipeline.video.frames import PictureWriter, Sink, VideoWriter

    output: Path = arguments.output
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.stem}-", dir=output.parent) as scratch:
        made = Path(scratch) / output.name
        sink: Sink
        if output.suffix:
            assert rate is not None
            size, scale = source.size, arguments.scale
            sink = VideoWriter(made, size, rate * scale, source.sound, arguments.quality)
        else:
            sink = PictureWriter(made)
        try:
            yield sink.write
        except BaseException:
            sink.abandon()
            raise
        sink.close()
        if output.is_dir():
            shutil.rmtree(output)
        made.replace(output)


@contextmanager
def _interpolator(arguments: argparse.Namespace, size: tuple[int, int]) -> Iterator[Any]:
    """Give what makes frames in between, and its name."""
    from pipeline.video.interpolate import PaddedFlow
    from stages.backends.choice import open_backend
    from stages.backends.engine import BackendMissing
    from stages.interpolation.rife import RifeInterpolator
    from stages.networks.pack import PackRejected

    with ExitStack() as stack:
        found: Any = None
        if arguments.method != "flow":
            try:
                pack = stack.enter_context(_pack(arguments, size))
                backend = stack.enter_context(
                    open_backend(arguments.backend, threads=arguments.threads)
                )
                found = RifeInterpolator(pack, backend), f"{pack.name} on {backend.name}"
            except (PackRejected, BackendMissing) as error:
                if arguments.method == "rife" or arguments.model:
                    raise
                print(f"{error}. Optical flow is used instead", file=sys.stderr)
        yield found or (PaddedFlow(*size), "optical flow")


@contextmanager
def _pack(arguments: argparse.Namespace, size: tuple[int, int]) -> Iterator[Any]:
    """Find a pack for the size, or build one of published weights for as long as it is needed."""
    from stages.networks.library import models_folder
    from stages.networks.rife_pack import find_rife

    model: Path | None = arguments.model
    if model is None or model.is_dir():
        yield find_rife(model or models_folder(), "", "fp32", size)
        return
    from pipeline.models import rife
    from pipeline.models.conversion import need_onnx

    need_onnx()
    weights = rife.load(model)
    with tempfile.TemporaryDirectory() as folder:
        rife.build_pack(weights, Path(folder), size, (arguments.scale,))
        yield find_rife(Path(folder), "", "fp32", size)
