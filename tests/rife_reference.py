"""The stored outputs of the reference implementation of RIFE, and what they were made of."""

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.networks import rife_versions
from stages.networks.rife_blocks import Network, Size
from tests.seeded import seeded_image, seeded_state_dict

DATA = Path(__file__).parent / "data" / "rife"


class Case(NamedTuple):
    """Two pictures and a time between them."""

    name: str  # "S_1_2"
    pair: str  # "S"
    time: float


def reference_files() -> list[Path]:
    """Ours, and those in the folder that the environment names."""
    folders = [DATA]
    if "AYATSURI_RIFE_REFERENCES" in os.environ:
        folders.append(Path(os.environ["AYATSURI_RIFE_REFERENCES"]))
    return [path for folder in folders for path in sorted(folder.glob("rife_*_expected.npz"))]


def published_state(name: str, seed: int = 0) -> dict[str, Any]:
    """Return the weights of a version by their published names."""
    return seeded_state_dict(DATA / f"rife_{name}_manifest.json", seed)


class Reference:
    """One file of reference outputs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.arrays = np.load(path)
        self.meta: dict[str, Any] = json.loads(str(self.arrays["meta"]))
        self.name: str = self.meta["version"]
        self.published = published_state(self.name, self.meta["weight_seed"])
        self.state = rife_versions.plain_names(self.published)
        self.version = rife_versions.recognise(self.state)
        first, second = (seeded_image(512, 512, 4, seed) for seed in self.meta["image_seeds"])
        shift = tuple(self.meta["shift_rows_cols"])
        self.pairs = {"A": (first, second), "S": (first, np.roll(first, shift, axis=(0, 1)))}
        self.times = [float(Fraction(text)) for text in self.meta["timesteps"]]
        self.cases = [
            Case(f"{pair}_{text.replace('/', '_')}", pair, float(Fraction(text)))
            for pair in self.pairs
            for text in self.meta["timesteps"]
        ]

    def network(self, height: int = 512, width: int = 512) -> Network:
        """Return the network at a size."""
        return Network(self.state, self.version, Size.of(height, width, self.version))

    def cropped(self) -> tuple[np.ndarray, np.ndarray]:
        """Return pair A at the size that needs padding."""
        y, x, height, width = self.meta["pad_crop_y_x_h_w"]
        first, second = (
            np.ascontiguousarray(picture[y : y + height, x : x + width])
            for picture in self.pairs["A"]
        )
        return first, second

    def at(self, values: np.ndarray, places: str = "pos") -> np.ndarray:
        """Return the places of (H, W, ...) that were stored."""
        rows, columns = self.arrays[places].T
        return values[rows, columns]
