"""The cacher: a gate between poses and avatar that answers what it has seen before.

A pose is quantised; a hit is decoded straight into a slot of the cacher's own frame ring, a miss is
passed on to the avatar as the quantised pose. What the avatar makes is encoded when no pose waits.
docs/decisions/0001 says why it sits here.
"""

from typing import ClassVar, Final, NamedTuple

import cv2
import numpy as np

from shm.clock import now_ns
from shm.doorbell import wait_any
from shm.frame import Flag, Frame, Stamp, State
from stages.cacher.codec import BlobRejected, Codec
from stages.cacher.options import CacherOptions
from stages.cacher.quantiser import Quantiser
from stages.cacher.store import RamStore
from stages.complaints import Complaints
from stages.stage import CommandRefused, Rings, Stage

# A hit waits for the misses before it; an avatar that takes longer than this for one frame, or dies
# meanwhile, does not hold the picture up.
_PATIENCE_NS: Final = 1_000_000_000


class Hit(NamedTuple):
    """A pose whose picture is in the store, waiting for the misses before it to be answered."""

    stamp: Stamp
    key: bytes
    blob: bytes
    given_ns: int
    start_ns: int


class Cacher(Stage):
    """Answers known poses, passes on the others, remembers what was made."""

    options_type: ClassVar = CacherOptions
    options: CacherOptions

    def open(self) -> None:
        """Find a JPEG library."""
        cv2.setNumThreads(self.threads)
        self._codec = Codec(self.options.quality)
        self._quantiser = Quantiser(self.options.levels)
        self._store = RamStore(int(self.options.ram_gb * 2**30))
        self._complaints = Complaints()
        self.notes.append(f"JPEG by {self._codec.jpeg.name}")

    def begin(self, rings: Rings) -> None:
        """Take the rings."""
        assert rings.poses is not None and rings.watched is not None
        assert rings.gives_poses is not None and rings.gives_frames is not None
        self._poses, self._made = rings.poses, rings.watched
        self._misses, self._hits = rings.gives_poses, rings.gives_frames
        self._held: Hit | None = None
        self._asked = 0  # pose sequence of the last miss passed on
        self._asked_ns = 0

    def step(self, timeout_s: float) -> None:
        """Answer a pose, else encode a frame, else wait for either."""
        awaited = [*self._poses.awaited(), self._made]
        seen = [reader.head for reader in awaited]
        pose = self._poses.newest()
        if pose is not None:
            self._answer(pose)
        elif self._held is not None and self._in_turn():
            self._show(self._held)
        elif (made := self._made.next()) is not None:
            self._remember(made)
        else:
            bells = [reader.bell for reader in awaited]
            waiting_ns = int(timeout_s * 1e9)
            if self._held is not None:
                waiting_ns = min(waiting_ns, max(0, self._asked_ns + _PATIENCE_NS - now_ns()))
            wait_any(bells, seen, waiting_ns)

    def _answer(self, frame: Frame) -> None:
        """Show the picture of a known pose, or ask the avatar for it."""
        start = now_ns()
        stamp, given_ns = frame.stamp, frame.published_ns
        pose = self._quantiser.quantise(np.frombuffer(stamp.pose, "<f4"))
        stamp = stamp._replace(pose=pose.tobytes())
        look = self._made.look
        key = self._key(stamp.pose, look)
        blob = self._store.get(key) if look else None
        if blob is None:
            self._held = None  # an older pose is not shown after a newer one
            self._ask(stamp, given_ns, start)
            return
        hit = Hit(stamp._replace(look=look), key, blob, given_ns, start)
        if self._in_turn():
            self._show(hit)
        else:
            self._held = hit

    def _key(self, pose: bytes, look: int) -> bytes:
        """Return the key of a quantised pose drawn with a look."""
        return self._quantiser.key(np.frombuffer(pose, "<f4")) + look.to_bytes(8, "little")

    def _ask(self, stamp: Stamp, given_ns: int, start_ns: int) -> None:
        with self._misses.slot(stamp) as array:
            array[:] = np.frombuffer(stamp.pose, "<f4")
        self._asked, self._asked_ns = stamp.pose_sequence, now_ns()
        self.meter.count("misses")
        self.meter.count("frames_out")
        self.meter.hop.add(self._asked_ns - given_ns)
        self.meter.work.add(self._asked_ns - start_ns)

    def _in_turn(self) -> bool:
        """Whether every miss before now has been answered, or is not to be waited for."""
        return (
            self._made.newest_pose() >= self._asked
            or self._made.state is not State.RUNNING
            or now_ns() - self._asked_ns > _PATIENCE_NS
        )

    def _show(self, hit: Hit) -> None:
        """Decode a picture into the ring; a damaged one is forgotten and asked for."""
        start = now_ns()
        self._held = None
        if hit.stamp.look != self._made.look:  # another character since the pose was looked up
            self._ask(hit.stamp, hit.given_ns, hit.start_ns)
            return
        slot = self._hits.loan(hit.stamp._replace(flags=hit.stamp.flags | Flag.CACHED))
        try:
            self._codec.decode(hit.blob, slot.array)
        except BlobRejected as error:
            self._hits.abandon(slot)
            self._store.remove(hit.key)
            self._complaints.say("damaged", f"a stored picture was damaged and is gone: {error}")
            self._ask(hit.stamp, hit.given_ns, hit.start_ns)
            return
        self._hits.publish(slot)
        self.meter.count("hits")
        self.meter.published(hit.stamp.captured_ns, hit.given_ns)
        self.meter.work.add(now_ns() - start)

    def _remember(self, frame: Frame) -> None:
        """Encode a frame of the avatar, unless it is known or was overwritten meanwhile."""
        start = now_ns()
        stamp = frame.stamp
        pose = np.frombuffer(stamp.pose, "<f4")
        # While we were gone the avatar drew poses as they came: a picture of a pose that is not
        # quantised must not answer for all that share its key.
        if not stamp.look or self._quantiser.quantise(pose).tobytes() != stamp.pose:
            return
        key = self._key(stamp.pose, stamp.look)
        if key in self._store:
            return
        blob = self._codec.encode(frame.array)
        if frame.valid:
            self._store.put(key, blob)
            self.meter.counters["encode_us"] = (now_ns() - start) // 1000
        statistics = self._store.statistics()
        self.meter.counters.update(
            entries=len(self._store),
            bytes=self._store.used_bytes,
            evictions=statistics.evictions,
        )

    def set_options(self, options: CacherOptions) -> None:
        """Take over another quality at once; budget and levels need a new store."""
        if (options.levels, options.ram_gb) != (self.options.levels, self.options.ram_gb):
            raise CommandRefused("levels and ram_gb hold from the start of the cacher")
        self._codec = Codec(options.quality)
        self.options = options
