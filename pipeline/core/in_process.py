"""A core that does all its work in the calling process, one thing after the other."""

from collections.abc import Mapping, Sequence
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
from pipeline.core.pictures import Pictures
from pipeline.topology import usable_cores
from stages.avatar.look import look_of
from stages.avatar.picture import PictureRejected
from stages.avatar.poser import Poser
from stages.cacher.options import CacherOptions
from stages.cacher.store import DatabaseRejected
from stages.gaps import gaps
from stages.interpolation.method import Method
from stages.interpolation.options import InterpolationOptions

Image = NDArray[np.uint8]
Pose = NDArray[np.float32]


class InProcessCore:
    """The core without processes: quantise, look up or draw, interpolate.

    The pictures it returns are its own buffers: two sets, so that the last picture of a call is
    still there to interpolate from in the next.
    """

    def __init__(
        self,
        options: CoreOptions,
        cacher: CacherOptions,
        interpolation: InterpolationOptions,
        poser: Poser,
    ) -> None:
        self._options = options
        self._poser: Poser | None = poser
        self._has_image = False
        shape = (HEIGHT, WIDTH, 4)
        self._between = [np.zeros(shape, np.uint8) for _ in range(options.images - 1)]
        self._shown = [np.zeros(shape, np.uint8) for _ in range(2)]
        self._method: Method | None = None
        if options.images > 1:
            self._method = Method(interpolation, usable_cores(), HEIGHT, WIDTH)
        self._kept: Pictures | None = None
        if options.use_cacher:
            try:
                self._kept = Pictures(cacher)
            except DatabaseRejected as error:
                raise CoreError(str(error)) from error

    def setImage(self, img: Any) -> None:  # noqa: N802 - the mission's name
        """Show the character in `img`, BGRA uint8 (512, 512, 4), from the next call on."""
        picture = checked_image(img)
        poser = self._open()
        try:
            poser.set_picture(picture)
        except PictureRejected as error:
            raise CoreError(str(error)) from error
        self._has_image = True
        self._shown[0][:] = picture
        if self._kept is not None:
            self._kept.look = look_of(picture, poser.look, {})

    def inference(self, pose: Any) -> list[Image]:
        """Return the pictures up to and with the one in `pose`: `interpolation_scale` of them.

        They are BGRA uint8 (512, 512, 4) and valid until the next call. Given a list of as many
        poses as pictures, those in between are stored, and found, under their own poses.
        """
        poses = checked_poses(pose)
        poser = self._open()
        if not self._has_image:
            raise CoreError("no picture yet: call setImage first")
        before, now = self._shown
        self._draw(poser, poses[-1], now)
        row = [before, *self._between, now]
        between = poses[:-1] if len(poses) == self._options.images else []
        self._fill(row, between)
        self._shown.reverse()
        return row[1:]

    def _draw(self, poser: Poser, pose: Pose, out: Image) -> None:
        if self._kept is None:
            poser.render(pose, out)
            return
        # What is drawn is the rounded pose, so that a hit and a miss show the same picture.
        pose = self._kept.rounded(pose)
        if not self._kept.show(pose, out):
            poser.render(pose, out)
            self._kept.keep(pose, out)

    def _fill(self, row: Sequence[Image], poses: Sequence[Pose]) -> None:
        """Show what of a row's inner pictures is stored, and make the others between these.

        `poses` are those of the inner pictures; without them nothing is stored.
        """
        method, kept = self._method, self._kept
        if method is None:
            return
        if kept is None or not poses:
            inner = [False] * (len(row) - 2)
        else:
            poses = [kept.rounded(pose) for pose in poses]
            inner = [
                kept.show(pose, picture) or kept.show(pose, picture, method.how)
                for pose, picture in zip(poses, row[1:-1], strict=True)
            ]
        for gap in gaps([True, *inner, True]):
            outs = row[gap.first : gap.last + 1]
            method.between(row[gap.first - 1], row[gap.last + 1], outs)
            if kept is not None and poses:
                for pose, picture in zip(poses[gap.first - 1 : gap.last], outs, strict=True):
                    kept.keep(pose, picture, method.how)

    def counters(self) -> Mapping[str, int]:
        """Return how often pictures and results of networks were at hand, and how often not."""
        counted = dict(self._open().counters())
        if self._kept is not None:
            found = self._kept.statistics()
            counted |= {"hits": found.hits, "misses": found.misses, "entries": found.entries}
        return counted

    def close(self) -> None:
        """Give memory back; the core cannot be used afterwards."""
        if self._poser is not None:
            self._poser.close()
            self._poser = None
        if self._method is not None:
            self._method.close()
            self._method = None
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _open(self) -> Poser:
        if self._poser is None:
            raise CoreError("the core is closed")
        return self._poser

    def __enter__(self) -> "InProcessCore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
