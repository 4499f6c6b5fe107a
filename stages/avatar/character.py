"""A trained character's folder: `character_model.yaml`, which names a picture and two networks.

It comes from anywhere: nothing in it is executed, and what the YAML names must lie in the folder.
"""

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from stages.avatar.picture import PictureRejected, load
from stages.networks import student
from stages.networks.parameters import State, WeightsMismatch
from stages.networks.weights import WeightsRejected, load_weights

MODEL_FILE = "character_model.yaml"
MAX_FILE_BYTES = 64 * 1024

_PICTURE = "character_image_file_name"
_NETWORKS = {
    "face_morpher_file_name": "face_morpher",
    "body_morpher_file_name": "body_morpher",
}


class CharacterRejected(ValueError):
    """A folder is no character that can be used. One sentence: what, where, and the mend."""


class Character(NamedTuple):
    """What a character's folder holds, checked."""

    folder: Path
    files: dict[str, Path]  # picture, face_morpher, body_morpher
    picture: NDArray[np.uint8]  # (512, 512, 4) BGRA, straight alpha, colour 0 where alpha is 0
    states: dict[str, State]  # face_morpher, body_morpher
    digest: bytes  # of picture and networks

    def networks(self) -> student.Student:
        """Return both networks made ready to run."""
        return student.fold(self.states["face_morpher"], self.states["body_morpher"])


def is_character(path: Path) -> bool:
    """Whether a path is a character's folder or the YAML file in one."""
    return path.name == MODEL_FILE or (path / MODEL_FILE).is_file()


def load_character(path: Path) -> Character:
    """Read a character's folder, or the one that its YAML file lies in.

    Raises `CharacterRejected` with the file that is wrong.
    """
    folder = path.parent if path.name == MODEL_FILE else path
    files = _files(folder)
    try:
        picture = load(files["picture"])
        states = {name: _state(files[name], name) for name in _NETWORKS.values()}
    except (PictureRejected, WeightsRejected, WeightsMismatch) as error:
        raise CharacterRejected(f"the character {folder.name}: {error}") from error
    digest = hashlib.blake2b(picture.tobytes(), digest_size=16)
    for state in states.values():
        for name in sorted(state):
            digest.update(name.encode() + np.ascontiguousarray(state[name]).tobytes())
    return Character(folder, files, picture, states, digest.digest())


def _state(path: Path, network: str) -> State:
    state = load_weights(path)
    try:
        student.check(state, network)
    except WeightsMismatch as error:
        raise WeightsMismatch(f"{path}: {error}") from error
    return state


def _files(folder: Path) -> dict[str, Path]:
    """Return the three files that the YAML names, each in the folder and there."""
    path = folder / MODEL_FILE
    content = _yaml(path)
    found = {}
    for key in (_PICTURE, *_NETWORKS):
        name = content.get(key)
        if not isinstance(name, str) or not name:
            raise CharacterRejected(f"{path} lacks {key}; give the name of a file beside it")
        plain = PurePosixPath(name.replace("\\", "/"))
        if plain.is_absolute() or ".." in plain.parts or ":" in name:
            raise CharacterRejected(
                f"{path}: {key} is {name!r}, outside the folder; put the file beside the YAML "
                "and give its name"
            )
        file = folder / plain
        if not file.is_file():
            raise CharacterRejected(
                f"{path} names {name!r} as {key}, and {file} is not there; copy it there"
            )
        found[_NETWORKS.get(key, "picture")] = file
    return found


def _yaml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise CharacterRejected(
            f"{path.parent} is no trained character: there is no {MODEL_FILE} in it"
        ) from None
    except OSError as error:
        raise CharacterRejected(f"{path} cannot be read ({error.strerror or error})") from error
    if len(data) > MAX_FILE_BYTES:
        raise CharacterRejected(f"{path} is larger than 64 KiB; it holds three names of files")
    try:
        content = yaml.safe_load(data)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CharacterRejected(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise CharacterRejected(
            f"{path} must give {_PICTURE}, {' and '.join(_NETWORKS)}, each the name of a file"
        )
    return content
