"""Model packs out of published weights: find the files, build the graphs, check, write.

`convert` needs the extra `convert` (numpy and onnx); nothing that runs a session imports it.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.backends import onnx_runtime
from stages.backends.choice import Kind, open_backend
from stages.backends.engine import Backend, BackendMissing
from stages.chain import Chain
from stages.networks import evaluation, pack, parameters
from stages.networks.pack import EXISTING_FOLDERS, Manifest, Precision, Reference, Target
from stages.networks.parameters import NETWORKS, STRUCTURES, State, Structure

Step = Callable[[str], None]  # is told what is done next

LICENCE = (
    "The weights' own. Those published with talking-head-anime-3-demo are by Pramook Khungurn, "
    "CC BY 4.0: name him where you pass them on."
)
GET_WEIGHTS = (
    "Get talking-head-anime-3-models.zip as https://github.com/pkhungurn/talking-head-anime-3-demo "
    "describes, unpack it, and give the folder that holds standard_float, separable_float, "
    "standard_half and separable_half, or one of these."
)

# How far a graph fed with exact inputs may be from the evaluation in NumPy: mean and maximum of the
# absolute error of a picture in the network's range, -1..1. A frame: share of values off by one
# level or more, by two or more, the largest difference, the mean one; `chained`: the same for a
# frame drawn from the picture on, where half precision adds up from graph to graph.
LIMITS: dict[Precision, dict[str, tuple[float, ...]]] = {
    "fp32": {
        "image": (0.0, 0.0),
        "background": (6e-6, 6e-5),
        "eyebrow_layer": (6e-6, 6e-5),
        "face_with_eyebrows": (6e-5, 8e-4),
        "face": (1.5e-4, 3e-3),
        "frame": (0.05, 0.001, 8, 0.06),
        "chained": (0.05, 0.001, 8, 0.06),
    },
    "fp16": {
        "image": (0.0, 0.0),
        "background": (4e-3, 4e-2),
        "eyebrow_layer": (4e-3, 4e-2),
        "face_with_eyebrows": (6e-3, 0.1),
        "face": (4e-3, 0.1),
        "frame": (0.5, 0.1, 64, 0.6),
        "chained": (1.0, 1.0, 255, 8.0),
    },
}
FRAME_STEP = 32


class ConversionFailed(ValueError):
    """A conversion cannot be done or its result is wrong; the message says what and where."""


class Weights(NamedTuple):
    """The five state dicts of one structure and the files they came from."""

    structure: Structure
    files: dict[str, Path]  # by network
    states: dict[str, State]


class Choice(NamedTuple):
    """Which packs to make of the weights that are found."""

    structures: tuple[Structure, ...] = STRUCTURES
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    target: Target | None = None  # None: cpu, and gpu for the layout of ezvtuber-rt
    check: bool = True


class Converted(NamedTuple):
    """A pack that was written."""

    folder: Path
    errors: dict[str, list[float]]  # empty where nothing could be checked


def convert_tha3(
    source: Path, destination: Path, choice: Choice | None = None, step: Step = lambda _: None
) -> list[Converted]:
    """Make a pack for every structure found in `source`, in `destination`/tha3_<...>.

    Raises `ConversionFailed`, `WeightsMismatch` or the loader's `WeightsRejected`.
    """
    choice = choice or Choice()
    _need_onnx()
    written = []
    for structure, folder in find_tha3(source, choice.structures).items():
        weights = load_tha3(folder, structure, step)
        expected = _expected(weights, choice, step)
        for precision in choice.precisions:
            target = destination / f"tha3_{structure}_{precision}"
            with replacing(target) as folder:
                errors = _write_pack(
                    folder, weights, precision, choice.target or "cpu", expected, step
                )
            written.append(Converted(target, errors))
    return written


def convert_tha3_existing(
    source: Path, destination: Path, choice: Choice | None = None, step: Step = lambda _: None
) -> list[Converted]:
    """Write `destination`/tha3/{seperable,standard}/{fp32,fp16} as ezvtuber-rt loads them."""
    from stages.networks import tha3_existing_layout as layout

    choice = choice or Choice()
    _need_onnx()
    written = []
    for structure, folder in find_tha3(source, choice.structures).items():
        weights = load_tha3(folder, structure, step)
        expected = _expected(weights, choice, step)
        for precision in choice.precisions:
            target = destination / "tha3" / EXISTING_FOLDERS[structure] / precision
            form = choice.target or "gpu"
            errors: dict[str, list[float]] = {}
            with replacing(target) as folder:
                for name in layout.PARTS:
                    step(f"{structure} {precision}: build {name}")
                    graph = layout.build(name, weights.states, structure, precision, form)
                    (folder / f"{name}.onnx").write_bytes(graph.model().SerializeToString())
                if expected is not None:
                    step(f"{structure} {precision}: check")
                    frame = evaluation.bgra(expected.edited, down=True)
                    with _checking(form) as backend:
                        drawn = _draw(folder, backend)
                    errors["frame"] = _judge("chained", drawn, frame, precision)
            written.append(Converted(target, errors))
    return written


def find_tha3(source: Path, structures: tuple[Structure, ...]) -> dict[Structure, Path]:
    """Return the folder with the five files of each structure, single precision if it is there."""
    if not source.is_dir():
        raise ConversionFailed(f"there is no folder {source}. {GET_WEIGHTS}")
    names = [f"{network.file}.pt" for network in NETWORKS.values()]
    found: dict[Structure, Path] = {}
    for structure in structures:
        for place in (source, source / "models", source / "data" / "models"):
            for kind in ("float", "half"):
                folder = place / f"{structure}_{kind}"
                if structure not in found and folder.is_dir():
                    found[structure] = folder
    if not found and any((source / name).is_file() for name in names):
        found = {_structure_of(source, names): source}
    if not found:
        raise ConversionFailed(f"{source} holds no THA3 weights. {GET_WEIGHTS}")
    for folder in found.values():
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ConversionFailed(f"{folder} lacks {', '.join(missing)}. {GET_WEIGHTS}")
    return found


def load_tha3(folder: Path, structure: Structure, step: Step = lambda _: None) -> Weights:
    """Load the five files and check that they are what their names say."""
    from stages.networks.weights import load_weights

    files: dict[str, Path] = {}
    states: dict[str, State] = {}
    for name, network in NETWORKS.items():
        path = folder / f"{network.file}.pt"
        step(f"{structure}: read {path.name}")
        state = load_weights(path)
        try:
            parameters.check(state, network, structure)
        except parameters.WeightsMismatch as error:
            raise parameters.WeightsMismatch(f"{path}: {error}") from error
        files[name], states[name] = path, state
    return Weights(structure, files, states)


def check_pack(folder: Path, backend: Backend) -> list[float]:
    """Hold a pack against the numbers in its manifest; return how far its frame is off.

    Raises `PackRejected` for damaged graphs, `ConversionFailed` for wrong pictures.
    """
    pack.verify(folder)
    manifest = pack.read_manifest(folder)
    if manifest.reference is None:
        raise ConversionFailed(f"{folder} was built without a check and has no numbers to meet")
    frame = _draw(folder, backend)
    expected = np.frombuffer(bytes.fromhex(manifest.reference.samples), np.uint8)
    sampled = frame[::FRAME_STEP, ::FRAME_STEP].reshape(-1)
    return _judge("chained", sampled, expected, manifest.precision)


def _expected(weights: Weights, choice: Choice, step: Step) -> evaluation.Evaluated | None:
    """Evaluate the sample picture and pose without the graphs."""
    if not choice.check:
        return None
    step(f"{weights.structure}: evaluate the five networks in NumPy, to check against")
    picture, pose = evaluation.sample_picture(), evaluation.sample_pose()
    return evaluation.evaluate(weights.states, weights.structure, picture, pose)


def _draw(folder: Path, backend: Backend) -> NDArray[np.uint8]:
    """Draw the sample picture and pose with a pack."""
    chain = Chain(pack.open_pack(folder), backend)
    chain.set_picture(evaluation.sample_picture())
    frame = np.zeros((512, 512, 4), np.uint8)
    chain.draw(evaluation.sample_pose(), frame)
    return frame


def _write_pack(
    folder: Path,
    weights: Weights,
    precision: Precision,
    target: Target,
    expected: evaluation.Evaluated | None,
    step: Step,
) -> dict[str, list[float]]:
    from stages.networks import tha3

    structure, errors, entries = weights.structure, {}, []
    for name, reach in tha3.REACHES.items():
        step(f"{structure} {precision}: build {name}")
        graph = tha3.build(name, weights.states, structure, precision, target)
        model = graph.model({"model": "tha3", "structure": structure, "precision": precision})
        path = folder / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        entries.append(pack.entry_of(path, name, reach, model))
    if expected is not None:
        errors = _check(folder, entries, precision, target, expected, step)
    manifest = Manifest(
        format=pack.FORMAT,
        model="tha3",
        structure=structure,
        precision=precision,
        rounding="nearest",
        target=target,
        builder=f"ayatsuri {_version()}",
        licence=LICENCE,
        sources={path.name: pack.digest(path) for path in weights.files.values()},
        graphs=entries,
        reference=_reference(expected, errors) if expected is not None else None,
    )
    pack.write_manifest(folder, manifest)
    return errors


def _check(
    folder: Path,
    entries: list[pack.GraphEntry],
    precision: Precision,
    target: Target,
    expected: evaluation.Evaluated,
    step: Step,
) -> dict[str, list[float]]:
    """Run each graph on exact inputs; return how far its results are off, by value."""
    known = {name: np.asarray(value)[None] for name, value in expected._asdict().items()}
    known["picture"], known["frame"] = evaluation.sample_picture(), expected.frame
    pose = evaluation.sample_pose()[None]
    known |= {name: pose[:, part] for name, part in pack.POSE_INPUTS.items()}
    errors: dict[str, list[float]] = {}
    with _checking(target) as backend:
        for entry in entries:
            step(f"{precision}: check {entry.name} on {backend.name}")
            engine = backend.load(folder / entry.file)
            for name, spec in engine.inputs.items():
                engine.memory(name).write(known[name].astype(spec.dtype))
            engine.run()
            backend.finish()
            for name, spec in engine.outputs.items():
                if name in LIMITS[precision]:
                    made = np.empty(spec.shape, spec.dtype)
                    engine.memory(name).read(made)
                    errors[name] = _judge(name, made, known[name], precision)
    return errors


def _checking(target: Target) -> Backend:
    # OpenVINO's instance normalisation is too inexact to judge graphs that leave it whole.
    kind: Kind = "onnxruntime" if target == "gpu" and onnx_runtime.installed() else "auto"
    try:
        return open_backend(kind)
    except BackendMissing as error:
        raise ConversionFailed(f"nothing here can run the graphs to check them: {error}") from error


def _judge(
    name: str, made: NDArray[Any], expected: NDArray[Any], precision: Precision
) -> list[float]:
    """Return the errors of a result; raise `ConversionFailed` if they are over the limits."""
    off = np.abs(made.astype(np.float64) - expected)
    if name in ("frame", "chained"):
        found = [(off >= 1).mean(), (off >= 2).mean(), off.max(), off.mean()]
    else:
        found = [off.mean(), off.max()]
    limits = LIMITS[precision][name]
    if not all(value <= limit for value, limit in zip(found, limits, strict=True)):
        raise ConversionFailed(
            f"{name} is wrong: errors {[float(f'{value:.2e}') for value in found]}, limits "
            f"{list(limits)}. The graph does not compute "
            "what these weights ask for; please report it with the names of the files."
        )
    return [float(f"{value:.2e}") for value in found]


def _reference(expected: evaluation.Evaluated, errors: dict[str, list[float]]) -> Reference:
    samples = expected.frame[::FRAME_STEP, ::FRAME_STEP].tobytes().hex()
    return Reference(hashlib.sha256(expected.frame.tobytes()).hexdigest(), samples, errors)


def _structure_of(folder: Path, names: list[str]) -> Structure:
    from stages.networks.weights import load_weights

    path = next(folder / name for name in names if (folder / name).is_file())
    found = parameters.identify(load_weights(path))
    if found is None:
        raise ConversionFailed(f"{path} belongs to none of the ten published networks")
    return found[1]


def _version() -> str:
    try:
        return metadata.version("ayatsuri")
    except metadata.PackageNotFoundError:  # run from a clone
        return "of unknown version"


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ConversionFailed("conversion needs onnx: pip install 'ayatsuri[convert]'") from error


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
