"""Where model packs lie, and which of them is meant."""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from stages.networks.pack import (
    EXISTING_FOLDERS,
    MANIFEST,
    Pack,
    PackRejected,
    Precision,
    digest,
    open_pack,
    read_manifest,
)
from stages.networks.parameters import Structure

# Below a folder of models: our packs, and what programs on ezvtuber-rt have beside them.
PLACES = ("", "data", "data/models", "models")
_EXISTING = ("morpher.onnx", "body_morpher.onnx")  # what tells ezvtuber-rt's packs
_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")


class PackMissing(PackRejected):
    """The pack that is wanted is nowhere; the message says how to get it."""


def models_folder() -> Path:
    """Return the folder that packs are looked for in if none is named; it need not exist.

    $AYATSURI_MODELS, or `ayatsuri/models` in the user's folder for data.
    """
    if chosen := os.environ.get("AYATSURI_MODELS"):
        return Path(chosen)
    if sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    elif sys.platform == "darwin":
        data = Path.home() / "Library" / "Application Support"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return data / "ayatsuri" / "models"


def find_tha3(models: Path, structure: Structure, precision: Precision) -> Pack:
    """Open the THA3 pack of a folder, or the folder itself if it is one.

    Only where there is none of this precision, one of the other is taken: `Pack.precision` tells.
    Raises `PackMissing`, and `PackRejected` for one that is damaged.
    """
    if _is_pack(models):
        return open_pack(models)
    for wanted in (precision, *(other for other in _PRECISIONS if other != precision)):
        for place in PLACES:
            for name in (
                f"tha3_{structure}_{wanted}",
                f"tha3/{EXISTING_FOLDERS[structure]}/{wanted}",
            ):
                folder = models / place / name
                if _is_pack(folder):
                    return open_pack(folder)
    raise PackMissing(
        f"no {structure} THA3 pack in {models}: get the published weights as docs/weights.md says, "
        f"then `launcher.py models convert tha3 FOLDER '{models}'`"
    )


def find_student(
    models: Path, name: str, describes: Callable[[Path], bool], precision: Precision = "fp32"
) -> Path:
    """Return the folder of a trained character, by its path or by its name in a folder of models.

    `describes` tells a character's own folder, as it was published; packs of one are known here,
    and of ours the one of `precision` is taken if there are both.
    Without a name it is the folder `models` itself, or the one named tha4_student in it. Raises
    `PackMissing`.
    """
    near = [models / place for place in PLACES]
    if name:
        # A bare word is never a folder that happens to lie where the program was started.
        own = [Path(name).expanduser()] if len(Path(name).parts) > 1 else []
        folders = [
            *own,
            *(place / kind / name for place in near for kind in ("custom_tha4_models", "")),
            *(
                place / f"tha4_student_{name}_{wanted}"
                for wanted in (precision, *_PRECISIONS)
                for place in near
            ),
        ]
    else:
        folders = [models, *(place / "tha4_student" for place in near)]
    for folder in folders:
        if describes(folder) or _is_pack(folder):
            return folder
    raise PackMissing(
        f"no trained character {name or 'tha4_student'!r} in {models}: give the path of its "
        "folder, with character_model.yaml, or of a pack with face_morpher.onnx and "
        "body_morpher.onnx"
    )


def packs_in(models: Path) -> list[Path]:
    """Return the folders of all packs of a folder of models, sorted; empty if it does not exist."""
    found = {path.parent for name in (MANIFEST, *_EXISTING) for path in models.rglob(name)}
    return sorted(found)


def look(pack: Pack) -> bytes:
    """Return a digest of a pack's graphs: what else shapes the pixels than picture and pose."""
    if pack.layout == "ayatsuri":
        digests = [entry.sha256 for entry in read_manifest(pack.folder).graphs]
    else:
        digests = [digest(part.path) for part in pack.parts]
    return hashlib.blake2b("".join(digests).encode(), digest_size=16).digest()


def _is_pack(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (MANIFEST, *_EXISTING))
