"""What a character does while nobody moves it: breathes, blinks, sways a little.

The motion repeats exactly after `PERIOD_S`: a cache that has seen one period has seen them all.
Within it nothing runs in step: the waves have 1, 2, 3, 5 or 7 cycles a period, so their sum does
not look like a loop.
"""

import math
import random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.pose import INDEX, SIZE

PERIOD_S = 12.0
BLINK_S = 0.15

_BREATHS = 3  # a period: 15 a minute, an adult at rest
_BLINKS = 4  # a period: 20 a minute; one of them double
_SECOND_BLINK_S = 0.28  # from the first to the second of a double blink


class Wave(NamedTuple):
    """One sine of a parameter's sway."""

    parameter: str
    cycles: int  # a period; a whole number, or the loop would show
    size: float


_WAVES = (
    Wave("head_x", 2, 0.09),
    Wave("head_x", 5, 0.03),
    Wave("head_y", 1, 0.16),
    Wave("head_y", 3, 0.06),
    Wave("neck_z", 1, 0.10),
    Wave("neck_z", 2, 0.06),
    Wave("body_y", 1, 0.14),
    Wave("body_y", 2, 0.05),
    Wave("body_z", 1, 0.07),
    Wave("body_z", 3, 0.03),
    Wave("iris_rotation_x", 2, 0.06),
    Wave("iris_rotation_x", 5, 0.03),
    Wave("iris_rotation_y", 1, 0.12),
    Wave("iris_rotation_y", 7, 0.04),
)
_SMILES = ("mouth_raised_corner_left", "mouth_raised_corner_right")
_EYES = ("eye_wink_left", "eye_wink_right")


class IdleMotion:
    """A smooth motion with period `PERIOD_S`; the same seed gives the same motion everywhere."""

    def __init__(self, seed: int = 0) -> None:
        chance = random.Random(seed)
        self._phases = [chance.uniform(0.0, math.tau) for _ in _WAVES]
        self._smile_phase = chance.uniform(0.0, math.tau)
        self._blinks_s = _blink_times(chance)

    def pose_at(self, time_s: float, out: NDArray[np.float32]) -> None:
        """Write the pose at `time_s` into `out`, (45,). Any finite time, also below 0."""
        now_s = time_s % PERIOD_S
        angle = math.tau * now_s / PERIOD_S
        out[:SIZE] = 0.0
        for wave, phase in zip(_WAVES, self._phases, strict=True):
            out[INDEX[wave.parameter]] += wave.size * math.sin(wave.cycles * angle + phase)
        out[INDEX["breathing"]] = _breath(_BREATHS * now_s / PERIOD_S)
        smile = 0.15 + 0.10 * math.sin(angle + self._smile_phase)
        closed = max(_closed(now_s - blink_s) for blink_s in self._blinks_s)
        for smiling, eye in zip(_SMILES, _EYES, strict=True):
            out[INDEX[smiling]] = smile
            out[INDEX[eye]] = closed


def ease(
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    share: float,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the pose at `share` of the way, starting and arriving gently (smoothstep).

    `share` at or below 0 gives `start`, at or above 1 gives `end`, exactly. `out` may be either.
    """
    bounded = min(max(share, 0.0), 1.0)
    weight = np.float32(bounded * bounded * (3.0 - 2.0 * bounded))
    eased = np.empty(SIZE, np.float32) if out is None else out
    # Not start + weight * (end - start): that misses `end` by a rounding error.
    np.add(start * (np.float32(1.0) - weight), end * weight, out=eased)
    return eased


def _breath(cycles: float) -> float:
    """0 to 1 to 0 over one cycle; in takes 0.4 of it and out 0.6, as at rest."""
    share = cycles % 1.0
    bent = share / 0.4 * 0.5 if share < 0.4 else 0.5 + (share - 0.4) / 0.6 * 0.5
    return 0.5 - 0.5 * math.cos(math.tau * bent)


def _blink_times(chance: random.Random) -> list[float]:
    """When each blink of a period begins: one at random in every equal part of it, one double."""
    part_s = PERIOD_S / _BLINKS
    starts_s = [(number + chance.uniform(0.1, 0.8)) * part_s for number in range(_BLINKS)]
    return [*starts_s, chance.choice(starts_s) + _SECOND_BLINK_S]


def _closed(since_s: float) -> float:
    """How far an eye is closed `since_s` after a blink began: shut quickly, opened more slowly."""
    share = (since_s % PERIOD_S) / BLINK_S
    if share >= 1.0:
        return 0.0
    # Smooth at both ends; shut at 0.4 of the blink.
    rise = share / 0.4 if share < 0.4 else (1.0 - share) / 0.6
    return rise * rise * (3.0 - 2.0 * rise)
