"""The 45 parameters of a THA3 pose: order, names and ranges, in the one place that knows them.

Source: the parameter list of talking-head-anime-3 (`tha3/poser/modes/pose_parameters.py`), which
THA4 shares. The neutral pose is 45 zeros.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Parameter(NamedTuple):
    """One of the 45 numbers. A value outside `low`..`high` counts as the nearer bound."""

    name: str
    low: float
    high: float


def _both_sides(stem: str) -> list[Parameter]:
    return [Parameter(f"{stem}_left", 0.0, 1.0), Parameter(f"{stem}_right", 0.0, 1.0)]


_PAIRED = (
    "eyebrow_troubled eyebrow_angry eyebrow_lowered eyebrow_raised eyebrow_happy eyebrow_serious "
    "eye_wink eye_happy_wink eye_surprised eye_relaxed eye_unimpressed eye_raised_lower_eyelid "
    "iris_small"
).split()
_MOUTH_SHAPES = "mouth_aaa mouth_iii mouth_uuu mouth_eee mouth_ooo mouth_delta".split()
_ROTATIONS = "iris_rotation_x iris_rotation_y head_x head_y neck_z body_y body_z".split()

PARAMETERS: tuple[Parameter, ...] = (
    *(parameter for stem in _PAIRED for parameter in _both_sides(stem)),
    *(Parameter(name, 0.0, 1.0) for name in _MOUTH_SHAPES),
    *_both_sides("mouth_lowered_corner"),
    *_both_sides("mouth_raised_corner"),
    Parameter("mouth_smirk", 0.0, 1.0),
    *(Parameter(name, -1.0, 1.0) for name in _ROTATIONS),
    Parameter("breathing", 0.0, 1.0),
)
SIZE = len(PARAMETERS)
INDEX: dict[str, int] = {parameter.name: index for index, parameter in enumerate(PARAMETERS)}
LOW: NDArray[np.float32] = np.array([p.low for p in PARAMETERS], np.float32)
HIGH: NDArray[np.float32] = np.array([p.high for p in PARAMETERS], np.float32)


def neutral() -> NDArray[np.float32]:
    """Return a fresh neutral pose, (45,) float32 zeros."""
    return np.zeros(SIZE, np.float32)
