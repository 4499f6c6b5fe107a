"""From a published file of RIFE to packs, and what runs them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx", reason="runs where the extra `convert` is installed")

from pipeline import cli
from pipeline.models import rife
from pipeline.models.conversion import Choice, ConversionFailed
from stages.backends.choice import open_backend
from stages.backends.engine import Backend, Engine
from stages.interpolation.rife import RifeInterpolator
from stages.networks import rife_evaluation, rife_pack, weights
from stages.networks.pack import PackRejected
from stages.networks.rife_pack import find_rife
from tests.rife_packs import write_pack
from tests.rife_reference import Reference, published_state, reference_files

SIZE = (128, 128)
SMALL = Choice(size=SIZE)

Frame = NDArray[np.uint8]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as it comes out of a published archive; what the file holds is drawn by seed."""
    path = tmp_path / "train_log" / "flownet.pkl"
    path.parent.mkdir()
    path.write_bytes(b"seeded")
    monkeypatch.setattr(weights, "load_weights", lambda _path: published_state("v4.25.lite"))
    return tmp_path


@pytest.fixture(scope="module")
def small_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("packs") / "rife_v4.25.lite_fp32_128x128", SIZE)


@pytest.fixture
def interpolator(small_pack: Path, backend: Backend) -> RifeInterpolator:
    return RifeInterpolator(find_rife(small_pack, "", "fp32", SIZE), backend)


def frames(count: int) -> list[Frame]:
    """A figure that wanders."""
    first = rife_evaluation.sample_pair(*SIZE)[0]
    return [np.ascontiguousarray(np.roll(first, 3 * n, axis=1)) for n in range(count)]


def middle(interpolator: RifeInterpolator, older: Frame, newer: Frame, scale: int = 2) -> Frame:
    outs = [np.zeros((*SIZE, 4), np.uint8) for _ in range(1, scale)]
    interpolator.between(older, newer, [n / scale for n in range(1, scale)], outs)
    return np.stack(outs)


def test_a_published_file_becomes_packs_that_check(source: Path, tmp_path: Path) -> None:
    steps: list[str] = []
    written = rife.convert(source, tmp_path / "packs", SMALL, steps.append)
    names = [made.folder.name for made in written]
    assert names == ["rife_v4.25.lite_fp32_128x128", "rife_v4.25.lite_fp16_128x128"]
    assert all(set(made.errors) == {f"between_x{n}" for n in (2, 3, 4)} for made in written)
    assert any("evaluate in NumPy" in step for step in steps)
    manifest = rife_pack.read_manifest(written[0].folder)
    assert manifest.version == "v4.25.lite" and set(manifest.sources) == {"flownet.pkl"}
    for made in written:
        assert cli.main(["models", "check", str(made.folder)]) == 0
    (written[0].folder / "between_x3.onnx").write_bytes(b"damaged")
    assert cli.main(["models", "check", str(written[0].folder)]) != 0


def test_the_existing_layout_loads_and_gives_the_same_frames(
    source: Path, tmp_path: Path, small_pack: Path, backend: Backend
) -> None:
    choice = SMALL._replace(layout="ezvtuber-rt", precisions=("fp32",))
    (made,) = rife.convert(source, tmp_path / "data", choice)
    files = {n: made.folder / f"rife_x{n}_fp32.onnx" for n in (2, 3, 4)}
    assert all(path.is_file() for path in files.values()) and made.errors
    engine = backend.load(files[3])
    assert {name: tuple(spec) for name, spec in engine.inputs.items()} == {
        "tha_img_0": ("uint8", (1, *SIZE, 4)),
        "tha_img_1": ("uint8", (1, *SIZE, 4)),
    }
    assert [spec.shape for spec in engine.outputs.values()] == [(3, *SIZE, 4)]
    theirs = RifeInterpolator(rife_pack.RifePack(made.folder, "", "fp32", None, files), backend)
    ours = RifeInterpolator(find_rife(small_pack, "", "fp32", SIZE), backend)
    older, newer = frames(2)
    for scale in (2, 3, 4):
        off = np.abs(
            middle(theirs, older, newer, scale).astype(int) - middle(ours, older, newer, scale)
        )
        assert (off > 0).mean() < 0.001


