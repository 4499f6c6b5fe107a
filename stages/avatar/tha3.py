"""THA3 as a poser: five networks on a back end, results of brows and face kept."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.options import AvatarOptions
from stages.backends.choice import open_backend
from stages.chain import Chain
from stages.networks.library import find_tha3, look

Image = NDArray[np.uint8]


class Tha3Poser:
    """Draws with a THA3 pack. Not for use from two threads at once."""

    picture: Image | None = None

    def __init__(self, models: Path, options: AvatarOptions, threads: int) -> None:
        """Load the networks of a pack in the folder `models`; takes seconds.

        Raises `PackMissing`, `PackRejected`, `BackendMissing`, `GraphRejected`, and `ValueError`
        for a cache too small to be one.
        """
        pack = find_tha3(models, options.structure, options.precision)
        backend = open_backend(options.backend, device_id=options.device_id, threads=threads)
        try:
            self._chain = Chain(
                pack,
                backend,
                cache_bytes=int(options.cache_gb * 2**30),
                on_device=options.cache_place == "device",
                eyebrows=options.eyebrows,
            )
        except BaseException:
            backend.close()
            raise
        self._backend = backend
        self.look = hashlib.blake2b(look(pack) + bytes([options.eyebrows]), digest_size=16).digest()
        self.notes = [f"THA3 {pack.structure} {pack.precision} on {backend.name}"]
        if pack.precision != options.precision:
            self.notes.append(f"there is no {options.precision} pack in {models}, only this one")

    def set_picture(self, picture: Image, _given: Mapping[str, Box] | None = None) -> None:
        """Show another character; the networks see it with the next pose."""
        self._chain.set_picture(picture)

    def render(self, pose: NDArray[np.float32], out: Image) -> None:
        """Write the picture in `pose`, (45,), into `out`, C-contiguous (512, 512, 4) uint8."""
        self._chain.draw(pose, out)

    def counters(self) -> Mapping[str, int]:
        """How often the results of brows and face were wanted and at hand, or not."""
        return {
            f"{part}_{result}": count
            for part, counts in self._chain.counts.items()
            for result, count in counts._asdict().items()
        }

    def close(self) -> None:
        """Give the device back."""
        self._backend.close()
