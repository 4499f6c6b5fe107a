"""The stamp of a frame between two others: for whoever makes such frames, and whoever has them."""

from typing import Final

import numpy as np

from shm.frame import Flag, Stamp

# Marks of a frame on the way to another one that was not made but was in the cache.
KNOWN: Final = Flag.INTERPOLATED | Flag.CACHED


def between(before: Stamp, stamp: Stamp, part: int, parts: int) -> Stamp:
    """Return the stamp of the frame `part` of `parts` of the way from one frame to the next."""
    # In 64 bits, and divided last: the way back has the same poses, to the bit.
    poses = np.frombuffer(before.pose, "<f4"), np.frombuffer(stamp.pose, "<f4")
    pose = (poses[0] * np.float64(parts - part) + poses[1] * np.float64(part)) / parts
    captured = before.captured_ns + (stamp.captured_ns - before.captured_ns) * part // parts
    return stamp._replace(
        captured_ns=captured,
        flags=(stamp.flags | Flag.INTERPOLATED) & ~Flag.CACHED,
        phase_numerator=part,
        phase_denominator=parts,
        pose=pose.astype("<f4").tobytes(),
    )


def is_known(stamp: Stamp) -> bool:
    """Whether this is no frame to go to but one on the way, out of the cache."""
    return stamp.flags & KNOWN == KNOWN
