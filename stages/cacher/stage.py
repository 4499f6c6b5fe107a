"""The cacher: a gate between poses and avatar that answers what it has seen before.

A pose is quantised; a hit is decoded straight into a slot of the cacher's own frame ring, a miss is
passed on to the avatar as the quantised pose. What the avatar makes is encoded when no pose waits.
docs/decisions/0001 says why it sits here, docs/cache.md what can be set.
"""

from collections import deque
from typing import ClassVar, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from shm.clock import now_ns
from shm.doorbell import wait_any
from shm.frame import Flag, Frame, Stamp, State
from stages.cacher.build import make_quantiser, open_store
from stages.cacher.codec import BlobRejected, Codec
from stages.cacher.counting import count_kept
from stages.cacher.hits import Hit, Pace
from stages.cacher.key import ending_of, key_of, read_key
from stages.cacher.neighbours import REMEMBERED, SMALL, Neighbours
from stages.cacher.options import CacherOptions
from stages.cacher.store import DatabaseRejected
from stages.cacher.ways import Ways
from stages.complaints import Complaints
from stages.meter import Span
from stages.pose import SIZE
from stages.stage import CommandRefused, Rings, Stage, StartFailed

# A hit waits for the misses before it; an avatar that takes longer than this for one frame, and
# than so many usual times, or dies meanwhile, does not hold the picture up.
_PATIENCE_NS: Final = 1_000_000_000
_PATIENCE: Final = 3
_MET_KEPT: Final = 256  # more than any ring has slots


