"""Frames in between that need not be made: the cacher has drawn their pose before.

A cacher may publish, before it answers a pose, the pictures it has of poses on the way to it. Each
is marked INTERPOLATED and CACHED and carries the stamp that `stages.between` gives it, with its
part of the way. By its `captured_ns` it is taken only for the two frames that it was meant for,
whatever was passed over meanwhile.
"""

from collections.abc import Iterable

from shm.frame import Frame, FrameLost, Stamp
from shm.reader import RingReader
from stages.between import is_known


def find(
    readers: Iterable[RingReader], before: Stamp, stamp: Stamp, parts: int
) -> tuple[dict[int, Frame], int]:
    """Return the frames between two that are in the rings, by part, and how many such there are.

    The frames are to be copied at once, and checked. The number counts those of other parts, too.
    """
    found: dict[int, Frame] = {}
    passed = 0
    for reader in readers:
        for frame in reader.history(reader.slots):
            try:
                known = frame.stamp
            except FrameLost:
                continue
            if not is_known(known) or not _on_the_way(known, before, stamp):
                continue
            passed += 1
            part = known.phase_numerator * parts // known.phase_denominator
            if 0 < part < parts and part * known.phase_denominator == known.phase_numerator * parts:
                found[part] = frame
    return found, passed


def _on_the_way(known: Stamp, before: Stamp, stamp: Stamp) -> bool:
    part, parts = known.phase_numerator, known.phase_denominator
    span = stamp.captured_ns - before.captured_ns
    return (
        0 < part < parts
        and known.look == stamp.look == before.look
        and known.captured_ns == before.captured_ns + span * part // parts
    )
