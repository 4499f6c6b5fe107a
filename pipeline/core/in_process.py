"""A core that does all its work in the calling process, one thing after the other."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arguments import (
    HEIGHT,
    WIDTH,
    CoreError,
    CoreOptions,
    checked_image,
    checked_poses,
)
from stages.avatar.picture import digest
from stages.avatar.poser import Poser
from stages.cacher.codec import BlobRejected, Codec
from stages.cacher.quantiser import Quantiser
from stages.cacher.store import RamStore
from stages.interpolation.flow import FlowInterpolator

Image = NDArray[np.uint8]


class InProcessCore:
    """The core without processes: quantise, look up or draw, interpolate.

    The pictures it returns are its own buffers: two sets, so that the last picture of a call is
    still there to interpolate from in the next.
    """

    def __init__(self, options: CoreOptions, poser: Poser) -> None:
        self._options = options
        self._poser: Poser | None = poser
        self._has_image = False
        shape = (HEIGHT, WIDTH, 4)
        self._between = [np.zeros(shape, np.uint8) for _ in range(options.images - 1)]
        self._shown = [np.zeros(shape, np.uint8) for _ in range(2)]
        self._look = b""
        self._flow = FlowInterpolator(HEIGHT, WIDTH) if options.images > 1 else None
        self._store: RamStore | None = None
        if options.use_cacher:
            self._quantiser = Quantiser()
            self._codec = Codec(options.cacher_quality)
            self._store = RamStore(int(options.cacher_ram_size * 2**30))

    def setImage(self, img: Any) -> None:  # noqa: N802 - the mission's name
        """Show the character in `img`, BGRA uint8 (512, 512, 4), from the next call on."""
        picture = checked_image(img)
        poser = self._open()
        poser.set_picture(picture)
        self._has_image = True
        self._shown[0][:] = picture
        self._look = digest(picture).to_bytes(8, "little") + poser.look

    def inference(self, pose: Any) -> list[Image]:
        """Return the pictures up to and with the one in `pose`: `interpolation_scale` of them.

        They are BGRA uint8 (512, 512, 4) and valid until the next call.
        """
        poses = checked_poses(pose)
        poser = self._open()
        if not self._has_image:
            raise CoreError("no picture yet: call setImage first")
        before, now = self._shown
        self._draw(poser, poses[-1], now)
        if self._flow is not None:
            parts = range(1, self._options.images)
            phases = [part / self._options.images for part in parts]
            self._flow.between(before, now, phases, self._between)
        self._shown.reverse()
        return [*self._between, now]

    def _draw(self, poser: Poser, pose: NDArray[np.float32], out: Image) -> None:
        if self._store is None:
            poser.render(pose, out)
            return
        key = self._quantiser.key(pose) + self._look
        blob = self._store.get(key)
        if blob is not None:
            try:
                self._codec.decode(blob, out)
                return
            except BlobRejected:
                self._store.remove(key)
        # What is drawn is the rounded pose, so that a hit and a miss show the same picture.
        poser.render(self._quantiser.quantise(pose), out)
        self._store.put(key, self._codec.encode(out))

    def counters(self) -> Mapping[str, int]:
        """Return how often pictures and results of networks were at hand, and how often not."""
        counted = dict(self._open().counters())
        if self._store is not None:
            found = self._store.statistics()
            counted |= {"hits": found.hits, "misses": found.misses}
        return counted

    def close(self) -> None:
        """Give memory back; the core cannot be used afterwards."""
        if self._poser is not None:
            self._poser.close()
        self._poser, self._store = None, None

    def _open(self) -> Poser:
        if self._poser is None:
            raise CoreError("the core is closed")
        return self._poser

    def __enter__(self) -> "InProcessCore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
