"""A trained student against the stored pictures of the official program, by every way to draw it.

The character is real and under CC BY-NC 4.0, so it lies beside the repository and not in it; where
it is missing, the made-up student of the other tests stands for the same code. Limits are those of
the reference's own documentation: several times what two correct runs differ by.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="runs where the extra `convert` is installed")

import onnx

from pipeline import cli
from pipeline.models.conversion import Choice, ConversionFailed
from pipeline.models.tha4_student import convert
from stages.avatar.character import load_character
from stages.avatar.picture import load_as_it_is
from stages.avatar.student import StudentChoice, StudentPoser
from stages.backends.engine import Backend
from stages.networks import pack, student_graphs
from stages.networks.graph import Graph
from stages.networks.student_evaluation import Evaluation
from tests import made_up_student

SHARED = Path(__file__).parents[3] / "shared"
CHARACTER = SHARED / "data" / "tha4_student" / "lambda_00"
STORED = SHARED / "fixtures" / "tha4_student" / "lambda_00.npz"

real = pytest.mark.skipif(
    not (CHARACTER.is_dir() and STORED.is_file()),
    reason="needs ../shared with the character lambda_00, which must not be copied here",
)

# Maximum and mean of the absolute error.
LIMITS = {
    "face": (2e-4, 5e-6),
    "alpha": (2e-4, 5e-6),
    "color_change": (5e-4, 5e-6),
    "grid_change": (1e-4, 2e-6),
    "warped": (5e-3, 2e-5),
    "blended": (5e-3, 2e-5),
}
CHANNELS = {"grid_change": 2, "alpha": 1}


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(STORED) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_student.write(tmp_path_factory.mktemp("students") / "nobody")


def close(name: str, made: np.ndarray, expected: np.ndarray) -> None:
    off = np.abs(made - expected)
    most, mean = LIMITS[name]
    assert off.max() <= most and off.mean() <= mean, f"{name}: {off.max():.1e}, {off.mean():.1e}"


def same_frame(made: np.ndarray, expected: np.ndarray) -> None:
    """At most a level off, and that in few values."""
    off = np.abs(made.astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).mean() <= 2e-3


def over_grey(frame: np.ndarray) -> np.ndarray:
    alpha = frame[..., 3:] / 255
    return frame[..., :3] * alpha + 128 * (1 - alpha)


def decibels(made: np.ndarray, expected: np.ndarray) -> float:
    error = np.square(over_grey(made) - over_grey(expected)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-12)))


def run(backend: Backend, graph: Graph, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    engine = backend.load(graph.model().SerializeToString())
    for name, values in inputs.items():
        engine.memory(name).write(np.ascontiguousarray(values))
    engine.run()
    backend.finish()
    made = {}
    for name, spec in engine.outputs.items():
        made[name] = np.empty(spec.shape, spec.dtype)
        engine.memory(name).read(made[name])
    return made


def sampled(values: np.ndarray) -> np.ndarray:
    return values[0][..., 3::8, 5::8]


@real
def test_graphs_make_what_the_official_networks_make(
    backend: Backend, stored: dict[str, np.ndarray]
) -> None:
    character = load_character(CHARACTER)
    networks, picture = character.networks(), character.picture
    image = run(backend, student_graphs.build("prepare", networks, "fp32"), picture=picture)
    assert np.abs(sampled(image["image"]) - stored["image_sampled"]).max() <= 1e-6
    face = student_graphs.build("face", networks, "fp32")
    probe = Graph("probe", "fp32")
    made = student_graphs.body(
        probe,
        networks,
        probe.input("image", "float32", 1, 4, 512, 512),
        probe.input("face", "float32", 1, 4, 128, 128),
        probe.input("pose", "float32", 1, 45),
    )
    for name, value in made._asdict().items():
        probe.output(value, name, "float32", 1, CHANNELS.get(name, 4), 512, 512)
    # A pose of the trace, and the made-up one in which all values differ.
    for index in (3, 9):
        pose = stored["poses"][index : index + 1]
        painted = run(backend, face, expression_pose=pose[:, :39])["face"]
        close("face", sampled(painted), stored["face"][index])
        found = run(backend, probe, image=image["image"], face=painted, pose=pose)
        for name, value in found.items():
            close(name, sampled(value), stored[name][index])


@real
@pytest.mark.parametrize(
    "choice",
    [StudentChoice("exact", threads=2), StudentChoice(backend="onnxruntime", threads=2)],
    ids=["cpu", "graphs"],
)
def test_frames_are_those_of_the_official_program(
    choice: StudentChoice, stored: dict[str, np.ndarray]
) -> None:
    poser = StudentPoser(CHARACTER, choice)
    frame = np.zeros((512, 512, 4), np.uint8)
    for index, expected in zip(stored["bgra_index"], stored["bgra"], strict=True):
        poser.render(stored["poses"][index], frame)
        same_frame(frame, expected)
    poser.close()


@real
def test_fast_frames_look_like_those_of_the_official_program(
    stored: dict[str, np.ndarray],
) -> None:
    poser = StudentPoser(CHARACTER, StudentChoice("fast", threads=2))
    frame = np.zeros((512, 512, 4), np.uint8)
    for index, expected in zip(stored["bgra_index"], stored["bgra"], strict=True):
        poser.render(stored["poses"][index], frame)
        assert np.abs(over_grey(frame) - over_grey(expected)).max() <= 4
        assert decibels(frame, expected) >= 75
    poser.close()


@real
def test_half_precision_is_close(stored: dict[str, np.ndarray]) -> None:
    choice = StudentChoice(backend="onnxruntime", precision="fp16", threads=2)
    poser = StudentPoser(CHARACTER, choice)
    frame = np.zeros((512, 512, 4), np.uint8)
    poser.render(stored["poses"][stored["bgra_index"][1]], frame)
    assert decibels(frame, stored["bgra"][1]) >= 55
    poser.close()


def test_converted_packs_draw_what_the_folder_draws(made_up: Path, tmp_path: Path) -> None:
    written = convert(made_up, tmp_path, Choice(precisions=("fp32",)))
    (made,) = written
    assert made.folder.name == "tha4_student_nobody_fp32" and made.verdict
    assert cli.main(["models", "check", str(made.folder)]) == 0
    from_pack = StudentPoser.find("nobody", tmp_path, StudentChoice(threads=2))
    from_folder = StudentPoser(made_up, StudentChoice("exact", threads=2))
    frames = np.zeros((2, 512, 512, 4), np.uint8)
    for poser, frame in zip((from_pack, from_folder), frames, strict=True):
        poser.render(made_up_student.poses(1)[0], frame)
        poser.close()
    same_frame(*frames)
    assert from_pack.look != from_folder.look, "they may differ by a level"
    (made.folder / "face.onnx").write_bytes(b"damaged")
    assert cli.main(["models", "check", str(made.folder)]) != 0


EXISTING_IO: dict[str, Any] = {
    "face_morpher": ([("pose", (1, 39))], [("face_morphed", (1, 4, 128, 128))]),
    "body_morpher": (
        [("input_image", (512, 512, 4)), ("face_morphed", (1, 4, 128, 128)), ("pose", (1, 45))],
        [("result", (1, 4, 512, 512)), ("cv_result", (512, 512, 4))],
    ),
}


@pytest.mark.parametrize("rank", [3, 4])
def test_packs_in_the_existing_layout_are_written_and_read(
    made_up: Path, tmp_path: Path, rank: int
) -> None:
    (made,) = convert(made_up, tmp_path, Choice(layout="ezvtuber-rt"))
    assert made.folder == tmp_path / "custom_tha4_models" / "nobody"
    for name, (inputs, outputs) in EXISTING_IO.items():
        graph = onnx.load(made.folder / f"{name}.onnx").graph
        for values, expected in ((graph.input, inputs), (graph.output, outputs)):
            shapes = [
                (value.name, tuple(side.dim_value for side in value.type.tensor_type.shape.dim))
                for value in values
            ]
            assert shapes == expected
    if rank == 4:
        picture_in_rank_4(made.folder / "body_morpher.onnx")
    poser = StudentPoser.find("nobody", tmp_path, StudentChoice(threads=2))
    frame = np.zeros((512, 512, 4), np.uint8)
    pose = made_up_student.poses(1)[0]
    poser.render(pose, frame)
    poser.close()
    states, picture = made_up_student.states(), load_as_it_is(made.folder / "character.png")
    evaluation = Evaluation(states["face_morpher"], states["body_morpher"], picture)
    expected = evaluation.render(pose)
    # These graphs round down: a level less, mostly.
    assert 0 <= (expected.astype(int) - frame).mean() < 1
    assert np.abs(over_grey(expected) - over_grey(frame)).max() <= 3


def picture_in_rank_4(path: Path) -> None:
    """Give a graph the first axis that the script of its makers traces the picture with."""
    model = onnx.load(path)
    graph = model.graph
    shape = graph.input[0].type.tensor_type.shape
    sides = [1, *(side.dim_value for side in shape.dim)]
    del shape.dim[:]
    for side in sides:
        shape.dim.add().dim_value = side
    squeeze = onnx.helper.make_node("Squeeze", ["input_image", "first"], ["plain"])
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([0]), "first"))
    for node in graph.node:
        node.input[:] = ["plain" if name == "input_image" else name for name in node.input]
    graph.node.insert(0, squeeze)
    onnx.save(model, path)


def test_a_face_is_painted_again_only_when_it_changes(made_up: Path, backend: Backend) -> None:
    kind: Any = "openvino" if "OpenVINO" in backend.name else "onnxruntime"
    poser = StudentPoser(made_up, StudentChoice(backend=kind, threads=2))
    frame = np.zeros((512, 512, 4), np.uint8)
    pose = made_up_student.poses(1)[0]
    for index in (42, 0):
        poser.render(pose, frame)
        pose = pose.copy()
        pose[index] += 0.1
    poser.render(pose, frame)
    assert poser.counters() == {"faces": 2, "faces_kept": 1}
    poser.close()


def test_a_folder_that_is_no_character_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConversionFailed, match=r"character_model\.yaml"):
        convert(tmp_path, tmp_path / "packs")
    command = ["models", "convert", "tha4_student", str(tmp_path), str(tmp_path / "packs")]
    assert cli.main(command) != 0
    assert "data/character_models" in capsys.readouterr().err


def test_the_existing_layout_is_recognised_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "body_morpher.onnx").write_bytes(b"graph")
    with pytest.raises(pack.PackRejected, match=r"lacks face_morpher\.onnx"):
        pack.open_pack(tmp_path)
