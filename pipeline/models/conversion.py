"""What every conversion of published weights does alike: refuse in words, write whole or nothing.

Conversion needs the extra `convert`; nothing that runs a session imports what it needs.
"""

import hashlib
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.backends import onnx_runtime
from stages.backends.choice import Kind, open_backend
from stages.backends.engine import Backend, BackendMissing
from stages.networks.pack import (
    Manifest,
    PackRejected,
    Precision,
    Reference,
    Target,
    read_manifest,
    verify,
)

FRAME_STEP: Final = 32  # rows and columns between the pixels that a manifest keeps

Picture = NDArray[np.uint8]
Step = Callable[[str], None]  # is told what is done next
Layout = Literal["ayatsuri", "ezvtuber-rt"]


class ConversionFailed(ValueError):
    """A conversion cannot be done or its result is wrong; the message says what and where."""


class Choice(NamedTuple):
    """Which packs to make of the weights that are found."""

    only: tuple[str, ...] = ()  # variants of the model, all that are found if empty
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    target: Target | None = None  # None: cpu, and gpu for the layout of ezvtuber-rt
    layout: Layout = "ayatsuri"
    check: bool = True
    size: tuple[int, int] = (512, 512)  # of the frames, height and width, where a model allows it


class Converted(NamedTuple):
    """A pack that was written."""

    folder: Path
    errors: dict[str, list[float]]  # empty where nothing could be checked
    verdict: str = ""  # what the check found, in words


def sampled(frame: Picture) -> Picture:
    """Return the pixels of a frame that a manifest keeps."""
    return frame[::FRAME_STEP, ::FRAME_STEP]


def reference(frame: Picture, errors: dict[str, list[float]]) -> Reference:
    """Return what a manifest says of the frame that the sample must give."""
    samples = sampled(frame).tobytes().hex()
    return Reference(hashlib.sha256(frame.tobytes()).hexdigest(), samples, errors)


def verified(folder: Path) -> tuple[Manifest, Picture]:
    """Return a pack's manifest and the pixels that it asks for, (rows, columns, 4).

    Raises `PackRejected` for damaged graphs, `ConversionFailed` if it was built without a check.
    """
    manifest = read_manifest(folder)
    verify(folder, manifest.graphs)
    if manifest.reference is None:
        raise unchecked(folder)
    try:
        pixels = np.frombuffer(bytes.fromhex(manifest.reference.samples), np.uint8)
        side = math.isqrt(pixels.size // 4)
        return manifest, pixels.reshape(side, side, 4)
    except ValueError as error:
        raise PackRejected(f"{folder}: the samples of its manifest are damaged") from error


def unchecked(folder: Path) -> ConversionFailed:
    """Return what is said of a pack that nothing can be held against."""
    return ConversionFailed(f"{folder} was built without a check and has no numbers to meet")


def need_onnx() -> None:
    """Raise `ConversionFailed` where the extra `convert` is not installed."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ConversionFailed("conversion needs onnx: pip install 'ayatsuri[convert]'") from error


def builder() -> str:
    """Return what a manifest says of who built a pack."""
    try:
        return f"ayatsuri {metadata.version('ayatsuri')}"
    except metadata.PackageNotFoundError:  # run from a clone
        return "ayatsuri of unknown version"


def checking(target: Target) -> Backend:
    """Open what runs graphs written for `target` exactly enough to judge them."""
    # OpenVINO's instance normalisation is too inexact to judge graphs that leave it whole.
    kind: Kind = "onnxruntime" if target == "gpu" and onnx_runtime.installed() else "auto"
    try:
        return open_backend(kind)
    except BackendMissing as error:
        raise ConversionFailed(f"nothing here can run the graphs to check them: {error}") from error


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a new folder; it takes the place of `target` when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield new
        new.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
