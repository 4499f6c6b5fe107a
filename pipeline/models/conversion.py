"""What every conversion of published weights does alike: refuse in words, write whole or nothing.

Conversion needs the extra `convert`; nothing that runs a session imports what it needs.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from stages.backends import onnx_runtime
from stages.backends.choice import Kind, open_backend
from stages.backends.engine import Backend, BackendMissing
from stages.networks.pack import Precision, Target

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
