"""Model packs on disk: a folder with graphs, and which of their inputs and outputs belong together.

Two kinds are read: ours, with a `manifest.json`, and those of ezvtuber-rt, which are files of known
names. Either becomes a `Pack`: parts in the order in which they run, speaking of values by the same
names. Nothing in a pack is executed; reading one needs neither onnx nor a back end.
"""

import hashlib
import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from stages.networks.parameters import STRUCTURES, Structure

FORMAT = 1
MANIFEST = "manifest.json"

Precision = Literal["fp32", "fp16"]
# What a graph is written for. Both compute the same; on CPUs some layers are faster and more exact
# taken apart, which GPU libraries would only have to put together again.
Target = Literal["cpu", "gpu"]
# Levels of the last step to bytes: ties to even, or all down.
Rounding = Literal["nearest", "down"]
# What a part's results change with, each including those before it.
Reach = Literal["picture", "eyebrows", "face", "rotation"]

# Which values of a pose an input of that name takes.
POSE_INPUTS = {
    "eyebrow_pose": slice(0, 12),
    "face_pose": slice(12, 39),
    "rotation_pose": slice(39, 45),
    "expression_pose": slice(0, 39),
    "pose": slice(0, 45),
}

# In ezvtuber-rt's packs: the face encoder's output, named as graphs traced from the official
# modules name it, and the folder of each structure in their spelling.
CUT: dict[Structure, str] = {
    "separable": "/face_morpher/body/downsample_blocks.3/downsample_blocks.3.3/Relu_output_0",
    "standard": "/face_morpher/downsample_blocks.3/downsample_blocks.3.2/Relu_output_0",
}
EXISTING_FOLDERS: dict[Structure, str] = {"separable": "seperable", "standard": "standard"}


class PackRejected(ValueError):
    """A folder is no pack that can be used; the message says what is missing or wrong."""


class Part(NamedTuple):
    """One graph of a pack."""

    name: str
    path: Path
    reach: Reach
    inputs: dict[str, str]  # value: input of the graph
    outputs: dict[str, str]  # value: output of the graph


class Pack(NamedTuple):
    """One model, ready to be loaded. Some part takes `picture`, the last gives `frame`."""

    folder: Path
    layout: Literal["ayatsuri", "ezvtuber-rt"]
    structure: Structure | None  # None: a model that comes in one structure only
    precision: Precision
    parts: tuple[Part, ...]
    clears_transparent: bool  # otherwise the caller sets pixels of alpha 0 to all zeros


class GraphFile(Protocol):
    """What every manifest says of a graph."""

    @property
    def file(self) -> str:
        """Its name in the pack's folder."""

    @property
    def sha256(self) -> str:
        """Its digest."""


class AManifest(Protocol):
    """What every family's manifest has."""

    @property
    def format(self) -> int:
        """`FORMAT` of the version that wrote it."""

    @property
    def graphs(self) -> Sequence[GraphFile]:
        """Its graphs."""


AnyManifest = TypeVar("AnyManifest", bound=AManifest)


class GraphEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One graph in a manifest."""

    name: str
    file: str
    sha256: str
    reach: Reach
    inputs: list[str]
    outputs: list[str]


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the built-in sample picture and pose must give, evaluated without the graphs."""

    frame_sha256: str
    samples: str  # every 32nd pixel of the frame, BGRA, hexadecimal
    errors: dict[str, list[float]]  # of the graphs when built: by value, mean and maximum


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`manifest.json`."""

    format: int
    model: str
    structure: Structure | None
    precision: Precision
    rounding: Rounding
    target: Target
    builder: str
    licence: str
    sources: dict[str, str]  # file: SHA-256
    graphs: list[GraphEntry]
    reference: Reference | None = None


class _Family(msgspec.Struct):
    model: str


def open_pack(folder: Path) -> Pack:
    """Read a pack of either kind. Raises `PackRejected`."""
    if not folder.is_dir():
        raise PackRejected(f"no model pack at {folder}: there is no such folder")
    if (folder / MANIFEST).is_file():
        return _ours(folder)
    if (folder / "morpher.onnx").is_file():
        return _existing(folder)
    if (folder / "body_morpher.onnx").is_file():
        return _existing_student(folder)
    raise PackRejected(
        f"{folder} is no model pack: it has neither {MANIFEST} nor morpher.onnx "
        "nor body_morpher.onnx"
    )


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of one of our packs. Raises `PackRejected`."""
    return decode_manifest(folder, Manifest)


def decode_manifest(folder: Path, kind: type[AnyManifest]) -> AnyManifest:
    """Read a manifest of any family's type. Raises `PackRejected`."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise PackRejected(f"{path}: {error}") from error
    if manifest.format != FORMAT:
        raise PackRejected(f"{path}: format {manifest.format}, this version reads {FORMAT}")
    for graph in manifest.graphs:
        if Path(graph.file).name != graph.file:
            raise PackRejected(f"{path}: {graph.file!r} is not a plain file name")
    return manifest


def family_of(folder: Path) -> str:
    """Return which model a pack of ours is of. Raises `PackRejected`."""
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Family).model
    except (OSError, msgspec.DecodeError) as error:
        raise PackRejected(f"{path}: {error}") from error


def write_manifest(folder: Path, manifest: msgspec.Struct) -> None:
    """Write a pack's manifest, of any family."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    (folder / MANIFEST).write_bytes(text + b"\n")


