"""Folders of trained characters: read without executing anything, refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest

from stages.avatar.character import CharacterRejected, is_character, load_character
from stages.avatar.picture import PictureRejected
from stages.avatar.student import StudentChoice, StudentPoser
from stages.networks.library import PackMissing
from tests import made_up_student


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_student.write(tmp_path_factory.mktemp("characters") / "nobody")


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    copy = tmp_path / "nobody"
    copy.mkdir()
    for file in published.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def test_a_folder_is_read_by_its_own_name_or_that_of_its_yaml(published: Path) -> None:
    by_folder = load_character(published)
    by_file = load_character(published / "character_model.yaml")
    assert is_character(published) and not is_character(published.parent)
    assert by_folder.digest == by_file.digest
    assert by_folder.picture.shape == (512, 512, 4)
    level = by_folder.networks().body[1]
    assert level.features is not None and level.features.shape == (180, 180)


def test_names_may_be_any_that_lie_in_the_folder(folder: Path) -> None:
    (folder / "networks").mkdir()
    (folder / "face_morpher.pt").rename(folder / "networks" / "f.pt")
    text = (folder / "character_model.yaml").read_text(encoding="utf-8")
    for name in ("networks/f.pt", "networks\\f.pt"):
        changed = text.replace("face_morpher.pt", name) + "trained_by: nobody\n"
        (folder / "character_model.yaml").write_text(changed, encoding="utf-8")
        assert load_character(folder).files["face_morpher"] == folder / "networks" / "f.pt"


@pytest.mark.parametrize("name", ["../character.png", "/etc/passwd", "C:/x.png", "a/../../b.png"])
def test_names_that_lead_out_of_the_folder_are_refused(folder: Path, name: str) -> None:
    text = made_up_student.YAML.replace("character.png", name)
    (folder / "character_model.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CharacterRejected, match="outside the folder"):
        load_character(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must give character_image_file_name"),
        ("- a\n- b\n", "must give"),
        ("character_image_file_name: 3\n", "lacks character_image_file_name"),
        ("character_image_file_name: character.png\n", "lacks face_morpher_file_name"),
        ("a: [", "is not YAML"),
        ("[" * 1500, "is not YAML"),
        ("!!python/object/apply:os.system ['touch executed']", "is not YAML"),
        ("#" * 70_000, "larger than 64 KiB"),
    ],
)
def test_wrong_yaml_is_named(
    folder: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "character_model.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CharacterRejected, match=said):
        load_character(folder)
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("name", ["character.png", "face_morpher.pt", "body_morpher.pt"])
def test_a_missing_or_damaged_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:100])
    with pytest.raises(CharacterRejected, match=name):
        load_character(folder)
    (folder / name).unlink()
    with pytest.raises(CharacterRejected, match=rf"{name} is not there"):
        load_character(folder)


def test_networks_in_each_others_place_are_recognised(folder: Path) -> None:
    (folder / "face_morpher.pt").write_bytes((folder / "body_morpher.pt").read_bytes())
    with pytest.raises(CharacterRejected, match=r"face_morpher\.pt.*These are the body_morpher"):
        load_character(folder)


def test_a_character_is_found_by_name_or_path(published: Path, tmp_path: Path) -> None:
    models = published.parent
    for name, where in (
        ("nobody", models),
        (str(published), tmp_path),
        ("", published),
    ):
        poser = StudentPoser.find(name, where)
        assert poser.notes[0].startswith("nobody: where something is seen")
        poser.close()
    with pytest.raises(PackMissing, match="somebody"):
        StudentPoser.find("somebody", models)


def test_another_picture_is_refused(published: Path) -> None:
    poser = StudentPoser(published)
    poser.set_picture(poser.picture.copy())
    with pytest.raises(PictureRejected, match="its own picture and no other"):
        poser.set_picture(np.flip(poser.picture, axis=1))
    poser.close()


def test_the_look_tells_ways_of_drawing_apart(published: Path) -> None:
    looks = []
    for mode in ("exact", "fast", "exact"):
        poser = StudentPoser(published, StudentChoice(mode))
        looks.append(poser.look)
        poser.close()
    assert looks[0] == looks[2] != looks[1]
