"""The painted face: every parameter acts, where it should, and without a jump."""

import itertools
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import figure, over_grey
from numpy.typing import NDArray

from pipeline.cli import main
from pipeline.sheet import cells, draw
from stages.avatar import load_poser
from stages.avatar.boxes import Box
from stages.avatar.picture import SHIPPED
from stages.avatar.posing import PicturePoser, pose_of
from stages.avatar.warp import WarpPoser
from stages.pose import HIGH, INDEX, LOW, PARAMETERS, neutral

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("ito", "koma")
FACE = [p.name for p in PARAMETERS if p.name.startswith(("eye_", "iris", "mouth"))]
MIDDLE = 256

Image = NDArray[np.uint8]


@pytest.fixture(scope="module", params=NAMES)
def poser(request: pytest.FixtureRequest) -> PicturePoser:
    return load_poser(request.param)


def changed(poser: PicturePoser, **values: float) -> NDArray[np.bool_]:
    """Where a pose differs from rest by more than rounding."""
    before, after = poser.pose({}).astype(int), poser.pose(values).astype(int)
    return np.abs(before - after).max(axis=2) > 2


def bounds(where: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is True."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.parametrize("name", NAMES)
def test_at_rest_the_picture_is_itself_also_after_a_pose(name: str) -> None:
    poser, picture = load_poser(name), cv2.imread(str(SHIPPED / f"{name}.png"), -1)
    assert picture is not None
    picture[picture[..., 3] == 0] = 0
    assert np.array_equal(poser.pose({}), picture)
    poser.pose(HIGH)
    assert np.array_equal(poser.pose({}), picture)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda p: p.name)
def test_every_parameter_changes_the_picture(poser: PicturePoser, parameter: str) -> None:
    name, low, high = parameter
    for value in {low, high} - {0.0}:
        assert changed(poser, **{name: value}).sum() > 12


@pytest.mark.parametrize("name", FACE)
def test_parameters_of_the_face_leave_all_else_as_it_is(poser: PicturePoser, name: str) -> None:
    boxes = poser.features.boxes
    left, top, right, bottom = bounds(changed(poser, **{name: 1.0}))
    if name.startswith("mouth"):
        box, margin = boxes.mouth, 14
    else:
        eyes = (boxes.eye_left, boxes.eye_right)
        wanted = eyes[0] if name.endswith("left") else eyes[1]
        box, margin = wanted, 10
        if name.startswith("iris_rotation"):
            x = min(eye.x for eye in eyes)
            box = wanted._replace(x=x, width=max(eye.right for eye in eyes) - x)
    assert left >= box.x - margin and right <= box.right + margin
    assert top >= box.y - margin and bottom <= box.bottom + margin


@pytest.mark.parametrize("name", [p.name for p in PARAMETERS if p.name.startswith("eyebrow")])
def test_brows_act_on_their_own_side_and_above_the_mouth(poser: PicturePoser, name: str) -> None:
    left, top, right, bottom = bounds(changed(poser, **{name: 1.0}))
    assert bottom < 140 and top > 85
    # The subject's left is the picture's right.
    assert left >= MIDDLE if name.endswith("left") else right <= MIDDLE


def test_alpha_is_never_changed_by_the_face(poser: PicturePoser) -> None:
    at_rest = poser.pose({})[..., 3]
    pose = pose_of(dict.fromkeys(FACE, 1.0))
    assert np.array_equal(poser.pose(pose)[..., 3], at_rest)


def test_a_frame_does_not_depend_on_the_one_before(poser: PicturePoser) -> None:
    generator = np.random.default_rng(3)
    poses = [generator.uniform(LOW, HIGH).astype(np.float32) for _ in range(6)]
    first = [poser.pose(pose) for pose in poses]
    for pose, frame in reversed(list(zip(poses, first, strict=True))):
        assert np.array_equal(poser.pose(pose), frame)
    assert np.array_equal(load_poser("ito").pose(poses[0]), load_poser("ito").pose(poses[0]))


