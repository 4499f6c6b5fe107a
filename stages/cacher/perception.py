"""How much a picture changes with each parameter of its pose.

Measured by `python -m benchmarks.perception`: four poses of idle and recorded motion, a step of 0.2
(0.1 for what rotates) of each parameter alone, pictures laid on grey. Each figure is the larger one
of a trained student of THA4 and the built-in poser, whose proportions are much alike; half of what
the student gives for the smallest is noise.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.pose import INDEX, SIZE

_CHANGE_BY_NAME: Final = {
    "eyebrow_troubled": 3.4,
    "eyebrow_angry": 3.0,
    "eyebrow_lowered": 5.9,
    "eyebrow_raised": 5.6,
    "eyebrow_happy": 4.9,
    "eyebrow_serious": 2.8,
    "eye_wink": 19.0,
    "eye_happy_wink": 18.0,
    "eye_surprised": 5.5,
    "eye_relaxed": 19.0,
    "eye_unimpressed": 9.0,
    "eye_raised_lower_eyelid": 3.0,
    "iris_small": 12.0,
    "mouth_aaa": 6.0,
    "mouth_iii": 3.5,
    "mouth_uuu": 3.5,
    "mouth_eee": 4.7,
    "mouth_ooo": 5.1,
    "mouth_delta": 3.6,
    "mouth_lowered_corner": 2.7,
    "mouth_raised_corner": 2.7,
    "mouth_smirk": 3.2,
    "iris_rotation_x": 12.7,
    "iris_rotation_y": 11.0,
    "head_x": 47.0,
    "head_y": 40.0,
    "neck_z": 90.0,
    "body_y": 31.0,
    "body_z": 136.0,
    "breathing": 8.5,
}


def _by_index() -> NDArray[np.float32]:
    change = np.zeros(SIZE, np.float32)
    for name, index in INDEX.items():
        stem = name.removesuffix("_left").removesuffix("_right")
        change[index] = _CHANGE_BY_NAME[stem]
    return change


# Per unit of each parameter, in 8-bit levels: root of the mean square over a frame laid on grey.
CHANGE: Final = _by_index()


def levels_for(error: float) -> NDArray[np.float64]:
    """Return steps a unit for each parameter so that rounding one of them changes the picture by
    `error` levels at most. Whole numbers, so that 0 and both ends of each range stay exact.
    """
    return np.maximum(1.0, np.ceil(CHANGE.astype(np.float64) / (2.0 * error)))
