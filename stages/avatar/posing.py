"""Posing from Python: load a picture, give a pose by names, get a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import corrections_path, read_corrections
from stages.avatar.features import Features
from stages.avatar.picture import HEIGHT, WIDTH, load, resolve
from stages.avatar.warp import WarpPoser
from stages.pose import INDEX, SIZE, neutral

Image = NDArray[np.uint8]


class PosedPicture(np.ndarray[Any, np.dtype[np.uint8]]):
    """A frame, BGRA (512, 512, 4) uint8 with straight alpha, that a notebook shows as a picture."""

    def _repr_png_(self) -> bytes | None:
        if self.ndim != 3 or self.shape[2] not in (3, 4):
            return None
        done, png = cv2.imencode(".png", np.ascontiguousarray(self))
        return png.tobytes() if done else None


class PicturePoser:
    """Poses one picture. Not for use from two threads at once.

    `stages.avatar.load_poser` makes it.
    """

    def __init__(self, poser: WarpPoser) -> None:
        self._poser = poser

    @classmethod
    def load(cls, picture: str | Path | bytes) -> "PicturePoser":
        """As `stages.avatar.load_poser`."""
        if isinstance(picture, bytes):
            return cls(WarpPoser(load(picture)))
        path = resolve(picture)
        return cls(WarpPoser(load(path), read_corrections(corrections_path(path))))

    @property
    def features(self) -> Features:
        """Where eyes, irises, brows and mouth are."""
        return self._poser.features

    def pose(self, values: Mapping[str, float] | NDArray[np.float32]) -> PosedPicture:
        """Return a new picture in a pose: values by name, or all 45 in their order.

        What is not named is 0; what is out of its range counts as the nearer bound. Raises
        `KeyError` for a name that is none of the 45.
        """
        out = np.empty((HEIGHT, WIDTH, 4), np.uint8)
        self.render(pose_of(values) if isinstance(values, Mapping) else values, out)
        return cast(PosedPicture, out.view(PosedPicture))

    def render(self, pose: NDArray[np.float32], out: Image) -> None:
        """Write the picture in `pose`, 45 numbers, into `out`, (512, 512, 4) uint8."""
        pose = np.asarray(pose, np.float32)
        if pose.shape != (SIZE,):
            raise ValueError(f"a pose has {SIZE} numbers, not the shape {pose.shape}")
        self._poser.render(pose, out)


def pose_of(values: Mapping[str, float]) -> NDArray[np.float32]:
    """Return the pose of some named values. Raises `KeyError` with the nearest known name."""
    pose = neutral()
    for name, value in values.items():
        if name not in INDEX:
            import difflib

            near = difflib.get_close_matches(name, INDEX, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise KeyError(f"{name!r} is none of the 45 parameters{hint}")
        pose[INDEX[name]] = value
    return pose