def test_both_eyes_close_over_the_iris(poser: PicturePoser) -> None:
    skin = np.array(poser.features.skin)
    for shut in ("eye_wink", "eye_happy_wink", "eye_relaxed"):
        frame = poser.pose({f"{shut}_left": 1.0, f"{shut}_right": 1.0})
        for iris in (poser.features.boxes.iris_left, poser.features.boxes.iris_right):
            x, y = (round(value) for value in iris.centre)
            above = frame[y - 9 : y - 2, x - 3 : x + 4, :3].reshape(-1, 3)
            assert np.abs(np.median(above, axis=0) - skin).max() < 30, shut


def iris_centre(poser: PicturePoser, **values: float) -> NDArray[np.float64]:
    """The middle of the saturated pixels around the left iris."""
    frame = poser.pose(values)[..., :3].astype(int)
    eye = poser.features.boxes.eye_left
    part = frame[int(eye.y) + 4 : int(eye.bottom), int(eye.x) : int(eye.right)]
    strong = part.max(axis=2) - part.min(axis=2) > 90
    rows, columns = np.nonzero(strong)
    return np.array([columns.mean(), rows.mean(), np.sqrt(len(rows))])


def test_the_iris_looks_and_shrinks(poser: PicturePoser) -> None:
    at_rest = iris_centre(poser)
    assert iris_centre(poser, iris_rotation_y=1.0)[0] < at_rest[0] - 1.5
    assert iris_centre(poser, iris_rotation_y=-1.0)[0] > at_rest[0] + 1.0
    assert iris_centre(poser, iris_rotation_x=1.0)[1] < at_rest[1] - 1.5
    assert iris_centre(poser, iris_rotation_x=-1.0)[1] > at_rest[1] + 1.0
    assert iris_centre(poser, iris_small_left=0.6)[2] < 0.7 * at_rest[2]


@pytest.mark.parametrize("shape", ["aaa", "iii", "uuu", "eee", "ooo", "delta"])
def test_mouths_open(poser: PicturePoser, shape: str) -> None:
    box = poser.features.boxes.mouth
    rows, columns = slice(int(box.y) - 6, int(box.bottom) + 14), slice(240, 272)
    skin = np.array(poser.features.skin)

    def other(frame: Image) -> int:
        return int((np.abs(frame[rows, columns, :3] - skin).max(axis=2) > 45).sum())

    half, whole = (poser.pose({f"mouth_{shape}": value}) for value in (0.5, 1.0))
    assert other(poser.pose({})) < other(half) < other(whole) or shape in ("iii", "delta")
    assert other(whole) > other(poser.pose({}))


