"""A cacher between real rings, for its tests.

The test is the ingest before it, the avatar behind it and the reader of its frames.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rings import MakeRing
from sessions import pose

from shm import POSE_FORMAT, Flag, RingReader, RingWriter, Stamp, image_format, now_ns
from shm.fallback import FallbackReader
from shm.merge import MergedReader
from stages.between import between
from stages.cacher.options import CacherOptions
from stages.cacher.stage import Cacher
from stages.meter import Meter
from stages.stage import Rings

Pose = NDArray[np.float32]
HEIGHT = WIDTH = 64
LOOK = 0xA1
FLOW, RIFE = 0xF1, 0xF2  # how frames in between are made
STRICT = {"quality": 100, "quantiser": "uniform", "snap_within": 0.0, "pacing": "lowest_latency"}
REST, NEAR, HALF, FAR = (pose(head_x=x) for x in (0.0, 0.02, 0.45, 0.9))


class Bench:
    """A cacher and the rings around it."""

    def __init__(self, make_ring: MakeRing, options: CacherOptions) -> None:
        picture = image_format(HEIGHT, WIDTH)
        names = {
            name: make_ring(form, 16).name
            for name, form in (
                ("poses", POSE_FORMAT),
                ("misses", POSE_FORMAT),
                ("made", picture),
                ("hits", picture),
                ("between", picture),
            )
        }
        self.poses, self.made = RingWriter(names["poses"]), RingWriter(names["made"])
        self.made.look = LOOK
        self.between = RingWriter(names["between"])
        self.between.look = FLOW
        self.asked = RingReader(names["misses"], timeout_s=1.0)
        self.shown = MergedReader([names["hits"], names["made"]])
        self.cacher = Cacher(options, 1, Meter())
        self.cacher.open()
        self._rings = Rings(
            poses=FallbackReader([names["poses"]]),
            watched=RingReader(names["made"]),
            watched_between=RingReader(names["between"]),
            gives_poses=RingWriter(names["misses"]),
            gives_frames=RingWriter(names["hits"]),
        )
        self.cacher.begin(self._rings)
        self._sequence = 0
        self.drawn = 0

    def give(self, given: NDArray[np.float32]) -> int:
        """Give a pose and let the cacher work; return its sequence."""
        self._sequence += 1
        now = now_ns()
        with self.poses.slot(Stamp(self._sequence, now, now, pose=given.tobytes())) as array:
            array[:] = given
        self.work()
        return self._sequence

    def work(self) -> None:
        """Let the cacher do all there is to do."""
        for _ in range(20):
            self.cacher.step(0.0)

    def draw(self) -> bool:
        """Be the avatar: draw the newest pose asked for, then let the cacher work."""
        frame = self.asked.newest()
        if frame is None:
            return False
        stamp = frame.stamp
        with self.made.slot(stamp._replace(look=self.made.look)) as array:
            array[:] = picture_of(stamp.pose)
        self.drawn += 1
        self.work()
        return True

    def interpolate(self, before: Stamp, stamp: Stamp, **changes: int) -> bytes:
        """Be the interpolation: make the frame half way between two, and return its pose."""
        way = between(before, stamp, 1, 2)
        with self.between.slot(way._replace(**changes)) as array:
            array[:] = picture_of(way.pose)
        self.work()
        return way.pose

    def frames(self) -> list[tuple[int, bool]]:
        """Return pose sequence, and whether it came from the store, of all frames to be shown."""
        found = []
        while (frame := self.shown.next()) is not None:
            stamp = frame.stamp
            assert np.array_equal(frame.array, picture_of(stamp.pose))
            found.append((stamp.pose_sequence, bool(stamp.flags & Flag.CACHED)))
        return found

    def counter(self, name: str) -> int:
        return self.cacher.meter.counters.get(name, 0)

    def close(self) -> None:
        self.cacher.close()
        self._rings.close()
        for ring in (self.poses, self.made, self.between, self.asked, self.shown):
            ring.close()


def picture_of(pose_bytes: bytes) -> NDArray[np.uint8]:
    """A picture that no other pose has, in which every bit counts."""
    chance = np.random.default_rng(list(pose_bytes))
    return chance.integers(0, 256, (HEIGHT, WIDTH, 4)).astype(np.uint8)


Make = Callable[..., Bench]


def stamps(bench: Bench) -> list[Stamp]:
    found = []
    while (frame := bench.shown.next()) is not None:
        found.append(frame.stamp)
    return found


def known(make: Make, *poses: NDArray[np.float32], **options: object) -> Bench:
    """A cacher that has drawn these poses."""
    bench = make(**options)
    for given in poses:
        bench.give(given)
        assert bench.draw()
    return bench
