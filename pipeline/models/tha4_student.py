"""A trained THA4 student into model packs: read its folder, build the graphs, check, write."""

import shutil
from pathlib import Path
from typing import Final

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
from stages.avatar.character import Character, CharacterRejected, load_character
from stages.avatar.picture import load_as_it_is
from stages.avatar.student import PICTURE
from stages.backends.engine import Backend
from stages.chain import Chain
from stages.networks import pack
from stages.networks.evaluation import sample_pose
from stages.networks.pack import Manifest, Pack, Precision, Target
from stages.networks.student_evaluation import Evaluated, Evaluation, bgra

LICENCE: Final = "That of the character, its picture and its networks: see where you got them."
GET_STUDENT: Final = (
    "A trained character is a folder with character_model.yaml, a picture and two .pt files, as "
    "talking-head-anime-4-demo has them in data/character_models and as its distiller writes them."
)

Image = NDArray[np.uint8]

# How far a frame may be from the evaluation in NumPy, laid over mid grey: the mean and the largest
# difference in levels. Half precision moves single pixels of fine lines.
LIMITS: Final[dict[Precision, tuple[float, float]]] = {"fp32": (0.01, 8.0), "fp16": (0.3, 128.0)}


def convert(
    source: Path, destination: Path, choice: Choice | None = None, step: Step = lambda _: None
) -> list[Converted]:
    """Make the packs of the character in the folder `source`.

    Ours are `destination`/tha4_student_<name>_<precision>; in the other layout it is
    `destination`/custom_tha4_models/<name>, in single precision. Raises `ConversionFailed`.
    """
    choice = choice or Choice()
    need_onnx()
    step("read the character")
    try:
        character = load_character(source)
    except CharacterRejected as error:
        raise ConversionFailed(f"{error}. {GET_STUDENT}") from error
    expected = None
    if choice.check:
        step("evaluate the networks in NumPy, to check against")
        face, body = (character.states[name] for name in ("face_morpher", "body_morpher"))
        expected = Evaluation(face, body, character.picture).evaluate(sample_pose())
    name = character.folder.resolve().name
    if choice.layout == "ezvtuber-rt":
        target = destination / "custom_tha4_models" / name
        with replacing(target) as new:
            errors = _write_existing(new, character, choice.target or "gpu", expected, step)
        return [Converted(target, {"frame": errors} if errors else {}, _verdict(errors))]
    written = []
    for precision in choice.precisions:
        target = destination / f"tha4_student_{name}_{precision}"
        with replacing(target) as new:
            form = choice.target or "cpu"
            errors = _write_pack(new, character, precision, form, expected, step)
        written.append(Converted(target, {"frame": errors} if errors else {}, _verdict(errors)))
    return written


def check_pack(folder: Path, backend: Backend) -> str:
    """Hold a pack against the numbers in its manifest; say how far its frame is off.

    Raises `PackRejected` for damaged graphs, `ConversionFailed` for wrong pictures.
    """
    manifest, expected = verified(folder)
    picture = load_as_it_is(folder / PICTURE)
    drawn = sampled(_draw(pack.open_pack(folder), picture, backend))
    errors = _judge(drawn, expected, manifest.precision)
    return f"On {backend.name}: {_verdict(errors)}."


def _write_pack(
    folder: Path,
    character: Character,
    precision: Precision,
    target: Target,
    expected: Evaluated | None,
    step: Step,
) -> list[float]:
    from stages.networks import student_graphs

    step(f"{precision}: build")
    shutil.copyfile(character.files["picture"], folder / PICTURE)
    parts = student_graphs.write(folder, character.networks(), precision, target)
    errors: list[float] = []
    if expected is not None:
        step(f"{precision}: check")
        made = Pack(folder, "ayatsuri", None, precision, parts, True)
        errors = _check(made, character.picture, target, expected.frame)
    manifest = Manifest(
        format=pack.FORMAT,
        model="tha4_student",
        structure=None,
        precision=precision,
        rounding="nearest",
        target=target,
        builder=builder(),
        licence=LICENCE,
        sources={path.name: pack.digest(path) for path in character.files.values()},
        graphs=[pack.entry_of_part(part) for part in parts],
        reference=reference(expected.frame, {"frame": errors}) if expected is not None else None,
    )
    pack.write_manifest(folder, manifest)
    return errors


def _write_existing(
    folder: Path,
    character: Character,
    target: Target,
    expected: Evaluated | None,
    step: Step,
) -> list[float]:
    """Write the files that ezvtuber-rt loads."""
    from stages.networks import student_existing_layout as layout

    step("build")
    shutil.copyfile(character.files["picture"], folder / PICTURE)
    layout.write(folder, character.networks(), target)
    if expected is None:
        return []
    step("check")
    frame = bgra(expected.blended, down=True)
    return _check(pack.open_pack(folder), character.picture, target, frame)


def _check(made: Pack, picture: Image, target: Target, expected: Image) -> list[float]:
    """Draw the sample pose; return how far the frame is off."""
    with checking(target) as backend:
        return _judge(_draw(made, picture, backend), expected, made.precision)


def _draw(made: Pack, picture: Image, backend: Backend) -> Image:
    chain = Chain(made, backend)
    chain.set_picture(picture)
    frame = np.zeros((512, 512, 4), np.uint8)
    chain.draw(sample_pose(), frame)
    return frame


def _judge(made: Image, expected: Image, precision: Precision) -> list[float]:
    """Return mean and largest difference over grey; raise `ConversionFailed` over the limits."""
    off = np.abs(_over_grey(made) - _over_grey(expected))
    found = [float(f"{value:.2e}") for value in (off.mean(), off.max())]
    limits = LIMITS[precision]
    if not all(value <= limit for value, limit in zip(found, limits, strict=True)):
        raise ConversionFailed(
            f"the frame is wrong: errors {found}, limits {list(limits)}. The graphs do not compute "
            "what these weights ask for; please report it with the names of the files."
        )
    return found


def _over_grey(frame: Image) -> NDArray[np.float64]:
    alpha = frame[..., 3:] / 255
    return np.asarray(frame[..., :3] * alpha + 128 * (1 - alpha))


def _verdict(errors: list[float]) -> str:
    if not errors:
        return ""
    mean, most = errors
    return f"picture held against NumPy: {mean:.4f} levels off on average, {most:.0f} at most"
