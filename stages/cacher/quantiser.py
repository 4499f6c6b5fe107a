"""The rules by which poses share one cached picture.

Each parameter is rounded to the nearest multiple of a step. The rounded pose is what gets rendered,
so a picture never depends on which of the poses sharing it came first, and a hit shows what a miss
would have shown.
"""

import math
from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.pose import HIGH, INDEX, LOW, PARAMETERS, SIZE

Pose = NDArray[np.float32]
Values = NDArray[np.float64]

_MOST_LEVELS = 10_000
_LOW, _HIGH = LOW.astype(np.float64), HIGH.astype(np.float64)


class Quantiser(Protocol):
    """Turns poses into the fewer poses that are drawn."""

    def quantise(self, pose: Pose, out: Pose | None = None) -> Pose:
        """Return the pose to render for `pose`, (45,), in `out` if given; a fresh array if not.

        A value out of range counts as the nearer bound; NaN raises `ValueError`.
        """


class GridQuantiser:
    """Rounds every parameter to multiples of a step of its own. Holds no state.

    Rounding a rounded pose changes nothing. 0 and both ends of every range stay as they are, so a
    resting face and a closed eye come out exactly.
    """

    def __init__(self, levels: "int | Values") -> None:
        """`levels` is in how many steps one unit is divided: whole numbers, 1 to 10,000."""
        self._levels = np.broadcast_to(np.asarray(levels, np.float64), (SIZE,)).copy()
        if (self._levels != np.rint(self._levels)).any() or not (
            (self._levels >= 1) & (self._levels <= _MOST_LEVELS)
        ).all():
            raise ValueError(f"levels is {levels}, allowed are whole numbers, 1 to {_MOST_LEVELS}")

    def quantise(self, pose: Pose, out: Pose | None = None) -> Pose:
        values = _bounded(pose)
        values *= self._levels
        np.rint(values, out=values)
        values /= self._levels
        return _laid_into(out, values)


class SimplifyQuantiser:
    """Poses as EasyVtuber simplifies them, at its levels 0 to 8. Holds no state.

    From level 2 on it also merges parameters: winks with happy winks, the shapes of the mouth, both
    sides. The rule is written down in docs/cache.md; `tests/unit/test_quantiser.py` holds it
    against poses that went through the program itself, to 1e-6.
    """

    def __init__(self, level: int, brows: bool = True) -> None:
        """Without `brows` their twelve parameters are 0."""
        if not 0 <= level <= 8:
            raise ValueError(f"level is {level}, allowed are 0 to 8")
        self._level = level
        self._brows = brows
        self._levels = _simplify_levels(level)
        self._divisors = np.maximum(self._levels, 1.0)

    def quantise(self, pose: Pose, out: Pose | None = None) -> Pose:
        values = _bounded(pose)
        if self._level >= 2:
            self._merge(values)
        if not self._brows:
            values[_BROWS] = 0.0
        rounded = np.rint(values * self._levels)
        rounded /= self._divisors
        np.copyto(rounded, values, where=self._levels == 0)
        return _laid_into(out, rounded)

    def _merge(self, values: Values) -> None:
        if self._level >= 4:
            values[_LOWER_LIDS] = 0.0
            for pair in (_WINKS, _HAPPY_WINKS, _SURPRISED):
                values[pair] = values[pair].mean()
        values[_WINKS] = values[_HAPPY_WINKS] = (values[_WINKS] + values[_HAPPY_WINKS]) / 2
        values[_OOO] += values[_UUU]
        values[_UUU] = 0.0
        values[_LOWERED_CORNERS] = 0.0
        opened = values[_AAA] + values[_III] + values[_OOO] > 0
        values[_RAISED_CORNERS] = 0.5 if opened else 0.0
        if self._level >= 4:
            values[_AAA] = min(1.0, values[_AAA] + (values[_OOO] + values[_III]) / 2)
            values[_OOO] = values[_III] = 0.0
        values[_OOO] = min(1.0, values[_OOO])


def _both(stem: str) -> slice:
    return slice(INDEX[f"{stem}_left"], INDEX[f"{stem}_right"] + 1)


_BROWS: Final = slice(0, 12)
_WINKS, _HAPPY_WINKS = _both("eye_wink"), _both("eye_happy_wink")
_SURPRISED, _LOWER_LIDS = _both("eye_surprised"), _both("eye_raised_lower_eyelid")
_LOWERED_CORNERS, _RAISED_CORNERS = _both("mouth_lowered_corner"), _both("mouth_raised_corner")
_AAA, _III, _UUU, _OOO = (INDEX[f"mouth_{shape}"] for shape in ("aaa", "iii", "uuu", "ooo"))

# Steps a unit at EasyVtuber's levels, by the beginning of a parameter's name; each level changes
# those of the one below. 0 leaves a value as it is.
_SIMPLIFY: Final[Mapping[int, Mapping[str, int]]] = {
    1: {
        "": 200,
        "eye_wink": 50,
        "eye_happy_wink": 50,
        "eye_surprised": 30,
        "iris_rotation": 25,
        "eye_raised_lower_eyelid": 10,
        "mouth_lowered_corner": 5,
        "mouth_raised_corner": 5,
    },
    2: {
        "head_x": 100,
        "head_y": 100,
        "eye_surprised": 10,
        "mouth_lowered_corner": 0,
        "mouth_raised_corner": 0,
    },
    3: {"iris_rotation": 20, "eye_wink": 32, "eye_happy_wink": 32},
    4: {
        "head_x": 50,
        "head_y": 50,
        "neck_z": 100,
        "iris_rotation": 10,
        "eye_wink": 24,
        "eye_happy_wink": 24,
        "eye_surprised": 8,
    },
}


def _simplify_levels(level: int) -> Values:
    """Steps a unit for each parameter; 0 leaves a value as it is."""
    steps = np.full(SIZE, 1000.0)
    for number in range(1, min(level, 4) + 1):
        for stem, count in _SIMPLIFY[number].items():
            steps[[parameter.name.startswith(stem) for parameter in PARAMETERS]] = count
    for _ in range(4, level):
        # In whole numbers: 0.8 * 5 in floating point is above 4 on some machines.
        steps = np.maximum(np.ceil(steps * 8 / 10), 5.0)
    return steps


def _bounded(pose: Pose) -> Values:
    """A fresh copy of a pose within its ranges."""
    if pose.shape != (SIZE,):
        raise ValueError(f"a pose is ({SIZE},), not {pose.shape}")
    values = np.maximum(pose, _LOW, dtype=np.float64)
    np.minimum(values, _HIGH, out=values)
    if math.isnan(values @ values):  # both bounds pass it on
        raise ValueError("a pose holds NaN")
    return values


def _laid_into(out: Pose | None, values: Values) -> Pose:
    """`values` as float32, -0 as 0, in `out` if there is one."""
    values += 0.0
    if out is None:
        return values.astype(np.float32)
    out[:] = values
    return out