def steps(poser: PicturePoser, poses: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean and largest change of head and shoulders from each pose to the next."""
    frames = [over_grey(poser.pose(pose)[60:260, 160:352]) for pose in poses]
    changes = [np.abs(before - after) for before, after in itertools.pairwise(frames)]
    return np.array([(change.mean(), change.max()) for change in changes])


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda p: p.name)
def test_no_parameter_jumps_anywhere(poser: PicturePoser, parameter: str) -> None:
    name, low, high = parameter
    poses = np.zeros((31, len(PARAMETERS)), np.float32)
    poses[:, INDEX[name]] = np.linspace(low, high, 31)
    means = steps(poser, poses)[:, 0]
    assert means.max() < 6 * np.median(means) + 0.1


@pytest.mark.parametrize("seed", range(4))
def test_random_paths_are_continuous_also_through_a_blink(poser: PicturePoser, seed: int) -> None:
    generator = np.random.default_rng(seed)
    start, end = generator.uniform(LOW, HIGH, (2, len(PARAMETERS)))
    for name in ("eye_wink_left", "eye_wink_right"):
        start[INDEX[name]], end[INDEX[name]] = 0.0, 1.0
    along = np.linspace(0, 1, 9)[:, np.newaxis]
    coarse = start + (end - start) * along
    for pose in coarse[:-1]:
        near = np.stack([pose, pose + (end - start) * 0.004]).astype(np.float32)
        mean, largest = steps(poser, near)[0]
        # The whole figure moves by up to 0.2 px, lids by 0.1, beside the strongest edges there are.
        assert mean < 3.0 and largest < 110


def test_nan_counts_as_rest(poser: PicturePoser) -> None:
    pose = neutral()
    pose[INDEX["mouth_aaa"]] = np.nan
    assert np.array_equal(poser.pose(pose), poser.pose({}))


def test_all_at_once_stays_a_picture(poser: PicturePoser) -> None:
    for pose in (HIGH, LOW):
        frame = poser.pose(pose)
        assert not frame[frame[..., 3] == 0].any()
        assert frame[128, 256, 3] == 255


def test_a_soft_face_keeps_clean_edges() -> None:
    picture = figure()
    picture[120:150, 200:312, 3] = 128
    poser = WarpPoser(picture)
    out = np.empty_like(picture)
    poser.render(pose_of({"eye_wink_left": 1.0, "head_y": 0.5, "mouth_aaa": 1.0}), out)
    assert not out[out[..., 3] == 0].any()
    assert (out[125:140, 240:270, 3] > 100).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_picture_without_a_face_is_posed_all_the_same(seed: int) -> None:
    generator = np.random.default_rng(seed)
    picture = np.full((512, 512, 4), 255, np.uint8)
    if seed:
        # Coarse noise: finds features in the oddest places.
        small = generator.integers(0, 256, (512 // (4 * seed), 512 // (4 * seed), 4), np.uint8)
        picture = np.asarray(cv2.resize(small, (512, 512), interpolation=cv2.INTER_NEAREST))
        picture[picture[..., 3] < 60] = 0
    poser = WarpPoser(np.ascontiguousarray(picture))
    out = np.empty_like(picture)
    for pose in (HIGH, LOW, generator.uniform(LOW, HIGH).astype(np.float32)):
        poser.render(pose, out)
    poser.render(neutral(), out)
    assert np.array_equal(out, picture)


def test_boxes_at_the_edges_of_the_picture_are_posed_all_the_same() -> None:
    edge = {"eye_left": Box(480, 0, 32, 20), "iris_left": Box(490, 2, 12, 14)}
    edge |= {"brow_left": Box(480, 0, 30, 4), "mouth": Box(0, 508, 20, 4)}
    poser = WarpPoser(figure(), edge)
    out = np.empty((512, 512, 4), np.uint8)
    poser.render(HIGH, out)
    poser.render(neutral(), out)
    assert np.array_equal(out, figure())


def test_posing_takes_names_and_numbers() -> None:
    poser = load_poser("ito")
    by_name = poser.pose({"head_y": 0.5, "mouth_aaa": 1.0})
    pose = neutral()
    pose[INDEX["head_y"]], pose[INDEX["mouth_aaa"]] = 0.5, 1.0
    out = np.empty((512, 512, 4), np.uint8)
    poser.render(pose, out)
    assert np.array_equal(by_name, out)
    png = by_name._repr_png_()
    assert png is not None and png.startswith(b"\x89PNG")
    assert by_name[0]._repr_png_() is None
    with pytest.raises(KeyError, match="mouth_aaa"):
        poser.pose({"mouth_aa": 1.0})
    with pytest.raises(ValueError, match="45"):
        poser.pose(np.zeros(44, np.float32))


def test_a_poser_of_bytes_finds_its_own_features() -> None:
    poser = load_poser((SHIPPED / "koma.png").read_bytes())
    assert not poser.features.guessed


@pytest.mark.parametrize("name", NAMES)
def test_contact_sheets_look_as_they_did(name: str) -> None:
    """Golden sheets; `AYATSURI_WRITE_GOLDEN=1` writes them anew, to be looked at before a commit.

    Libraries resample a little differently: one level on average, 30 in one value of a thousand.
    """
    whole = draw(load_poser(name).pose, cells())
    sheet = cv2.resize(whole, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA)
    path = GOLDEN / f"sheet_{name}.png"
    if os.environ.get("AYATSURI_WRITE_GOLDEN"):
        cv2.imwrite(str(path), sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    golden = cv2.imread(str(path))
    assert golden is not None and golden.shape == sheet.shape
    off = np.abs(golden.astype(int) - sheet.astype(int))
    assert off.mean() < 1.0
    assert np.percentile(off, 99.9) <= 30


def test_the_command_writes_a_sheet(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert main(["sheet", "koma", str(out)]) == 0
    sheet = cv2.imread(str(out))
    assert sheet is not None and min(sheet.shape[:2]) > 1000
