"""Finding a face: on the shipped characters, on strangers, and with corrections."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import figure
from numpy.typing import NDArray

from pipeline.cli import main
from pipeline.features import describe, show_features
from stages.avatar.boxes import (
    Box,
    Boxes,
    FeaturesRejected,
    corrections_path,
    read_corrections,
    write_corrections,
)
from stages.avatar.features import Features, find
from stages.avatar.picture import SHIPPED, load
from stages.stage import StartFailed

SHARED = Path(__file__).parents[3] / "shared" / "data"
STUDENT = SHARED / "tha4_student" / "lambda_00" / "character.png"
OTHER = SHARED / "avatar_frames" / "lambda_01_01270.png"
needs_shared = pytest.mark.skipif(
    not (STUDENT.is_file() and OTHER.is_file()), reason="needs ../shared, on the founders' machines"
)
NAMES = ("ito", "koma")

# Measured by eye on the student's picture: centre x, centre y, width, height.
STUDENT_BOXES = {
    "eye_left": (281, 146, 31, 20),
    "eye_right": (230, 146, 31, 20),
    "iris_left": (276, 147, 14, 15),
    "iris_right": (234, 147, 14, 15),
    "brow_left": (279, 125, 25, 9),
    "brow_right": (231, 125, 26, 9),
    "mouth": (255, 174, 15, 9),
}


def shipped(name: str) -> NDArray[np.uint8]:
    return load(SHIPPED / f"{name}.png")


def off(found: Box, right: Box) -> tuple[float, float]:
    """How far a centre is off, and the larger difference of width or height."""
    (x, y), (right_x, right_y) = found.centre, right.centre
    size = max(abs(found.width - right.width), abs(found.height - right.height))
    return max(abs(x - right_x), abs(y - right_y)), size


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_characters_are_found_without_their_corrections(name: str) -> None:
    features = find(shipped(name))
    right = read_corrections(SHIPPED / f"{name}.yaml")
    assert not features.guessed
    for part, box in features.boxes._asdict().items():
        centre, size = off(box, right[part])
        assert centre <= 4.5 and size <= 8, part


@needs_shared
def test_the_student_is_found() -> None:
    picture = load(STUDENT)
    features = find(picture)
    assert not features.guessed
    for part, (x, y, width, height) in STUDENT_BOXES.items():
        right = Box(x - (width - 1) / 2, y - (height - 1) / 2, width, height)
        centre, size = off(features.boxes._asdict()[part], right)
        assert centre <= 4 and size <= 8, part


@needs_shared
def test_a_turned_and_leaning_face_gives_usable_boxes() -> None:
    # Outside of the input convention: nothing is promised but boxes a poser can work with.
    pixels = cv2.imread(str(OTHER), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    check_usable(find(np.asarray(pixels, np.uint8)))


def check_usable(features: Features) -> None:
    for name, box in features.boxes._asdict().items():
        assert box.x >= 0 and box.y >= 0 and box.right <= 512 and box.bottom <= 512, name
        assert box.width >= 2 and box.height >= 2, name
    assert features.boxes.eye_right.right <= features.boxes.eye_left.x + 1


@pytest.mark.parametrize(
    "picture",
    [
        np.full((512, 512, 4), 255, np.uint8),
        np.full((512, 512, 4), (10, 10, 10, 255), np.uint8),
        np.random.default_rng(0).integers(0, 256, (512, 512, 4), np.uint8),
        np.zeros((512, 512, 4), np.uint8),
        figure(),
    ],
    ids=["white", "black", "noise", "nothing", "drawn"],
)
def test_a_picture_without_a_face_gives_usable_boxes(picture: NDArray[np.uint8]) -> None:
    check_usable(find(picture))


def test_what_is_not_found_is_said_to_be_guessed() -> None:
    features = find(np.full((512, 512, 4), 255, np.uint8))
    assert features.guessed == set(Boxes._fields)
    assert describe(features).count("not found") == 7


def test_the_skin_is_that_of_the_face() -> None:
    blue, green, red = find(shipped("ito")).skin
    assert red > 240 and 215 < green < 250 and 205 < blue < 245


@pytest.mark.parametrize("name", NAMES)
def test_a_mirrored_picture_has_mirrored_features(name: str) -> None:
    straight = find(shipped(name)).boxes
    mirrored = find(np.ascontiguousarray(shipped(name)[:, ::-1])).boxes
    swap = {"left": "right", "right": "left"}
    for part, box in mirrored._asdict().items():
        stem, _, side = part.partition("_")
        other = straight._asdict()[f"{stem}_{swap[side]}" if side else stem]
        back = box._replace(x=512 - box.right)
        centre, size = off(back, other)
        assert centre <= 4 and size <= 7, part


def test_given_boxes_are_taken_as_they_are() -> None:
    given = {"mouth": Box(240, 170, 10, 4), "eye_left": Box(260, 110, 40, 40)}
    features = find(shipped("ito"), given)
    assert features.boxes.mouth == given["mouth"]
    assert features.boxes.eye_left == given["eye_left"]


def test_corrections_come_back_as_they_were_written(tmp_path: Path) -> None:
    boxes = find(shipped("koma")).boxes
    path = corrections_path(tmp_path / "koma.png")
    write_corrections(boxes, path)
    assert read_corrections(path) == boxes._asdict()
    assert read_corrections(tmp_path / "missing.yaml") == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nose: [1, 2, 3, 4]", "'nose' is not a part of the face; allowed: eye_left"),
        ("mouth: [1, 2, 3]", "mouth must be"),
        ("mouth: [1, 2, 3, wide]", "mouth must be"),
        ("mouth: [1, 2, 3, true]", "mouth must be"),
        ("mouth: {x: 1}", "mouth must be"),
        ("mouth: [1, 2, 3, .nan]", "not finite"),
        ("mouth: [1, 2, 0, 4]", "1 to 128 pixels"),
        ("mouth: [1, 2, 400, 4]", "1 to 128 pixels"),
        ("mouth: [500, 2, 30, 4]", "outside"),
        ("mouth: [-1, 2, 30, 4]", "outside"),
        ("[1, 2]", "not a list of names"),
        ("mouth: [1, 2", "not YAML"),
        ("a: !!python/object/apply:os.system [ls]", "not YAML"),
        ("mouth: \x00", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("a" * 70000, "larger than 64 KiB"),
    ],
)
def test_a_wrong_file_of_corrections_is_refused_by_name(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(FeaturesRejected) as caught:
        read_corrections(path)
    assert says in str(caught.value) and "some.yaml" in str(caught.value)


def test_an_empty_file_corrects_nothing(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("# nothing yet\n")
    assert read_corrections(path) == {}


def test_the_command_draws_and_writes_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, out = tmp_path / "mine.png", tmp_path / "found.png"
    picture.write_bytes((SHIPPED / "ito.png").read_bytes())
    assert main(["features", str(picture), str(out), "--write"]) == 0
    assert "mouth: [" in capsys.readouterr().out
    drawn = cv2.imread(str(out))
    assert drawn is not None and drawn.shape[0] > 500
    assert set(read_corrections(tmp_path / "mine.yaml")) == set(Boxes._fields)
    with pytest.raises(StartFailed, match="is there already"):
        show_features(str(picture), None, write=True)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", str(tmp_path / "none.png")]) == 3
    assert "none.png" in capsys.readouterr().err
    picture = tmp_path / "mine.png"
    picture.write_bytes((SHIPPED / "ito.png").read_bytes())
    assert main(["features", str(picture), str(tmp_path / "no" / "out.png")]) == 3
    assert "cannot be written" in capsys.readouterr().err
    picture.with_suffix(".yaml").write_text("nose: 1")
    assert main(["sheet", str(picture), str(tmp_path / "out.png")]) == 3
    assert "nose" in capsys.readouterr().err
