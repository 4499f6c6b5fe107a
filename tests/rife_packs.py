"""Packs of RIFE on seeded weights, for tests of what runs them."""

from pathlib import Path

from pipeline.models import rife
from stages.networks.rife_versions import plain_names, recognise
from tests.rife_reference import DATA, published_state


def write_pack(
    folder: Path,
    size: tuple[int, int] = (128, 128),
    name: str = "v4.25.lite",
    scales: tuple[int, ...] = (2, 3, 4),
) -> Path:
    """Write a pack; 4.25.lite at 128x128 is the smallest there is."""
    state = plain_names(published_state(name))
    path = DATA / f"rife_{name}_manifest.json"  # stands for the file the weights came from
    rife.build_pack(rife.Weights(path, recognise(state), state), folder, size, scales)
    return folder
