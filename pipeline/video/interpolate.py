"""All frames of a source, with those in between: two frames at a time, whatever its length."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.video.cuts import CutDetector
from stages.interpolation.flow import FlowInterpolator

Image = NDArray[np.uint8]

_STEP, _LEAST = 8, 64  # sizes that optical flow takes


class Interpolator(Protocol):
    """What makes frames between two: `FlowInterpolator`, `RifeInterpolator`."""

    def between(
        self, previous: Image, current: Image, phases: Sequence[float], outs: Sequence[Image]
    ) -> None:
        """Write the frame at each phase into its array."""


class Done(NamedTuple):
    """What was done so far."""

    read: int
    written: int
    cuts: int


def interpolate(
    frames: Iterator[Image],
    scale: int,
    interpolator: Interpolator,
    write: Callable[[Image], None],
    cuts: CutDetector | None,
    tell: Callable[[Done], None] = lambda _: None,
) -> Done:
    """Write `scale` frames for each one of `frames`, the last one as often as well.

    So the result is as long as the source, and what is heard stays beside what is seen. Across a
    cut the frame before it is repeated.
    """
    previous: Image | None = None
    outs: list[Image] = []
    done = Done(0, 0, 0)
    phases = [part / scale for part in range(1, scale)]
    for frame in frames:
        is_cut = cuts is not None and cuts.is_cut(frame)
        if previous is not None:
            if is_cut:
                between = [previous] * (scale - 1)
            else:
                outs = outs or [np.empty_like(frame) for _ in phases]
                interpolator.between(previous, frame, phases, outs)
                if _opaque(previous) and _opaque(frame):
                    # A network may look for what comes in from beyond the edge: nothing is there.
                    for out in outs:
                        out[..., 3] = 255
                between = outs
            for made in between:
                write(made)
        write(frame)
        done = Done(
            done.read + 1,
            done.written + (scale if previous is not None else 1),
            done.cuts + is_cut,
        )
        previous = frame
        tell(done)
    for _ in range(scale - 1 if previous is not None else 0):
        assert previous is not None
        write(previous)
    return done._replace(written=done.read * scale)


class PaddedFlow:
    """Optical flow for any size: frames are continued at the edges up to one that it takes."""

    def __init__(self, height: int, width: int) -> None:
        self._size = height, width
        self._padded = _next_allowed(height), _next_allowed(width)
        self._flow = FlowInterpolator(*self._padded)
        self._previous, self._current = np.empty((2, *self._padded, 4), np.uint8)
        self._outs: list[Image] = []

    def between(
        self, previous: Image, current: Image, phases: Sequence[float], outs: Sequence[Image]
    ) -> None:
        """As `FlowInterpolator.between`."""
        if self._padded == self._size:
            self._flow.between(previous, current, phases, outs)
            return
        height, width = self._size
        below, right = self._padded[0] - height, self._padded[1] - width
        for frame, whole in ((previous, self._previous), (current, self._current)):
            cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REPLICATE, dst=whole)
        while len(self._outs) < len(outs):
            self._outs.append(np.empty((*self._padded, 4), np.uint8))
        made = self._outs[: len(outs)]
        self._flow.between(self._previous, self._current, phases, made)
        for out, whole in zip(outs, made, strict=True):
            np.copyto(out, whole[:height, :width])


def _opaque(frame: Image) -> bool:
    return bool(frame[..., 3].min() == 255)


def _next_allowed(length: int) -> int:
    return max(_LEAST, -(-length // _STEP) * _STEP)