def test_their_files_are_found_where_that_program_has_them(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "rife"
    folder.mkdir(parents=True)
    for scale in (2, 4):
        (folder / f"rife_x{scale}_fp16.onnx").write_bytes(b"")
    pack = find_rife(tmp_path, "", "fp32", (512, 512))
    assert pack.frame is None and sorted(pack.between) == [2, 4] and pack.precision == "fp16"
    with pytest.raises(PackRejected, match=r"no RIFE v4\.6 pack.*models convert rife"):
        find_rife(tmp_path, "v4.6", "fp32", (512, 512))


def test_a_pack_for_another_size_says_how_to_get_the_right_one(small_pack: Path) -> None:
    with pytest.raises(PackRejected, match=r"128x128, these are 512x256.*--size 512x256"):
        find_rife(small_pack, "", "fp32", (256, 512))


def test_a_folder_without_weights_says_where_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["models", "convert", "rife", str(tmp_path), str(tmp_path / "packs")]) != 0
    assert "Practical-RIFE" in capsys.readouterr().err


def test_a_wrong_graph_does_not_pass(small_pack: Path) -> None:
    expected = np.stack(frames(1))
    with pytest.raises(ConversionFailed, match="between_x2 is wrong"):
        rife._judge("between_x2", np.roll(expected, 1, axis=1), expected, "fp16")


def test_what_is_kept_never_changes_the_outcome(
    interpolator: RifeInterpolator, small_pack: Path, backend: Backend
) -> None:
    a, b, c = frames(3)
    afresh = RifeInterpolator(find_rife(small_pack, "", "fp32", SIZE), backend)
    for older, newer in ((a, b), (b, c), (c, b), (a, c), (c, a), (b, a)):
        for held in (afresh._older, afresh._newer):
            held._known = False
        found, expected = (middle(one, older, newer) for one in (interpolator, afresh))
        assert np.array_equal(found, expected)


def test_a_run_of_frames_is_uploaded_and_looked_at_once(
    interpolator: RifeInterpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Engine] = []
    run = Engine.run
    monkeypatch.setattr(Engine, "run", lambda self: (runs.append(self), run(self))[1])
    wandering = frames(5)
    interpolator.prepare(wandering[0])
    slot = np.zeros((*SIZE, 4), np.uint8)  # one array, as the slot of a ring is
    for scale, (older, newer) in zip((2, 3, 4, 2), pairwise(wandering), strict=True):
        np.copyto(slot, newer)
        middle(interpolator, older, slot, scale)
    looked = [engine for engine in runs if "frame" in engine.inputs]
    assert len(looked) == len(wandering)
    assert len(runs) - len(looked) == 4, "all frames of a scale come out of one run"


def test_equal_frames_cost_no_run(
    interpolator: RifeInterpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_run(_engine: Any) -> None:
        raise AssertionError("a graph was run")

    monkeypatch.setattr(Engine, "run", no_run)
    frame = frames(1)[0]
    assert np.array_equal(middle(interpolator, frame, frame.copy(), 3), np.stack([frame, frame]))


@pytest.mark.parametrize("phases", [[0.3], [0.25, 0.5], [1 / 5, 2 / 5, 3 / 5, 4 / 5]])
def test_phases_that_no_graph_is_for_are_refused(
    interpolator: RifeInterpolator, phases: list[float]
) -> None:
    older, newer = frames(2)
    with pytest.raises(ValueError, match="there are graphs for"):
        interpolator.between(older, newer, phases, [older.copy() for _ in phases])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", reference_files(), ids=lambda path: path.stem)
def test_evaluation_in_numpy_meets_the_reference(path: Path) -> None:
    reference = Reference(path)
    older, newer = reference.pairs["S"]
    frame = rife_evaluation.evaluate(reference.state, reference.version, older, newer, 0.5)
    stored = reference.arrays["bgra_S_1_2"]
    off = np.abs(reference.at(frame).astype(int) - stored)
    assert off[stored[:, 3] > 16].max() <= 1 and (off > 0).mean() < 0.001


def test_packs_run_on_a_back_end_opened_by_name(small_pack: Path) -> None:
    with open_backend("onnxruntime", threads=1) as backend:
        pack = find_rife(small_pack, "v4.25.lite", "fp16", SIZE)
        older, newer = frames(2)
        found = middle(RifeInterpolator(pack, backend), older, newer)
    assert found[0, ..., 3].any()