class Cacher(Stage):
    """Answers known poses, passes on the others, remembers what was made."""

    options_type: ClassVar = CacherOptions
    options: CacherOptions

    def open(self) -> None:
        """Find a JPEG library, open the store."""
        cv2.setNumThreads(self.threads)
        self._codec = Codec(self.options.quality)
        self._quantiser = make_quantiser(self.options)
        try:
            self._store = open_store(self.options)
        except DatabaseRejected as error:
            raise StartFailed(str(error)) from error
        self._neighbours = Neighbours()
        self._complaints = Complaints()
        self._encoding, self._decoding = Span(), Span()
        self.meter.others.update(encode=self._encoding, decode=self._decoding)
        self.notes.append(f"JPEG by {self._codec.jpeg.name}")
        if self.options.database is not None:
            self.notes.append(f"pictures are kept in {self.options.database}")

    def begin(self, rings: Rings) -> None:
        """Take the rings."""
        assert rings.poses is not None and rings.watched is not None
        assert rings.gives_poses is not None and rings.gives_frames is not None
        self._poses, self._made = rings.poses, rings.watched
        self._between = rings.watched_between
        self._misses, self._hits = rings.gives_poses, rings.gives_frames
        self._pose = np.empty(SIZE, np.float32)
        self._held: Hit | None = None
        self._pace = Pace()
        self._asked = 0  # pose sequence of the last miss passed on
        self._asked_ns = 0
        self._met: deque[int] = deque(maxlen=_MET_KEPT)  # poses
        self._before: Stamp | None = None  # what was shown, or asked for, for the pose before
        self._look = 0  # of the neighbours
        self._last = b""  # key of the picture given last, or asked for
        self._newest: tuple[Stamp, int] | None = None  # the last pose, and when it was given
        self._ways = self._make_ways()

    def step(self, timeout_s: float) -> None:
        """Answer a pose, else encode a frame, else wait for either."""
        if self._work():
            return
        awaited = [*self._poses.awaited(), self._made, *self._ways.awaited]
        seen = [reader.head for reader in awaited]
        if self._work():  # what came before we looked would not wake us
            return
        bells = [reader.bell for reader in awaited]
        waiting_ns = int(timeout_s * 1e9)
        if self._held is not None:
            waiting_ns = min(waiting_ns, max(0, self._due_ns(self._held) - now_ns()))
        wait_any(bells, seen, waiting_ns)

    def _work(self) -> bool:
        """Do one thing, the most urgent; False if there is nothing to do."""
        if self._made.look != self._look:
            self._meet(self._made.look)
        pose = self._poses.newest()
        if pose is not None:
            self._answer(pose)
        elif self._held is not None and self._due_ns(self._held) <= now_ns():
            self._show(self._held)
        elif (made := self._made.next()) is not None:
            self._remember(made)
        elif self._ways.remember(self._met, self.meter):
            self._count()
        else:
            return False
        return True

    def _answer(self, frame: Frame) -> None:
        """Show the picture of a known pose, or ask the avatar for it."""
        if self._held is not None and self._in_turn(self._held):
            self._show(self._held)  # which waited for its time alone
        start = now_ns()
        stamp, given_ns = frame.stamp, frame.published_ns
        look = self._look
        exact = np.frombuffer(stamp.pose, "<f4")
        pose = self._quantiser.quantise(exact, self._pose).tobytes()
        key = key_of(pose, look, self.options.quality)
        stamp = stamp._replace(pose=pose, look=look)
        before, self._before = self._before, stamp
        self._newest = stamp, given_ns
        self._met.append(stamp.pose_sequence)
        after, self._held = self._asked, None  # an older pose is not shown after a newer one
        hit = Hit(stamp, key, b"", after, given_ns, start, before)
        blob = self._store.get(key) if look else None
        if blob is not None:
            self._give(self._paced(hit._replace(blob=blob)))
        elif (near := self._near(hit, exact, self.options.snap_within, SMALL)) is not None:
            self.meter.count("snapped")
            self._before = near.stamp
            self._give(self._paced(near))
        else:
            stale = self._near(hit, exact, self.options.stale_within)
            if self._in_turn(hit):
                self._show_way(hit)
            self._ask(stamp, given_ns, start)
            if stale is not None:
                self._give(stale._replace(is_stale=True))
            self._last = key

    def _near(
        self, hit: Hit, pose: NDArray[np.float32], within: float, each: float = np.inf
    ) -> Hit | None:
        """Return a hit that shows the nearest picture, and says in its stamp which pose that is.

        The picture just shown is none: it would hold the motion up for as long as it is near.
        """
        if not within or not self._look:
            return None
        key = self._neighbours.nearest(pose, within, each)
        if key is None or key == self._last:
            return None
        blob = self._store.get(key)
        if blob is None:
            self._neighbours.forget(key)
            return None
        shown = hit.stamp._replace(pose=read_key(key).pose)
        return hit._replace(stamp=shown, key=key, blob=blob)

    def _meet(self, look: int) -> None:
        """Turn to another look: its stored pictures, and its first one on show.

        A pose that was answered from memory the avatar has never seen: it is asked for, because
        while the session pauses no other will come.
        """
        self._look, self._last, self._held = look, b"", None
        if self._newest is not None and self._made.newest_pose() < self._newest[0].pose_sequence:
            self._ask(*self._newest, now_ns())
        if self._wants_neighbours:
            ending = ending_of(look, self.options.quality)
            self._neighbours.fill(self._store.keys(REMEMBERED, ending))

    @property
    def _wants_neighbours(self) -> bool:
        return bool(self.options.snap_within or self.options.stale_within)

    def _ask(self, stamp: Stamp, given_ns: int, start_ns: int) -> None:
        with self._misses.slot(stamp) as array:
            array[:] = np.frombuffer(stamp.pose, "<f4")
        self._asked, self._asked_ns = stamp.pose_sequence, now_ns()
        self._pace.asked(self._asked, given_ns)
        self.meter.count("misses")
        self.meter.count("frames_out")
        self.meter.hop.add(self._asked_ns - given_ns)
        self.meter.work.add(self._asked_ns - start_ns)

    def _give(self, hit: Hit) -> None:
        """Show a picture now, or when it is due."""
        if self._due_ns(hit) <= now_ns():
            self._show(hit)
        else:
            self._held = hit

    def _paced(self, hit: Hit) -> Hit:
        due_ns = self._pace.due_ns(hit.given_ns)
        return hit._replace(due_ns=due_ns) if self.options.pacing == "even" else hit

    def _due_ns(self, hit: Hit) -> int:
        """Return when to show a hit: at its time, in its turn; or when patience is at its end."""
        return hit.due_ns if self._in_turn(hit) else self._asked_ns + self._patience_ns

    @property
    def _patience_ns(self) -> int:
        return max(_PATIENCE_NS, _PATIENCE * self._pace.usual_ns)

    def _in_turn(self, hit: Hit) -> bool:
        """Whether every miss before has been answered, or is not to be waited for."""
        return (
            self._made.newest_pose() >= hit.after
            or self._made.state is not State.RUNNING
            or now_ns() - self._asked_ns >= self._patience_ns
        )

    def _show(self, hit: Hit) -> None:
        """Decode a picture into the ring; a damaged one is forgotten and asked for."""
        start = now_ns()
        self._held = None
        if hit.is_stale and self._made.newest_pose() >= hit.stamp.pose_sequence:
            return  # the exact one was quicker
        if hit.stamp.look != self._made.look:  # another character since the pose was looked up
            self._ask_instead(hit)
            return
        self._show_way(hit)
        slot = self._hits.loan(hit.stamp._replace(flags=hit.stamp.flags | Flag.CACHED))
        try:
            self._codec.decode(hit.blob, slot.array)
        except BlobRejected as error:
            self._hits.abandon(slot)
            self._store.remove(hit.key)
            self._neighbours.forget(hit.key)
            self._complaints.say("damaged", f"a stored picture was damaged and is gone: {error}")
            self._ask_instead(hit)
            return
        self._decoding.add(now_ns() - start)
        self._hits.publish(slot)
        self.meter.count("stale" if hit.is_stale else "hits")
        self._last = hit.key
        if self._wants_neighbours:
            self._neighbours.add(hit.key)
        self.meter.published(hit.stamp.captured_ns, hit.given_ns)
        self.meter.work.add(now_ns() - start)

    def _show_way(self, hit: Hit) -> None:
        """Show what is stored of the way to a pose: no frame of an older one comes after it."""
        if hit.before is not None and not hit.is_stale:
            self.meter.count("on_the_way", self._ways.publish(hit.before, hit.stamp, self._hits))

    def _ask_instead(self, hit: Hit) -> None:
        if not hit.is_stale:  # for which the avatar has been asked already
            self._ask(hit.stamp, hit.given_ns, hit.start_ns)

    def _remember(self, frame: Frame) -> None:
        """Encode a frame of the avatar, unless it is known or was overwritten meanwhile."""
        start = now_ns()
        stamp = frame.stamp
        self._pace.answered(stamp.pose_sequence, frame.published_ns)
        # While we were gone the avatar drew poses as they came: these will hardly come again.
        if not stamp.look or stamp.pose_sequence not in self._met:
            return
        key = key_of(stamp.pose, stamp.look, self.options.quality)
        if key not in self._store:
            blob = self._codec.encode(frame.array)
            if not frame.valid:
                return
            self._store.put(key, blob)
            self._encoding.add(now_ns() - start)
        if self._wants_neighbours and stamp.look == self._look:
            self._neighbours.add(key)
        self._count()

    def _count(self) -> None:
        """Have the counters say what the store says."""
        count_kept(self._store, self.meter)
        if (trouble := self._store.trouble) is not None:
            self._complaints.say("store", trouble)

    def set_options(self, options: CacherOptions) -> None:
        """Take over what needs no other store."""
        places = ("ram_gb", "database", "database_gb", "between_share", "larger_share")
        if any(getattr(options, name) != getattr(self.options, name) for name in places):
            raise CommandRefused("where pictures are kept holds from the start of the cacher")
        self._codec = Codec(options.quality)
        self._quantiser = make_quantiser(options)
        self.options = options
        self._ways = self._make_ways()
        self._look = 0  # the neighbours may be of another quality

    def _make_ways(self) -> Ways:
        steps, quality = self.options.steps or 1, self.options.quality
        return Ways(steps, quality, self._quantiser, self._codec, self._store, self._between)

    def close(self) -> None:
        """Write what waits to be written."""
        if hasattr(self, "_store"):
            self._store.close()
