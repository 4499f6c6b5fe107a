"""Pictures on the way to a pose that are stored already: the interpolation behind makes no such.

They are published before the frame that they lead to, marked and stamped as `stages.between` says;
the interpolation takes those that lie between just the two frames it has. What it makes itself is
stored in its turn, from its ring:

    drawn     under its rounded pose, as any other picture that the avatar has drawn
    made      under the pose that it has: exactly between two rounded ones, so it comes again when
              these do. Rounded once more, the steps of a slow motion would all be its ends

The live word `look` of the interpolation's ring says how it makes frames now. It is set while no
frame made otherwise is still to come: so a frame that came after we saw a value, and was read
before we saw another one, was made as that value says.
"""

from collections import deque
from collections.abc import Container
from typing import Final

import numpy as np

from shm.clock import now_ns
from shm.frame import Flag, Frame, Stamp
from shm.reader import RingReader
from shm.writer import RingWriter
from stages.between import KNOWN, between
from stages.cacher.codec import BlobRejected, Codec
from stages.cacher.key import key_between, key_of
from stages.cacher.quantiser import Quantiser
from stages.cacher.store import Store
from stages.meter import Meter
from stages.pose import SIZE

_MADE: Final = Flag.INTERPOLATED
_GIVEN_KEPT: Final = 64  # more than a ring has slots


class Ways:
    """Looks up, and stores, the inner steps of the way from one pose to the next."""

    def __init__(
        self,
        parts: int,
        quality: int,
        quantiser: Quantiser,
        codec: Codec,
        store: Store,
        watched: RingReader | None,
    ) -> None:
        """`parts` is how many steps a way has: the interpolation's scale; 1 for none.

        `watched` is the interpolation's ring.
        """
        self._parts = parts
        self._quality = quality
        self._quantiser, self._codec, self._store = quantiser, codec, store
        self._pose = np.empty(SIZE, np.float32)
        self._watched = watched if parts > 1 else None
        self._how = 0  # the frames of `watched` from its cursor on are made
        self._given: deque[tuple[int, int]] = deque(maxlen=_GIVEN_KEPT)  # poses and parts

    @property
    def awaited(self) -> tuple[RingReader, ...]:
        """The rings whose frames are to be stored."""
        return () if self._watched is None else (self._watched,)

    # --- showing

    def publish(self, before: Stamp, stamp: Stamp, ring: RingWriter) -> int:
        """Publish what there is between two stamps of one look; return how many that were."""
        if self._parts == 1 or not stamp.look or before.look != stamp.look:
            return 0
        if before.pose == stamp.pose:
            return 0
        return sum(
            self._publish_step(between(before, stamp, part, self._parts), before, stamp, ring)
            for part in range(1, self._parts)
        )

    def _publish_step(self, way: Stamp, before: Stamp, stamp: Stamp, ring: RingWriter) -> bool:
        way = way._replace(flags=way.flags | KNOWN)
        drawn = way._replace(pose=self._rounded(way.pose))
        key = key_of(drawn.pose, way.look, self._quality)
        # A step that rounds to one of the ends would hold the motion up there.
        if drawn.pose not in (before.pose, stamp.pose) and key in self._store:
            return self._publish(drawn, key, ring)
        how = self._watched.look if self._watched else 0
        key = key_between(way.pose, way.look, how, self._quality)
        return bool(how) and key in self._store and self._publish(way, key, ring)

    def _publish(self, way: Stamp, key: bytes, ring: RingWriter) -> bool:
        blob = self._store.get(key)
        if blob is None:
            return False
        slot = ring.loan(way)
        try:
            self._codec.decode(blob, slot.array)
        except BlobRejected:
            ring.abandon(slot)
            self._store.remove(key)
            return False
        ring.publish(slot)
        self._given.append((way.pose_sequence, way.phase_numerator))
        return True

    def _rounded(self, pose: bytes) -> bytes:
        return self._quantiser.quantise(np.frombuffer(pose, "<f4"), self._pose).tobytes()

    # --- storing

    def remember(self, met: Container[int], meter: Meter) -> bool:
        """Store the next frame that the interpolation made; False if there is none.

        `met` are the sequences of the poses that came through the cacher: others are not rounded,
        and so is nothing between them.
        """
        if self._watched is None:
            return False
        if self._watched.look != self._how:
            self._how = self._watched.look
            self._watched.newest()  # nobody knows how that, and what was before it, was made
        frame = self._watched.next()
        if frame is None:
            return False
        stamp = frame.stamp
        was_made = stamp.flags & (_MADE | Flag.REPEATED) == _MADE
        is_ours = (stamp.pose_sequence, stamp.phase_numerator) in self._given
        if was_made and not is_ours and stamp.look and stamp.pose_sequence in met:
            self._store_made(frame, stamp, meter)
        return True

    def _store_made(self, frame: Frame, stamp: Stamp, meter: Meter) -> None:
        """Encode a frame in between, unless it is known or was overwritten meanwhile."""
        start = now_ns()
        key = key_between(stamp.pose, stamp.look, self._how, self._quality)
        if not self._how or key in self._store:
            return
        blob = self._codec.encode(frame.array)
        assert self._watched is not None
        if frame.valid and self._watched.look == self._how:
            self._store.put(key, blob)
            meter.count("kept_between")
            meter.others["encode"].add(now_ns() - start)
