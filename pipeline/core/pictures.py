"""The cacher's work for a core in one process: pictures kept by pose, and shown again."""

import numpy as np
from numpy.typing import NDArray

from stages.cacher.build import make_quantiser, open_store
from stages.cacher.codec import BlobRejected, Codec
from stages.cacher.key import key_between, key_of
from stages.cacher.options import CacherOptions
from stages.cacher.store import Statistics

Image = NDArray[np.uint8]
Pose = NDArray[np.float32]


class Pictures:
    """What has been drawn with one look, and before with others. For one thread."""

    def __init__(self, options: CacherOptions) -> None:
        """Raises `DatabaseRejected`."""
        self.look = 0
        self._quality = options.quality
        self._quantiser = make_quantiser(options)
        self._codec = Codec(options.quality)
        self._store = open_store(options)

    def rounded(self, pose: Pose) -> Pose:
        """Return the pose to draw instead of `pose`, (45,)."""
        return self._quantiser.quantise(pose)

    def show(self, pose: Pose, out: Image, how: int | None = None) -> bool:
        """Write the picture of a rounded pose into `out`; False if there is none.

        `how` names what made it, if it was made in between two others (`Method.how`).
        """
        key = self._key(pose, how)
        blob = self._store.get(key)
        if blob is None:
            return False
        try:
            self._codec.decode(blob, out)
        except BlobRejected:
            self._store.remove(key)
            return False
        return True

    def keep(self, pose: Pose, picture: Image, how: int | None = None) -> None:
        """Keep the picture of a rounded pose; `how` as for `show`."""
        self._store.put(self._key(pose, how), self._codec.encode(picture))

    def _key(self, pose: Pose, how: int | None) -> bytes:
        if how is None:
            return key_of(pose.tobytes(), self.look, self._quality)
        return key_between(pose.tobytes(), self.look, how, self._quality)

    def statistics(self) -> Statistics:
        """The store's counts."""
        return self._store.statistics()

    def close(self) -> None:
        """Write what waits to be written."""
        self._store.close()
