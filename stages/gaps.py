"""Which pictures of a row have to be made, and between which others.

A row of poses leads from one picture to the next. What of it is stored already splits the rest into
gaps; each is filled between its two neighbours, wherever these came from.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple


class Gap(NamedTuple):
    """Places `first` to `last` of a row are missing; those beside them are not."""

    first: int
    last: int

    @property
    def phases(self) -> list[float]:
        """Where each missing picture lies between the two beside the gap, inside (0, 1)."""
        parts = self.last - self.first + 2
        return [part / parts for part in range(1, parts)]


def gaps(present: Sequence[bool]) -> list[Gap]:
    """Return the gaps of a row, in order. Its first and last picture must be present."""
    if len(present) < 2 or not (present[0] and present[-1]):
        raise ValueError("a row begins and ends with a picture")
    found, place = [], 0
    for is_there, run in groupby(present):
        length = len(list(run))
        if not is_there:
            found.append(Gap(place, place + length - 1))
        place += length
    return found
