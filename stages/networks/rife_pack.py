"""Packs of RIFE: ours, a folder with a manifest, and the files that ezvtuber-rt loads.

Reading one needs neither onnx nor a back end, and executes nothing in it.
"""

import hashlib
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from stages.networks.library import PLACES, PackMissing
from stages.networks.pack import (
    MANIFEST,
    PackRejected,
    Precision,
    Target,
    decode_manifest,
    digest,
)

SCALES = (2, 3, 4)
# Which version is meant where none is named: the quickest first.
PREFERENCE = ("v4.25.lite", "v4.26", "v4.25", "v4.22.lite", "v4.6")
_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")


class GraphFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One graph in a manifest."""

    name: str  # frame, between_x2, between_x3, between_x4
    file: str
    sha256: str


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the built-in pair of pictures must give, evaluated without the graphs."""

    samples: dict[str, str]  # by graph: pixels of its frames, BGRA, hexadecimal
    errors: dict[str, list[float]]  # of the graphs when built: off by one, by more, at most, mean


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`manifest.json` of a pack of RIFE."""

    format: int
    model: Literal["rife"]
    version: str
    precision: Precision
    target: Target
    height: int
    width: int
    builder: str
    licence: str
    sources: dict[str, str]  # file: SHA-256
    graphs: list[GraphFile]
    reference: Expectation | None = None


class RifePack(NamedTuple):
    """Graphs to be loaded. Without `frame` each of `between` takes both frames as they are."""

    folder: Path
    version: str  # empty if the files do not say
    precision: Precision
    frame: Path | None
    between: dict[int, Path]  # by scale

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return f"RIFE {self.version or 'of unknown version'} {self.precision}"


def find_rife(models: Path, version: str, precision: Precision, size: tuple[int, int]) -> RifePack:
    """Open the pack for frames of `size` in a folder of models, or the folder itself if it is one.

    An empty version means the first there is of `PREFERENCE`. Only where there is no pack of this
    precision, one of the other is taken. Raises `PackMissing`, and `PackRejected` for one that is
    damaged or of another size.
    """
    if (models / MANIFEST).is_file():
        return _ours(models, size)
    versions = (version,) if version else PREFERENCE
    precisions = (precision, *(other for other in _PRECISIONS if other != precision))
    for wanted in precisions:
        for place in PLACES:
            for name in versions:
                folder = models / place / pack_name(name, wanted, size)
                if (folder / MANIFEST).is_file():
                    return _ours(folder, size)
            # The other program's are of unknown version and made for one size.
            found = None if version else _existing(models / place, wanted)
            if found and size == (512, 512):
                return found
    raise PackMissing(
        f"no {f'RIFE {version}' if version else 'RIFE'} pack for {size[1]}x{size[0]} in {models}: "
        "get the published weights as docs/interpolation.md says, then "
        f"`launcher.py models convert rife FILE '{models}'`"
    )


def pack_name(version: str, precision: Precision, size: tuple[int, int] = (512, 512)) -> str:
    """Return the name of a pack's folder."""
    end = "" if size == (512, 512) else f"_{size[1]}x{size[0]}"
    return f"rife_{version}_{precision}{end}"


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of one of our packs of RIFE. Raises `PackRejected`."""
    return decode_manifest(folder, Manifest)


def look(pack: RifePack) -> bytes:
    """Return a digest of a pack's graphs: what shapes the pixels besides the two frames."""
    if pack.frame is not None:
        digests = [graph.sha256 for graph in read_manifest(pack.folder).graphs]
    else:
        digests = [digest(path) for _, path in sorted(pack.between.items())]
    return hashlib.blake2b("".join(digests).encode(), digest_size=16).digest()


def _ours(folder: Path, size: tuple[int, int]) -> RifePack:
    manifest = read_manifest(folder)
    if (manifest.height, manifest.width) != size:
        raise PackRejected(
            f"{folder} is for frames of {manifest.width}x{manifest.height}, these are "
            f"{size[1]}x{size[0]}: `launcher.py models convert rife FILE DESTINATION --size "
            f"{size[1]}x{size[0]}`"
        )
    files = {graph.name: folder / graph.file for graph in manifest.graphs}
    between = {scale: files.get(f"between_x{scale}") for scale in SCALES}
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing or "frame" not in files:
        raise PackRejected(f"{folder} lacks {', '.join(missing) or 'the graph of a frame'}")
    there = {scale: path for scale, path in between.items() if path is not None}
    return RifePack(folder, manifest.version, manifest.precision, files["frame"], there)


def _existing(models: Path, precision: Precision) -> RifePack | None:
    for folder in (models / "rife", models):
        files = {scale: folder / f"rife_x{scale}_{precision}.onnx" for scale in SCALES}
        there = {scale: path for scale, path in files.items() if path.is_file()}
        if there:
            return RifePack(folder, "", precision, None, there)
    return None
