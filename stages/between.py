"""The stamp of a frame between two others: for whoever makes such frames, and whoever has them."""

from typing import Final

import numpy as np

from shm.frame import Flag, Stamp

# Marks of a frame on the way to another one that was not made but was in the cache.
KNOWN: Final = Flag.INTERPOLATED | Flag.CACHED


def between(before: Stamp, stamp: Stamp, part: int, parts: int) -> Stamp:
    """Return the stamp of the frame `part` of `parts` of the way from one frame to the next."""
    share = np.float32(part / parts)
    poses = np.frombuffer(before.pose, "<f4"), np.frombuffer(stamp.pose, "<f4")
    pose = poses[0] * (1 - share) + poses[1] * share
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
