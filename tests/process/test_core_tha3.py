"""THA3 behind the core object and in a session, on seeded weights of the published shapes."""

import cv2
import numpy as np
import pytest
from sessions import running_session, started_session

from ezvtb_interface import CoreError, get_core
from pipeline.client import ask
from pipeline.topology import usable_cores
from stages.control import GetStatus
from tests.tha3_reference import DATA, Reference, write_pack

pytest.importorskip("onnx", reason="builds the packs where the extra `convert` is installed")

# mission: the interface's two examples, to the letter
FIRST_EXAMPLE = """
core = get_core() #create a core
core.setImage(img) #pass image to model
while True: #the eventloop
    ret = core.inference(pose_params) #go forward for models
    #do what ever you want with returned images
"""
SECOND_EXAMPLE = """
from ezvtb_interface import get_core
import cv2
import numpy as np
core = get_core(
        device_id = 1,
        model_seperable = True,
        model_half = True,
        interpolation_scale = 4,
        interpolation_half = True,
        cacher_ram_size = 8
        )
img = cv2.imread('img1.png', cv2.IMREAD_UNCHANGED) 
core.setImage(img)
while True: #Eventloop here
    pose_param = pipe.get(blocking=True)
    ret = core.inference(pose_param)
    for ret_img in ret:
        cv2.imwrite('result.png',ret_img) #imwrite just for example
"""  # noqa: W291
ALONE = {"use_interpolation": False, "use_cacher": False, "model_half": False}


class NoMorePoses(Exception):
    """The source of poses is empty: the way out of an endless loop."""


class Source(dict):
    """A namespace whose `pose_params` are the next pose, and a pipe that gives it."""

    def __init__(self, poses, **names):
        super().__init__(names, pipe=self)
        self.poses = iter(poses)

    def __getitem__(self, name):
        return self.get(blocking=True) if name == "pose_params" else super().__getitem__(name)

    def get(self, *, blocking):
        try:
            return next(self.poses)
        except StopIteration:
            raise NoMorePoses from None


@pytest.fixture(scope="module")
def reference():
    """Seeded weights, and what the official code makes of them."""
    return Reference(DATA / "separable_seed0.npz")


@pytest.fixture(scope="module")
def models(reference, tmp_path_factory):
    """The usual folder of models, with one pack; sessions have a folder of their own."""
    folder = tmp_path_factory.mktemp("models")
    write_pack(reference, folder / "tha3_separable_fp32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AYATSURI_MODELS", str(folder))
        patch.setenv("AYATSURI_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        yield folder


def assert_meets(reference, frame, case):
    """The limits of fixtures/tha3: few values off by a level, hardly any by more."""
    expected = reference.arrays[f"{case}/final_bgra_rint_sampled"]
    off = np.abs(reference.frame(frame).astype(int) - expected)
    assert (off >= 1).mean() < 0.05
    assert (off >= 2).mean() < 0.001


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "pictures"), [(FIRST_EXAMPLE, 2), (SECOND_EXAMPLE, 4)], ids=["basic", "detailed"]
)
def test_examples_of_the_document_run_as_they_stand(
    models, reference, tmp_path, monkeypatch, example, pictures
):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("img1.png", reference.picture)
    poses = [reference.pose(case)[None] for case in ("zeros", "random")]
    names = Source(poses, get_core=get_core, img=reference.picture)
    with pytest.raises(NoMorePoses):
        exec(example, {}, names)
    shown = [picture.copy() for picture in names["ret"]]
    names["core"].close()
    assert [picture.shape for picture in shown] == [(512, 512, 4)] * pictures
    written = cv2.imread("result.png", cv2.IMREAD_UNCHANGED)
    assert written is None or np.array_equal(written, shown[-1])


