"""The cacher's work for a core in one process: pictures kept by pose, and shown again."""

import numpy as np
from numpy.typing import NDArray

from stages.cacher.build import make_quantiser, open_store
from stages.cacher.codec import BlobRejected, Codec
from stages.cacher.key import Maker, key_of
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

    def show(self, pose: Pose, out: Image, maker: Maker = Maker.POSER) -> bool:
        """Write the picture of a rounded pose into `out`; False if there is none."""
        key = key_of(pose.tobytes(), self.look, self._quality, maker)
        blob = self._store.get(key)
        if blob is None:
            return False
        try:
            self._codec.decode(blob, out)
        except BlobRejected:
            self._store.remove(key)
            return False
        return True

    def keep(self, pose: Pose, picture: Image, maker: Maker = Maker.POSER) -> None:
        """Keep the picture of a rounded pose."""
        key = key_of(pose.tobytes(), self.look, self._quality, maker)
        self._store.put(key, self._codec.encode(picture))

    def statistics(self) -> Statistics:
        """The store's counts."""
        return self._store.statistics()

    def close(self) -> None:
        """Write what waits to be written."""
        self._store.close()
