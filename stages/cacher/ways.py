"""Pictures on the way to a pose that are stored already: the interpolation behind makes no such.

They are published before the frame that they lead to, marked and stamped as `stages.between` says;
the interpolation takes those that lie between just the two frames it has.
"""

import numpy as np

from shm.frame import Stamp
from shm.writer import RingWriter
from stages.between import KNOWN, between
from stages.cacher.codec import BlobRejected, Codec
from stages.cacher.key import key_of
from stages.cacher.quantiser import Quantiser
from stages.cacher.store import Store
from stages.pose import SIZE


class Ways:
    """Looks up the inner steps of the way from one pose to the next."""

    def __init__(
        self, parts: int, quality: int, quantiser: Quantiser, codec: Codec, store: Store
    ) -> None:
        """`parts` is how many steps a way has: the interpolation's scale; 1 for none."""
        self._parts = parts
        self._quality = quality
        self._quantiser, self._codec, self._store = quantiser, codec, store
        self._pose = np.empty(SIZE, np.float32)

    def publish(self, before: Stamp, stamp: Stamp, ring: RingWriter) -> int:
        """Publish what there is between two stamps of one look; return how many that were."""
        if self._parts == 1 or not stamp.look or before.look != stamp.look:
            return 0
        ends = {self._key(before), self._key(stamp)}
        published = 0
        for part in range(1, self._parts):
            way = between(before, stamp, part, self._parts)
            pose = self._quantiser.quantise(np.frombuffer(way.pose, "<f4"), self._pose)
            way = way._replace(pose=pose.tobytes(), flags=way.flags | KNOWN)
            key = self._key(way)
            # A step that rounds to one of the ends would hold the motion up there.
            if key not in ends and key in self._store:
                published += self._publish(way, key, ring)
        return published

    def _key(self, stamp: Stamp) -> bytes:
        return key_of(stamp.pose, stamp.look, self._quality)

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
        return True
