"""From published files to packs: what is written and checked, what is said of wrong files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import cli
from pipeline.models import tha3
from pipeline.models.conversion import Choice, ConversionFailed
from stages.backends.choice import open_backend
from stages.chain import Chain
from stages.networks import evaluation, pack, parameters, weights
from stages.networks.parameters import NETWORKS
from tests.tha3_reference import DATA, Reference

onnx = pytest.importorskip("onnx", reason="runs where the extra `convert` is installed")

STEMS = [network.file for network in NETWORKS.values()]
EXISTING_IO = {
    "decomposer": (["input_image"], ["background_layer", "eyebrow_layer", "image_prepared"]),
    "combiner": (
        ["image_prepared", "eyebrow_background_layer", "eyebrow_layer", "eyebrow_pose"],
        ["eyebrow_image", pack.CUT["separable"]],
    ),
    "morpher": (
        ["image_prepared", "im_morpher_crop", "face_pose", pack.CUT["separable"]],
        ["face_morphed_full", "face_morphed_half"],
    ),
    "rotator": (
        ["face_morphed_half", "rotation_pose"],
        ["full_warped_image", "full_grid_change"],
    ),
    "editor": (
        ["morphed_image", "rotated_warped_image", "rotated_grid_change", "rotation_pose"],
        ["result", "cv_result"],
    ),
    "merge": (
        [
            "combiner_image_prepared",
            "combiner_eyebrow_background_layer",
            "combiner_eyebrow_layer",
            "combiner_eyebrow_pose",
            "morpher_image_prepared",
            "morpher_face_pose",
            "rotator_rotation_pose",
            "editor_rotation_pose",
        ],
        ["editor_cv_result"],
    ),
    "merge_no_eyebrow": (
        [
            "morpher_image_prepared",
            "morpher_im_morpher_crop",
            f"morpher_{pack.CUT['separable']}",
            "morpher_face_pose",
            "rotator_rotation_pose",
            "editor_rotation_pose",
        ],
        ["editor_cv_result"],
    ),
}


@pytest.fixture(scope="module")
def separable() -> Reference:
    return Reference(DATA / "separable_seed0.npz")


@pytest.fixture
def source(tmp_path: Path, separable: Reference, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as it comes out of the published archive; what its files hold is drawn by seed."""
    folder = tmp_path / "models" / "separable_float"
    folder.mkdir(parents=True)
    states = {network.file: separable.states[name] for name, network in NETWORKS.items()}
    for stem in STEMS:
        (folder / f"{stem}.pt").write_bytes(stem.encode())
    monkeypatch.setattr(weights, "load_weights", lambda path: states[path.read_text()])
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_converted_packs_draw_what_the_reference_draws(
    source: Path, separable: Reference, tmp_path: Path
) -> None:
    steps: list[str] = []
    written = tha3.convert(source, tmp_path / "packs", step=steps.append)
    assert [made.folder.name for made in written] == ["tha3_separable_fp32", "tha3_separable_fp16"]
    assert all("frame" in made.errors for made in written), "each was checked"
    assert any("check body" in step for step in steps)
    folder = written[0].folder
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", *[".onnx"] * 4]
    manifest = pack.read_manifest(folder)
    assert set(manifest.sources) == {f"{stem}.pt" for stem in STEMS}
    with open_backend(threads=2) as backend:
        chain = Chain(pack.open_pack(folder), backend)
        chain.set_picture(separable.picture)
        frame = np.zeros((512, 512, 4), np.uint8)
        chain.draw(separable.pose("random"), frame)
    stored = separable.arrays["random/final_bgra_rint_sampled"]
    assert np.abs(separable.frame(frame).astype(int) - stored).max() <= 2
    assert cli.main(["models", "check", str(folder)]) == 0
    (folder / "face.onnx").write_bytes(b"damaged")
    assert cli.main(["models", "check", str(folder)]) != 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_packs_in_the_existing_layout_have_its_names_and_pictures(
    source: Path, separable: Reference, tmp_path: Path
) -> None:
    written = tha3.convert(source, tmp_path / "data", Choice(layout="ezvtuber-rt"))
    for made, precision in zip(written, ("fp32", "fp16"), strict=True):
        assert made.folder == tmp_path / "data" / "tha3" / "seperable" / precision
        number = onnx.TensorProto.FLOAT if precision == "fp32" else onnx.TensorProto.FLOAT16
        for name, (inputs, outputs) in EXISTING_IO.items():
            graph = onnx.load(made.folder / f"{name}.onnx").graph
            assert [value.name for value in graph.input] == inputs, name
            assert [value.name for value in graph.output] == outputs, name
            for value in (*graph.input, *graph.output):
                kind = value.type.tensor_type.elem_type
                expected = number
                if "pose" in value.name or value.name == "result":
                    expected = onnx.TensorProto.FLOAT
                elif value.name in ("input_image", "cv_result", "editor_cv_result"):
                    expected = onnx.TensorProto.UINT8
                assert kind == expected, f"{precision} {name}: {value.name}"
    assert written[0].errors["frame"][2] <= 8
    with open_backend("onnxruntime", threads=2) as backend:
        chain = Chain(pack.open_pack(written[0].folder), backend)
        frame = np.zeros((512, 512, 4), np.uint8)
        merged = backend.load(written[0].folder / "merge.onnx")
        chain.set_picture(separable.picture)
        for case in ("random", "rotation_only"):
            pose = separable.pose(case)
            chain.draw(pose, frame)
            stored = separable.arrays[f"{case}/final_bgra_trunc_sampled"]
            assert np.abs(separable.frame(frame).astype(int) - stored).max() <= 8
            merged_frame = draw_merged(merged, chain, pose)
            assert np.abs(merged_frame.astype(int) - frame).max() <= 2


