"""What draws the character: one contract, and which of those that keep it is meant."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.character import CharacterRejected
from stages.avatar.options import AvatarOptions
from stages.avatar.warp import WarpPoser
from stages.backends.engine import BackendMissing, GraphRejected
from stages.networks.library import models_folder
from stages.networks.pack import PackRejected
from stages.stage import StartFailed

Image = NDArray[np.uint8]

log = logging.getLogger("avatar")

# Part of the look: counted up when the poser draws differently, so that no cache shows old frames.
_WARP_VERSION: Final = 2
GIGABYTE: Final = 2**30
_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class Poser(Protocol):
    """Draws one character in any pose. Not for use from two threads at once."""

    @property
    def picture(self) -> Image | None:
        """The only picture that it can draw; None if it draws any."""

    @property
    def look(self) -> bytes:
        """What shapes the pixels besides picture and pose: for the keys of caches."""

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know of how it was opened."""

    def set_picture(self, picture: Image, given: Mapping[str, Box] | None = None) -> None:
        """Draw this character from now on, BGRA uint8 (512, 512, 4), colour 0 where alpha is 0.

        `given` are corrections of where features of the face are, for posers that look for them.
        Raises `PictureRejected`, and goes on with the picture before.
        """

    def render(self, pose: NDArray[np.float32], out: Image) -> object:
        """Write the picture in `pose`, (45,), into `out`, C-contiguous (512, 512, 4) uint8."""

    def counters(self) -> Mapping[str, int]:
        """Return what has been counted so far, by the names that metrics use."""

    def close(self) -> None:
        """Give memory and devices back."""


class BuiltIn:
    """The built-in poser: a warp, no network."""

    picture: Image | None = None
    look = b"warp %d" % _WARP_VERSION
    notes: Sequence[str] = ()

    def set_picture(self, picture: Image, given: Mapping[str, Box] | None = None) -> None:
        """Find the features of another character; the one before stays if that fails."""
        self._poser = WarpPoser(picture, dict(given or {}))

    def render(self, pose: NDArray[np.float32], out: Image) -> None:
        """As `WarpPoser.render`."""
        self._poser.render(pose, out)

    def counters(self) -> Mapping[str, int]:
        """Return nothing: it keeps nothing."""
        return _NOTHING

    def close(self) -> None:
        """Do nothing: there is no device."""


def open_poser(options: AvatarOptions, threads: int) -> Poser:
    """Open the poser that the options name.

    Where its weights or a back end for it are missing, the built-in one stands in if it may. Raises
    `StartFailed`.
    """
    try:
        return _open(options, threads)
    except (CharacterRejected, PackRejected, BackendMissing, GraphRejected, ValueError) as error:
        if not options.stand_in:
            raise StartFailed(str(error)) from error
        log.warning("%s. The built-in poser stands in until then", error)
        return BuiltIn()


def _open(options: AvatarOptions, threads: int) -> Poser:
    # Imported here: the built-in poser, which is what most sessions run, needs none of it.
    models = Path(options.models) if options.models else models_folder()
    if options.character or options.poser == "tha4_student":
        from stages.avatar.student import StudentChoice, StudentPoser

        choice = StudentChoice(
            mode=options.student_mode,
            backend=options.backend,
            device_id=options.device_id,
            precision=options.precision,
            threads=threads,
            cache_bytes=int(options.cache_gb * GIGABYTE),
        )
        return StudentPoser.find(options.character, models, choice)
    if options.poser == "tha3":
        from stages.avatar.tha3 import Tha3Poser

        return Tha3Poser(models, options, threads)
    return BuiltIn()