def verify(folder: Path, graphs: Iterable[GraphFile]) -> None:
    """Raise `PackRejected` unless every graph of a manifest is the one that was written."""
    for graph in graphs:
        path = folder / graph.file
        if not path.is_file() or digest(path) != graph.sha256:
            raise PackRejected(f"{path} is damaged or was changed: convert again")


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ours(folder: Path) -> Pack:
    manifest = read_manifest(folder)
    parts = []
    for entry in manifest.graphs:
        names = {name: name for name in entry.inputs}, {name: name for name in entry.outputs}
        parts.append(Part(entry.name, folder / entry.file, entry.reach, *names))
    _all_there(folder, parts)
    return Pack(folder, "ayatsuri", manifest.structure, manifest.precision, tuple(parts), True)


def _existing(folder: Path) -> Pack:
    structure = _structure_of(folder / "morpher.onnx")
    cut = CUT[structure]
    layout: list[tuple[str, Reach, dict[str, str], dict[str, str]]] = [
        (
            "decomposer",
            "picture",
            {"picture": "input_image"},
            {
                "background": "background_layer",
                "eyebrow_layer": "eyebrow_layer",
                "image": "image_prepared",
            },
        ),
        (
            "combiner",
            "eyebrows",
            {
                "image": "image_prepared",
                "background": "eyebrow_background_layer",
                "eyebrow_layer": "eyebrow_layer",
                "eyebrow_pose": "eyebrow_pose",
            },
            {"face_with_eyebrows": "eyebrow_image", "face_feature": cut},
        ),
        (
            "morpher",
            "face",
            {
                "image": "image_prepared",
                "face_with_eyebrows": "im_morpher_crop",
                "face_pose": "face_pose",
                "face_feature": cut,
            },
            {"full": "face_morphed_full", "half": "face_morphed_half"},
        ),
        (
            "rotator",
            "rotation",
            {"half": "face_morphed_half", "rotation_pose": "rotation_pose"},
            {"warped": "full_warped_image", "grid_change": "full_grid_change"},
        ),
        (
            "editor",
            "rotation",
            {
                "full": "morphed_image",
                "warped": "rotated_warped_image",
                "grid_change": "rotated_grid_change",
                "rotation_pose": "rotation_pose",
            },
            {"frame": "cv_result"},
        ),
    ]
    parts = [
        Part(name, folder / f"{name}.onnx", reach, inputs, outputs)
        for name, reach, inputs, outputs in layout
    ]
    _all_there(folder, parts)
    precision: Precision = "fp16" if "fp16" in folder.name else "fp32"
    return Pack(folder, "ezvtuber-rt", structure, precision, tuple(parts), False)


def _existing_student(folder: Path) -> Pack:
    parts = (
        Part(
            "face_morpher",
            folder / "face_morpher.onnx",
            "face",
            {"expression_pose": "pose"},
            {"face": "face_morphed"},
        ),
        Part(
            "body_morpher",
            folder / "body_morpher.onnx",
            "rotation",
            {"picture": "input_image", "face": "face_morphed", "pose": "pose"},
            {"frame": "cv_result"},
        ),
    )
    _all_there(folder, list(parts))
    # Fed the picture as it is, hidden colours too, as its own program does.
    return Pack(folder, "ezvtuber-rt", None, "fp32", parts, True)


def _structure_of(morpher: Path) -> Structure:
    """Tell the structures apart by the name of the input that only this one has."""
    with morpher.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for structure in STRUCTURES:
            if data.find(CUT[structure].encode()) >= 0:
                return structure
    raise PackRejected(f"{morpher} has no input {CUT['separable']!r} or {CUT['standard']!r}")


def _all_there(folder: Path, parts: list[Part]) -> None:
    missing = [part.path.name for part in parts if not part.path.is_file()]
    if missing:
        raise PackRejected(f"{folder} lacks {', '.join(missing)}")


def entry_of_part(part: Part) -> GraphEntry:
    """Describe a graph that was written as part of one of our packs."""
    inputs, outputs = list(part.inputs.values()), list(part.outputs.values())
    return GraphEntry(part.name, part.path.name, digest(part.path), part.reach, inputs, outputs)


def entry_of(path: Path, name: str, reach: Reach, graph: Any) -> GraphEntry:
    """Describe a written graph, an `onnx.ModelProto`, for the manifest."""
    return GraphEntry(
        name,
        path.name,
        digest(path),
        reach,
        [value.name for value in graph.graph.input],
        [value.name for value in graph.graph.output],
    )