def draw_merged(merged: Any, chain: Chain, pose: np.ndarray) -> np.ndarray:
    """Draw with the graph that holds all but the decomposer, as their code calls it."""
    _, decomposer = chain.parts[0]
    for prefix in ("combiner", "morpher"):
        merged.bind(f"{prefix}_image_prepared", decomposer.memory("image_prepared"))
    merged.bind("combiner_eyebrow_background_layer", decomposer.memory("background_layer"))
    merged.bind("combiner_eyebrow_layer", decomposer.memory("eyebrow_layer"))
    for name in merged.inputs:
        for value in ("eyebrow_pose", "face_pose", "rotation_pose"):
            if name.endswith(value):
                merged.memory(name).write(pose[None, pack.POSE_INPUTS[value]])
    merged.run()
    return merged.memory("editor_cv_result").host


@pytest.mark.parametrize("missing", STEMS)
def test_a_missing_file_is_named(source: Path, missing: str) -> None:
    (source / "models" / "separable_float" / f"{missing}.pt").unlink()
    with pytest.raises(ConversionFailed, match=rf"lacks {missing}\.pt"):
        tha3.convert(source, source / "packs")
    assert not (source / "packs").exists() or not list((source / "packs").iterdir())


def test_files_in_each_others_place_are_recognised(source: Path) -> None:
    folder = source / "models" / "separable_float"
    (folder / "editor.pt").write_text("face_morpher", encoding="utf-8")
    with pytest.raises(parameters.WeightsMismatch, match=r"editor\.pt.*separable face_morpher"):
        tha3.convert(source, source / "packs")


def test_wrong_shapes_and_values_are_named(separable: Reference) -> None:
    network, name = NETWORKS["editor"], "alpha_creator.0.bias"
    for wrong, said in (
        (np.zeros(5, np.float32), "must be (4,)"),
        (np.zeros(4, np.float64), "must be float32 or float16"),
        (np.full(4, np.nan, np.float32), "NaN"),
    ):
        state = {**separable.states["editor"], name: wrong}
        with pytest.raises(parameters.WeightsMismatch) as caught:
            parameters.check(state, network, "separable")
        assert name in str(caught.value)
        assert said in str(caught.value)


def test_a_folder_without_weights_says_where_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["models", "convert", "tha3", str(tmp_path), str(tmp_path / "packs")]
    assert cli.main(command) != 0
    assert "talking-head-anime-3-models.zip" in capsys.readouterr().err


def test_nothing_that_runs_a_pack_imports_onnx() -> None:
    import subprocess
    import sys

    code = (
        "import sys, stages.chain, stages.backends.choice, pipeline.cli, pipeline.models.tha3;"
        "sys.exit('onnx' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_a_wrong_graph_does_not_pass_the_check() -> None:
    frame = evaluation.sample_picture()
    with pytest.raises(ConversionFailed, match="frame is wrong"):
        tha3._judge("frame", np.roll(frame, 1, axis=0), frame, "fp32")
