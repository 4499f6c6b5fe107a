"""Frames a second as the fraction that is meant by a rounded number."""

from fractions import Fraction

_NEAR = 0.006  # ffmpeg tells two places behind the point


def exact_rate(told: float) -> Fraction:
    """Return 24000/1001 for 23.98 and the like, else the number itself to three places.

    Over half an hour the difference is a third of a second, which sound would be off by.
    """
    for whole in (24, 25, 30, 48, 50, 60, 120):
        if abs(told - whole) < 1e-3:
            return Fraction(whole)
        if abs(told - whole * 1000 / 1001) < _NEAR:
            return Fraction(whole * 1000, 1001)
    return Fraction(round(told * 1000), 1000)
