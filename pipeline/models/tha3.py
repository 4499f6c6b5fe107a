"""THA3's published weights into packs: find the five files, build the graphs, check, write."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.models.conversion import (
    Choice,
    ConversionFailed,
    Converted,
    Step,
    builder,
    checking,
    need_onnx,
    reference,
    replacing,
    sampled,
    verified,
)
from stages.backends.engine import Backend
from stages.chain import Chain
from stages.networks import evaluation, pack, parameters
from stages.networks.pack import EXISTING_FOLDERS, Manifest, Precision, Target
from stages.networks.parameters import NETWORKS, STRUCTURES, State, Structure

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


class Weights(NamedTuple):
    """The five state dicts of one structure and the files they came from."""

    structure: Structure
    files: dict[str, Path]  # by network
    states: dict[str, State]


def convert(
    source: Path, destination: Path, choice: Choice | None = None, step: Step = lambda _: None
) -> list[Converted]:
    """Make the packs of every structure found in `source`.

    Ours are `destination`/tha3_<structure>_<precision>; in the other layout they are
    `destination`/tha3/{seperable,standard}/<precision>, as ezvtuber-rt loads them. Raises
    `ConversionFailed`, `WeightsMismatch` or the loader's `WeightsRejected`.
    """
    choice = choice or Choice()
    need_onnx()
    written = []
    for structure, folder in find_tha3(source, _structures(choice)).items():
        weights = load_tha3(folder, structure, step)
        expected = _expected(weights, choice, step)
        for precision in choice.precisions:
            if choice.layout == "ayatsuri":
                target = destination / f"tha3_{structure}_{precision}"
                write, form = _write_pack, choice.target or "cpu"
            else:
                target = destination / "tha3" / EXISTING_FOLDERS[structure] / precision
                write, form = _write_existing, choice.target or "gpu"
            with replacing(target) as new:
                errors = write(new, weights, precision, form, expected, step)
            written.append(Converted(target, errors, _verdict(errors)))
    return written


def _structures(choice: Choice) -> tuple[Structure, ...]:
    return tuple(name for name in STRUCTURES if not choice.only or name in choice.only)


def _verdict(errors: dict[str, list[float]]) -> str:
    if "frame" not in errors:
        return ""
    share, more, most, _mean = errors["frame"]
    return (
        f"picture held against NumPy: {share:.2%} of the values differ by one level, "
        f"{more:.2%} by more, at most {most:.0f}"
    )


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


def check_pack(folder: Path, backend: Backend) -> str:
    """Hold a pack against the numbers in its manifest; say how far its frame is off.

    Raises `PackRejected` for damaged graphs, `ConversionFailed` for wrong pictures.
    """
    manifest, expected = verified(folder)
    drawn = sampled(_draw(folder, backend))
    share, more, most, mean = _judge("chained", drawn, expected, manifest.precision)
    return (
        f"Its picture on {backend.name}: {share:.2%} of the values differ by one level, "
        f"{more:.2%} by more, at most {most:.0f}, mean {mean:.3f}."
    )


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


def _write_existing(
    folder: Path,
    weights: Weights,
    precision: Precision,
    target: Target,
    expected: evaluation.Evaluated | None,
    step: Step,
) -> dict[str, list[float]]:
    """Write the graphs as ezvtuber-rt cuts and names them; return how far their frame is off."""
    from stages.networks import tha3_existing_layout as layout

    for name in layout.PARTS:
        step(f"{weights.structure} {precision}: build {name}")
        graph = layout.build(name, weights.states, weights.structure, precision, target)
        (folder / f"{name}.onnx").write_bytes(graph.model().SerializeToString())
    if expected is None:
        return {}
    step(f"{weights.structure} {precision}: check")
    frame = evaluation.bgra(expected.edited, down=True)
    with checking(target) as backend:
        drawn = _draw(folder, backend)
    return {"frame": _judge("chained", drawn, frame, precision)}


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
        builder=builder(),
        licence=LICENCE,
        sources={path.name: pack.digest(path) for path in weights.files.values()},
        graphs=entries,
        reference=reference(expected.frame, errors) if expected is not None else None,
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
    with checking(target) as backend:
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


def _structure_of(folder: Path, names: list[str]) -> Structure:
    from stages.networks.weights import load_weights

    path = next(folder / name for name in names if (folder / name).is_file())
    found = parameters.identify(load_weights(path))
    if found is None:
        raise ConversionFailed(f"{path} belongs to none of the ten published networks")
    return found[1]
