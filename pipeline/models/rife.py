"""RIFE's published weights into packs: recognise the file, build the graphs, check, write."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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
    replacing,
    unchecked,
)
from stages.backends.engine import Backend
from stages.interpolation.rife import RifeInterpolator
from stages.networks import rife_evaluation, rife_pack
from stages.networks.pack import FORMAT, Precision, Target, digest, verify, write_manifest
from stages.networks.parameters import WeightsMismatch
from stages.networks.rife_pack import SCALES, Expectation, GraphFile, Manifest, pack_name
from stages.networks.rife_versions import VERSIONS, Version, plain_names, recognise

Picture = NDArray[np.uint8]

LICENCE = "The weights' own. Those of Practical-RIFE are published under the MIT licence."
GET_WEIGHTS = (
    "Get a model of version 4.25.lite (or 4.6, 4.22.lite, 4.25, 4.26) as "
    "https://github.com/hzwer/Practical-RIFE describes, unpack it, and give flownet.pkl or the "
    "folder that holds it."
)
_FILES = ("flownet.pkl", "flownet.pth")
# Of the two versions of one shape, the one whose published file this is.
_KNOWN = {"6615790efd627772917205db291f51cd392528a157ecbb2ecaeec3bff8eb6de2": "v4.25"}

# How far a frame may be from the evaluation in NumPy, colours times alpha, because a rounding of a
# faint alpha is many levels of a colour that is not seen: share of values off by one level or more,
# by two or more, the largest difference, the mean one. Random weights, which amplify rounding more
# than trained ones, stay under half of these.
LIMITS: dict[Precision, tuple[float, ...]] = {
    "fp32": (0.005, 1e-4, 4, 0.005),
    "fp16": (0.05, 0.005, 64, 0.1),
}
_STEP = 32


class Weights(NamedTuple):
    """One published file."""

    path: Path
    version: Version
    state: dict[str, NDArray[np.float32]]


def convert(
    source: Path, destination: Path, choice: Choice | None = None, step: Step = lambda _: None
) -> list[Converted]:
    """Make the packs of every file of weights found in `source`, a file or a folder.

    Ours are `destination`/rife_<version>_<precision>; in the other layout they are
    `destination`/rife/rife_x{2,3,4}_<precision>.onnx, as ezvtuber-rt loads them. Raises
    `ConversionFailed`, `WeightsMismatch` or the loader's `WeightsRejected`.
    """
    choice = choice or Choice()
    need_onnx()
    written: list[Converted] = []
    for path in find_weights(source):
        step(f"read {path}")
        weights = load(path)
        if choice.only and weights.version.name not in choice.only:
            continue
        if choice.layout == "ezvtuber-rt":
            written += _write_existing(weights, destination, choice, step)
            continue
        expected = _expected(weights, choice, step)
        for precision in choice.precisions:
            target = destination / pack_name(weights.version.name, precision, choice.size)
            with replacing(target) as folder:
                errors = _write_pack(folder, weights, precision, choice, expected, step)
            written.append(Converted(target, errors, _verdict(errors)))
    if not written:
        raise ConversionFailed(f"{source} holds no RIFE {' or '.join(choice.only)}. {GET_WEIGHTS}")
    return written


def find_weights(source: Path) -> list[Path]:
    """Return the files of weights in a folder and those below it, or the file itself."""
    if source.is_file():
        return [source]
    found = sorted(path for path in source.rglob("flownet.p*") if path.name in _FILES)
    if not found:
        raise ConversionFailed(f"{source} holds no {' or '.join(_FILES)}. {GET_WEIGHTS}")
    return found


def load(path: Path) -> Weights:
    """Load a published file and find out which version it is."""
    from stages.networks.weights import load_weights

    state = plain_names(load_weights(path))
    try:
        version = recognise(state)
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{path}: {error}") from error
    if version.name == "v4.26" and (_KNOWN.get(digest(path)) or "4.25" in str(path)):
        version = VERSIONS["v4.25"]
    return Weights(path, version, state)


def check_pack(folder: Path, backend: Backend) -> str:
    """Hold a pack against the numbers in its manifest; say how far its frames are off.

    Raises `PackRejected` for damaged graphs, `ConversionFailed` for wrong frames.
    """
    manifest = rife_pack.read_manifest(folder)
    verify(folder, manifest.graphs)
    if manifest.reference is None:
        raise unchecked(folder)
    size = manifest.height, manifest.width
    worst = [0.0] * 4
    for name, frames in _drawn(folder, size, backend):
        expected = np.frombuffer(bytes.fromhex(manifest.reference.samples[name]), np.uint8)
        found = _judge(name, _sampled(frames), expected, manifest.precision)
        worst = [max(pair) for pair in zip(worst, found, strict=True)]
    return f"On {backend.name}: {_verdict({'frames': worst})}."


def build_pack(
    weights: Weights, folder: Path, size: tuple[int, int], scales: tuple[int, ...] = SCALES
) -> None:
    """Write a pack in single precision that was not checked, for use at once."""
    folder.mkdir(parents=True, exist_ok=True)
    choice = Choice(size=size, check=False)
    _write_pack(folder, weights, "fp32", choice, {}, lambda _: None, scales)


def _write_pack(
    folder: Path,
    weights: Weights,
    precision: Precision,
    choice: Choice,
    expected: dict[str, list[Picture]],
    step: Step,
    scales: tuple[int, ...] = SCALES,
) -> dict[str, list[float]]:
    from stages.networks import rife
    from stages.networks.rife_blocks import Network, Size

    network = Network(weights.state, weights.version, Size.of(*choice.size, weights.version))
    target: Target = choice.target or "cpu"
    graphs = {"frame": rife.frame(network, precision, target)}
    for scale in scales:
        graphs[f"between_x{scale}"] = rife.between(network, scale, precision, target)
    files = []
    for name, graph in graphs.items():
        step(f"{weights.version.name} {precision}: build {name}")
        path = folder / f"{name}.onnx"
        facts = {"model": "rife", "version": weights.version.name, "precision": precision}
        path.write_bytes(graph.model(facts).SerializeToString())
        files.append(GraphFile(name, path.name, digest(path)))
    manifest = Manifest(
        format=FORMAT,
        model="rife",
        version=weights.version.name,
        precision=precision,
        target=target,
        height=choice.size[0],
        width=choice.size[1],
        builder=builder(),
        licence=LICENCE,
        sources={weights.path.name: digest(weights.path)},
        graphs=files,
    )
    write_manifest(folder, manifest)
    if not expected:
        return {}
    errors = {}
    with checking(target) as backend:
        step(f"{weights.version.name} {precision}: check on {backend.name}")
        for name, frames in _drawn(folder, choice.size, backend):
            errors[name] = _judge(name, np.stack(frames), np.stack(expected[name]), precision)
    samples = {name: _sampled(frames).tobytes().hex() for name, frames in expected.items()}
    reference = Expectation(samples, errors)
    write_manifest(folder, _with(manifest, reference))
    return errors


def _with(manifest: Manifest, reference: Expectation) -> Manifest:
    import msgspec

    return msgspec.structs.replace(manifest, reference=reference)


def _write_existing(
    weights: Weights, destination: Path, choice: Choice, step: Step
) -> Iterator[Converted]:
    """Write the graphs as ezvtuber-rt names them, beside what lies there already."""
    from stages.networks import rife
    from stages.networks.rife_blocks import Network, Size

    network = Network(weights.state, weights.version, Size.of(*choice.size, weights.version))
    target: Target = choice.target or "gpu"
    folder = destination / "rife"
    folder.mkdir(parents=True, exist_ok=True)
    expected = _expected(weights, choice, step)
    for precision in choice.precisions:
        for scale in SCALES:
            step(f"{weights.version.name} {precision}: build rife_x{scale}")
            path = folder / f"rife_x{scale}_{precision}.onnx"
            model = rife.whole(network, scale, precision, target).model()
            path.write_bytes(model.SerializeToString())
        errors = {}
        if expected:
            with checking(target) as backend:
                pack = rife_pack.RifePack(
                    folder,
                    "",
                    precision,
                    None,
                    {scale: folder / f"rife_x{scale}_{precision}.onnx" for scale in SCALES},
                )
                for name, frames in _frames(pack, choice.size, backend):
                    errors[name] = _judge(
                        name, np.stack(frames), np.stack(expected[name]), precision
                    )
        yield Converted(folder, errors, _verdict(errors))


def _expected(weights: Weights, choice: Choice, step: Step) -> dict[str, list[Picture]]:
    """Evaluate the sample pair without the graphs: the frames of every graph, by its name."""
    if not choice.check:
        return {}
    step(f"{weights.version.name}: evaluate in NumPy, to check against")
    pair = rife_evaluation.sample_pair(*choice.size)
    times = sorted({part / scale for scale in SCALES for part in range(1, scale)})
    frames = {
        time: rife_evaluation.evaluate(weights.state, weights.version, *pair, time)
        for time in times
    }
    return {
        f"between_x{scale}": [frames[part / scale] for part in range(1, scale)] for scale in SCALES
    }


def _drawn(
    folder: Path, size: tuple[int, int], backend: Backend
) -> Iterator[tuple[str, list[Picture]]]:
    pack = rife_pack.find_rife(folder, "", "fp32", size)
    return _frames(pack, size, backend)


def _frames(
    pack: rife_pack.RifePack, size: tuple[int, int], backend: Backend
) -> Iterator[tuple[str, list[Picture]]]:
    """Draw the frames between the sample pair, by graph."""
    pair = rife_evaluation.sample_pair(*size)
    interpolator = RifeInterpolator(pack, backend)
    for scale in sorted(pack.between):
        frames = [np.zeros((*size, 4), np.uint8) for _ in range(1, scale)]
        interpolator.between(*pair, [part / scale for part in range(1, scale)], frames)
        yield f"between_x{scale}", frames


def _sampled(frames: list[Picture]) -> Picture:
    return np.stack(frames)[:, ::_STEP, ::_STEP].reshape(-1)


def _judge(name: str, made: Picture, expected: Picture, precision: Precision) -> list[float]:
    """Return the errors of frames; raise `ConversionFailed` if they are over the limits."""
    off = np.abs(_seen(made) - _seen(expected))
    found = [
        float((off > 0.999).mean()),
        float((off > 1.999).mean()),
        float(off.max()),
        float(off.mean()),
    ]
    if any(value > limit for value, limit in zip(found, LIMITS[precision], strict=True)):
        raise ConversionFailed(
            f"{name} is wrong: errors {[float(f'{value:.2e}') for value in found]}, limits "
            f"{list(LIMITS[precision])}. The graph does not compute what these weights ask for; "
            "please report it with the name of the file."
        )
    return [float(f"{value:.2e}") for value in found]


def _seen(frames: Picture) -> NDArray[np.float32]:
    """Return (pixels, 4): levels as they are seen."""
    pixels = frames.reshape(-1, 4).astype(np.float32)
    pixels[:, :3] *= pixels[:, 3:] / 255
    return pixels


def _verdict(errors: dict[str, list[float]]) -> str:
    if not errors:
        return ""
    share, more, most, _ = (max(values) for values in zip(*errors.values(), strict=True))
    return (
        f"frames held against NumPy: {share:.2%} of the values differ by one level, "
        f"{more:.2%} by more, at most {most:.0f}"
    )
