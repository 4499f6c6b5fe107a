"""How much a picture changes with each parameter of its pose."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.pose import INDEX, SIZE

_CHANGE_BY_NAME: Final = {
    "eyebrow_troubled": 3.5,
    "eyebrow_angry": 3.5,
    "eyebrow_lowered": 6.0,
    "eyebrow_raised": 6.0,
    "eyebrow_happy": 5.0,
    "eyebrow_serious": 2.5,
    "eye_wink": 30.0,
    "eye_happy_wink": 25.0,
    "eye_surprised": 5.5,
    "eye_relaxed": 29.0,
    "eye_unimpressed": 11.0,
    "eye_raised_lower_eyelid": 3.0,
    "iris_small": 14.0,
    "mouth_aaa": 6.0,
    "mouth_iii": 3.5,
    "mouth_uuu": 3.5,
    "mouth_eee": 4.7,
    "mouth_ooo": 5.1,
    "mouth_delta": 3.6,
    "mouth_lowered_corner": 0.8,
    "mouth_raised_corner": 0.8,
    "mouth_smirk": 3.2,
    "iris_rotation_x": 13.0,
    "iris_rotation_y": 11.0,
    "head_x": 52.0,
    "head_y": 42.0,
    "neck_z": 110.0,
    "body_y": 32.0,
    "body_z": 168.0,
    "breathing": 5.3,
}


def _by_index() -> NDArray[np.float32]:
    change = np.zeros(SIZE, np.float32)
    for name, index in INDEX.items():
        stem = name.removesuffix("_left").removesuffix("_right")
        change[index] = _CHANGE_BY_NAME[stem]
    return change


# Per unit of each parameter, in 8-bit levels: root of the mean square over a frame laid on grey.
CHANGE: Final = _by_index()