@pytest.mark.slow
@pytest.mark.parametrize("processes", [False, True], ids=["in process", "processes"])
def test_core_draws_what_the_official_code_draws(models, reference, processes):
    with get_core(processes=processes, **ALONE) as core:
        core.setImage(reference.picture)
        for case in ("random", "face_only"):
            (frame,) = core.inference(reference.pose(case)[None])
            assert_meets(reference, frame, case)


@pytest.mark.slow
def test_pixels_are_the_same_without_the_model_cache(models, reference):
    poses = [reference.pose(case) for case in ("zeros", "face_only", "zeros", "face_only")]
    with (
        get_core(processes=False, model_cache=False, **ALONE) as without,
        get_core(processes=False, **ALONE) as core,
    ):
        for made in (without, core):
            made.setImage(reference.picture)
        for pose in poses:
            assert np.array_equal(without.inference(pose)[0], core.inference(pose)[0])


def test_missing_weights_are_an_error_that_says_how_to_get_them(models, tmp_path):
    with pytest.raises(CoreError, match=r"docs/weights\.md.*models convert tha3"):
        get_core(model_dir=str(tmp_path))
    with pytest.raises(CoreError, match="standard"):
        get_core(model_seperable=False)


def test_a_damaged_pack_is_an_error_that_names_the_file(models, reference, tmp_path):
    folder = write_pack(reference, tmp_path / "packs" / "tha3_separable_fp32")
    (folder / "face.onnx").write_bytes(b"damaged")
    with pytest.raises(CoreError, match=r"face\.onnx"):
        get_core(model_dir=str(folder.parent), processes=False)


def test_core_says_what_stands_in_for_tensorrt(models, caplog):
    get_core(processes=False, device_id=3, **ALONE).close()
    (record,) = caplog.records
    assert "TensorRT is not here" in record.message
    assert "device_id=3" in record.message


@pytest.mark.slow
def test_session_draws_with_tha3_and_tells_what_it_kept(models, reference, tmp_path):
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), reference.picture)
    options = ("poser=tha3", f"models={models}", f"picture={picture}")
    with running_session(*(f"stages.avatar.options.{option}" for option in options)) as session:
        assert "THA3 separable fp32 on" in session.log
        parts = session.stage("avatar")["parts"]
        assert set(parts) == {"eyebrows", "face"}


def test_session_without_weights_says_how_to_get_them_and_moves(tmp_path):
    options = ("poser=tha3", f"models={tmp_path}")
    with running_session(*(f"stages.avatar.options.{option}" for option in options)) as session:
        assert "docs/weights.md" in session.log
        assert "built-in poser stands in" in session.log


def test_session_that_may_not_stand_in_ends_with_the_reason(tmp_path):
    options = ("poser=tha3", f"models={tmp_path}", "stand_in=false")
    with started_session(*(f"stages.avatar.options.{option}" for option in options)) as session:
        assert session.process.wait(20) == 3
        assert "docs/weights.md" in session.log


def drawn_in_lanes(core):
    stages = ask(core._name, GetStatus())["stages"]
    return next(s["counters"].get("drawn_in_lanes", 0) for s in stages if s["name"] == "avatar")


@pytest.mark.slow
@pytest.mark.skipif(usable_cores() < 2, reason="one core draws one pose at a time")
def test_a_stream_draws_two_poses_at_once_and_the_same_pictures(models, reference):
    given = []

    def poses(core):
        random = np.random.default_rng(0)
        while len(given) % 4 or drawn_in_lanes(core) < 3:
            given.append(random.uniform(0, 0.5, (1, 45)).astype(np.float32))
            yield given[-1]

    with get_core(model_dir=str(models), **ALONE) as core:
        core.setImage(reference.picture)
        streamed = [pictures[-1].copy() for pictures in core.stream(poses(core))]
        assert len(streamed) == len(given)
        for number in (0, -2, -1):
            alone = core.inference(given[number])[-1]
            # One thread adds up in another order than two: some values are rounded otherwise.
            off = cv2.absdiff(streamed[number], alone)
            assert off.max() <= 2 and (off > 0).mean() < 0.02
