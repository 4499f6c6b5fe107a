"""A trained character that nobody trained: networks drawn by seed, and a shipped picture.

Its numbers are spread as in a real student, so that the picture moves by some pixels and its
retouch is faint; what matters is that every parameter has its say.
"""

from pathlib import Path

import numpy as np

from stages.avatar.picture import SHIPPED
from stages.networks import student
from stages.networks.parameters import State
from tests.archives import saved
from tests.seeded import seeded_array

YAML = """character_image_file_name: character.png
face_morpher_file_name: face_morpher.pt
body_morpher_file_name: body_morpher.pt
"""


def states(*, retouch: bool = True) -> dict[str, State]:
    """The state dicts of both networks; without `retouch` the picture is moved and no more."""
    made: dict[str, dict[str, np.ndarray]] = {}
    for network in ("face_morpher", "body_morpher"):
        made[network] = {
            name: seeded_array(name, list(shape), "uniform", _limit(shape), seed=3)
            for name, shape in student.expected(network).items()
        }
    made["face_morpher"]["siren.last_linear.weight"] *= 10
    last = made["body_morpher"]["last_linear.weight"], made["body_morpher"]["last_linear.bias"]
    for values in last:
        values[student.SHARE] *= 5 if retouch else 0
        values[student.COLOUR] *= 10
    return dict(made)


def _limit(shape: tuple[int, ...]) -> float:
    # At which sine layers keep the spread of what they are given (Sitzmann et al., 2020).
    return float(np.sqrt(6 / shape[1]) / student.OMEGA) if len(shape) == 4 else 0.02


def write(folder: Path, *, retouch: bool = True) -> Path:
    """Write a character's folder as it is published; return it."""
    folder.mkdir(parents=True)
    for network, state in states(retouch=retouch).items():
        saved(folder / f"{network}.pt", {name: np.asarray(value) for name, value in state.items()})
    (folder / "character.png").write_bytes((SHIPPED / "ito.png").read_bytes())
    (folder / "character_model.yaml").write_text(YAML, encoding="utf-8")
    return folder


def poses(count: int) -> np.ndarray:
    """Poses one after the other, (count, 45), as a face moves."""
    rest = seeded_array("rest", [45], "uniform", 0.5, seed=1)
    way = seeded_array("way", [45], "uniform", 0.5, seed=2)
    steps = np.linspace(0, 1, count, dtype=np.float32)[:, None]
    return (rest + steps * way).astype(np.float32)
