"""The avatar: a pose in, a picture of the character in that pose out."""

from typing import ClassVar

import cv2
import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from shm.clock import now_ns
from shm.frame import Flag, Stamp
from stages.avatar.boxes import Box, FeaturesRejected, corrections_path, read_corrections
from stages.avatar.look import look_of
from stages.avatar.options import AvatarOptions
from stages.avatar.picture import HEIGHT, WIDTH, PictureRejected, load, resolve
from stages.avatar.poser import Poser, open_poser
from stages.pose import neutral
from stages.stage import CommandRefused, Rings, Stage, StartFailed


class Avatar(Stage):
    """Draws the newest pose there is; poses that came meanwhile are dropped before any work."""

    options_type: ClassVar = AvatarOptions
    options: AvatarOptions

    def open(self) -> None:
        """Load the picture and draw it once."""
        cv2.setNumThreads(self.threads)
        self._poser = open_poser(self.options, self.threads)
        self.notes += self._poser.notes
        try:
            self._show(*_read(self.options, self._poser))
        except (PictureRejected, FeaturesRejected) as error:
            raise StartFailed(str(error)) from error
        _warm_up(self._poser)

    def _show(self, picture: NDArray[np.uint8], given: dict[str, Box]) -> None:
        """Pose another picture from now on; the first frame is marked as a new beginning.

        `given` are the boxes of the file beside the picture.
        """
        self._poser.set_picture(picture, given)
        self._look = look_of(picture, self._poser.look, given)
        self._flags = int(Flag.DISCONTINUITY)

    def begin(self, rings: Rings) -> None:
        """Take the rings and say what the pixels will look like."""
        assert rings.poses is not None and rings.gives_frames is not None
        self._poses, self._ring = rings.poses, rings.gives_frames
        self._ring.look = self._look
        self._drawn: Stamp | None = None

    def step(self, timeout_s: float) -> None:
        """Draw the newest pose."""
        frame = self._poses.newest(timeout_s)
        if frame is None:
            return
        start, given_ns = now_ns(), frame.published_ns
        self._drawn = frame.stamp
        self._draw(self._drawn)
        self.meter.published(self._drawn.captured_ns, given_ns)
        self.meter.work.add(now_ns() - start)

    def _draw(self, stamp: Stamp) -> None:
        """Draw the pose of a stamp straight into the ring."""
        stamp = stamp._replace(look=self._look, flags=stamp.flags | self._flags)
        with self._ring.slot(stamp) as array:
            self._poser.render(np.frombuffer(stamp.pose, "<f4"), array)
        self._flags = 0
        self.meter.counters.update(self._poser.counters())

    def set_image(self, image: bytes) -> None:
        """Show another character; one that comes as bytes has no file beside it.

        A trained one makes room for it, unless it is what the avatar was configured to be.
        """
        options = self.options
        if options.character and options.poser != "tha4_student":
            options = structs.replace(options, character="")
        try:
            self._take(options, load(image), {})
        except PictureRejected as error:
            raise CommandRefused(str(error)) from error

    def set_options(self, options: AvatarOptions) -> None:
        """Take over another picture, other corrections of the same, or another poser.

        May take seconds; until all is loaded the avatar stays what it was.
        """
        try:
            self._take(options)
        except (PictureRejected, FeaturesRejected) as error:
            raise CommandRefused(str(error)) from error

    def _take(
        self,
        options: AvatarOptions,
        picture: NDArray[np.uint8] | None = None,
        given: dict[str, Box] | None = None,
    ) -> None:
        """Become what the options say, with another picture if one is given."""
        poser, before = self._poser, self._poser
        if structs.replace(options, picture=self.options.picture) != self.options:
            try:
                poser = open_poser(structs.replace(options, stand_in=False), self.threads)
            except StartFailed as error:
                raise CommandRefused(str(error)) from error
        self._poser = poser
        try:
            self._show(*(_read(options, poser) if picture is None else (picture, given or {})))
        except BaseException:
            self._poser = before
            if poser is not before:
                poser.close()
            raise
        if poser is not before:
            before.close()
            _warm_up(poser)
        self.options = options
        self._change()

    def _change(self) -> None:
        """Tell of another look, and show it at once: no pose may come while the session pauses."""
        self._ring.look = self._look
        if self._drawn is not None:
            self._draw(self._drawn)

    def close(self) -> None:
        """Give the networks' device back."""
        if hasattr(self, "_poser"):
            self._poser.close()


def _read(options: AvatarOptions, poser: Poser) -> tuple[NDArray[np.uint8], dict[str, Box]]:
    """Return the picture to draw and the boxes of the file beside it."""
    if poser.picture is not None:
        return poser.picture, {}
    path = resolve(options.picture)
    return load(path), read_corrections(corrections_path(path))


def _warm_up(poser: Poser) -> None:
    """Draw once, so that the first frame is no slower than the others."""
    poser.render(neutral(), np.empty((HEIGHT, WIDTH, 4), np.uint8))
