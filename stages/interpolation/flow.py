"""Frames between two frames, by optical flow on the CPU.

The flow is estimated once per pair, at about 256 pixels, on grey pictures of both frames over a
middle grey (over black or white it is as good to 0.2 dB). For each phase both frames are pulled
along it, premultiplied, and blended. Only the box around the figure is touched.

A leap of some 40 pixels between two frames is more than the flow follows everywhere: there the
frame between is a blend, half of each.

How much flow is worth its time: 99 triplets of a trained character moved by a recorded face, the
middle frame against the true one, premultiplied, medians of the whole frame and of what moves; CPU
time of a whole frame in between, AMD EPYC (Zen 4), one thread, other work on the machine. Repeating
the older frame gives 29.6 dB, blending 32.8.

    DIS ultrafast, finest scale 2                      35.5 / 30.4 dB     5.8 ms
    DIS ultrafast, finest scale 1                      36.3 / 31.1 dB     7.3 ms
    the same, finest scale 0, stride 6, 6 iterations   36.6 / 31.3 dB     9.3 ms    <- this
    DIS ultrafast, finest scale 0                      36.8 / 31.6 dB    13.0 ms
    DIS medium, finest scale 0                         36.8 / 31.5 dB    27.1 ms

Both directions together gain 0.3 dB at most, for twice the flow.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.interpolation.equal import equal
from stages.premultiplied import AlphaEdge, Image

Flow = NDArray[np.float32]
Sample = TypeVar("Sample", bound=np.generic)

# Counted up when frames come out differently, so that no cache shows old ones.
VERSION: Final = 1
_FLOW_PIXELS = 256  # roughly, along the longer side
_MARGIN = 32  # pixels around the figure in both frames: ground for the flow to hold on to
_LEAST_BOX = 64  # of the reduced picture; the flow's pyramid needs some room
_SIZE_STEP = 8
_PATCH, _STRIDE = 8, 6  # of the flow, in pixels of each of its scales
_COVERED = 24  # sizes of 8 and multiples of this: patches end with them, and so do halves of halves


class FlowInterpolator:
    """Makes frames between two frames of one size. Not for use from two threads at once.

    It keeps what it worked out about the last two frames and knows them again by their content,
    so of two calls in a row the second only prepares its newer frame.
    """

    def __init__(self, height: int, width: int) -> None:
        """`height` and `width` are multiples of 8, at least 64."""
        if min(height, width) < _LEAST_BOX or height % _SIZE_STEP or width % _SIZE_STEP:
            raise ValueError(
                f"a frame of {height}x{width} cannot be interpolated; allowed are multiples of "
                f"{_SIZE_STEP} from {_LEAST_BOX} on"
            )
        self._shape = (height, width, 4)
        self._shrink = _shrink_for(height, width)
        self._edge = AlphaEdge(height, width)
        self._older = _Prepared(height, width, self._shrink)
        self._newer = _Prepared(height, width, self._shrink)
        self._pixels = _pixel_coordinates(height, width)
        self._flow = np.empty((height, width, 2), np.float32)
        self._map = np.empty((height, width, 2), np.float32)
        self._from_older = np.empty(self._shape, np.uint8)
        self._from_newer = np.empty(self._shape, np.uint8)
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setFinestScale(0)
        self._dis.setGradientDescentIterations(6)
        self._dis.setPatchSize(_PATCH)
        self._dis.setPatchStride(_STRIDE)

    def prepare(self, frame: Image) -> None:
        """Work out now what the next `between` needs to know about `frame`."""
        self._check(frame)
        if not (self._newer.holds(frame) or self._older.holds(frame)):
            self._older, self._newer = self._newer, self._older
            self._newer.take(frame, self._edge)

    def between(
        self, previous: Image, current: Image, phases: Sequence[float], outs: Sequence[Image]
    ) -> None:
        """Write the frame at each of `phases`, inside (0, 1), into its array of `outs`.

        All frames are BGRA uint8 of the interpolator's size, C-contiguous. Equal frames are copied.
        """
        for _ in self.each(previous, current, phases, outs):
            pass

    def each(
        self, previous: Image, current: Image, phases: Sequence[float], outs: Sequence[Image]
    ) -> Iterator[None]:
        """As `between`, but stop after each frame that is written, so that it can be shown.

        Nothing else may be asked of the interpolator until it is at its end.
        """
        for frame in (previous, current, *outs):
            self._check(frame)
        if not all(0.0 < phase < 1.0 for phase in phases):
            raise ValueError(f"phases are {list(phases)}, allowed is inside (0, 1)")
        if equal(previous, current):
            for out in outs:
                np.copyto(out, current)
                yield
            return
        self._recall(previous, current)
        box = self._box()
        flow = self._dis.calc(
            box.covered(self._older.grey),
            box.covered(self._newer.grey),
            None,  # type: ignore[call-overload]
        )[: box.height, : box.width]
        for phase, out in zip(phases, outs, strict=True):
            self._write(np.asarray(flow, np.float32), phase, box, out)
            yield

    def _check(self, frame: Image) -> None:
        if frame.shape != self._shape or frame.dtype != np.uint8 or not frame.flags.c_contiguous:
            raise ValueError(
                f"a frame here is {self._shape} uint8, C-contiguous, not {frame.shape} "
                f"{frame.dtype}"
            )

    def _recall(self, previous: Image, current: Image) -> None:
        """Make `_older` and `_newer` hold the two frames, preparing only what is not held."""
        if self._newer.holds(previous) or self._older.holds(current):
            self._older, self._newer = self._newer, self._older
        for prepared, frame in ((self._older, previous), (self._newer, current)):
            if not prepared.holds(frame):
                prepared.take(frame, self._edge)

    def _box(self) -> "_Box":
        """The box around the figure in both frames, and a margin."""
        reduced_height, reduced_width = self._older.grey.shape
        seen = cv2.bitwise_or(self._older.seen, self._newer.seen)
        left, top, width, height = cv2.boundingRect(seen)
        margin = -(-_MARGIN // self._shrink)
        left, right = _span(left - margin, left + width + margin, reduced_width)
        top, bottom = _span(top - margin, top + height + margin, reduced_height)
        return _Box(slice(top, bottom), slice(left, right), self._shrink)

    def _write(self, flow: Flow, phase: float, box: "_Box", out: Image) -> None:
        """Write the frame at `phase`; `flow` is of the reduced box, older to newer."""
        target = box.of(out)
        height, width = target.shape[:2]
        enlarged = box.of(self._flow)
        cv2.resize(_flow_at(flow, phase) * np.float32(self._shrink), (width, height), dst=enlarged)
        older, newer = box.of(self._from_older), box.of(self._from_newer)
        self._pull(self._older, enlarged, -phase, box, older)
        self._pull(self._newer, enlarged, 1.0 - phase, box, newer)
        out.fill(0)
        cv2.addWeighted(older, 1.0 - phase, newer, phase, 0.0, dst=target)
        self._edge.straighten(out)

    def _pull(self, frame: "_Prepared", flow: Flow, share: float, box: "_Box", out: Image) -> None:
        """Fill `out` with what of `frame` comes to each pixel along `share` of the flow."""
        source = box.of(self._map)
        cv2.scaleAdd(flow, share, box.of(self._pixels), dst=source)
        cv2.remap(
            frame.premultiplied,
            source,
            None,  # type: ignore[call-overload]
            cv2.INTER_LINEAR,
            dst=out,
            # What is cut off by the frame's edge goes on past it.
            borderMode=cv2.BORDER_REPLICATE,
        )


class _Box:
    """A part of the frame, in whole pixels of the reduced picture."""

    def __init__(self, rows: slice, columns: slice, shrink: int) -> None:
        self._rows, self._columns = rows, columns
        self._full_rows = slice(rows.start * shrink, rows.stop * shrink)
        self._full_columns = slice(columns.start * shrink, columns.stop * shrink)

    @property
    def height(self) -> int:
        """Rows of the reduced picture."""
        return int(self._rows.stop - self._rows.start)

    @property
    def width(self) -> int:
        """Columns of the reduced picture."""
        return int(self._columns.stop - self._columns.start)

    def covered(self, plane: Image) -> Image:
        """A reduced plane inside the box, continued to a size that patches cover to the end.

        What no patch covers gets no flow.
        """
        below, right = ((_PATCH - size) % _COVERED for size in (self.height, self.width))
        part = plane[self._rows, self._columns]
        made = cv2.copyMakeBorder(part, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return np.asarray(made, np.uint8)

    def of(self, plane: NDArray[Sample]) -> NDArray[Sample]:
        """The view of a full plane inside the box."""
        return plane[self._full_rows, self._full_columns]


class _Prepared:
    """What has to be known about one frame before a flow can start or end at it."""

    def __init__(self, height: int, width: int, shrink: int) -> None:
        reduced = (height // shrink, width // shrink)
        self._straight: Image | None = None
        self.premultiplied: Image = np.empty((height, width, 4), np.uint8)
        self.grey: Image = np.empty(reduced, np.uint8)  # reduced, over a middle grey
        self.seen: Image = np.empty(reduced, np.uint8)  # reduced alpha
        self._small: Image = np.empty((*reduced, 4), np.uint8)
        self._ground: Image = np.empty(reduced, np.uint8)

    def holds(self, frame: Image) -> bool:
        """Whether this is about a frame with the same content."""
        return self._straight is not None and equal(self._straight, frame)

    def take(self, frame: Image, edge: AlphaEdge) -> None:
        """Forget the frame before and prepare this one."""
        if self._straight is None:
            self._straight = np.empty_like(frame)
        # A copy: the frame may lie in a slot of a ring, which its writer fills again.
        np.copyto(self._straight, frame)
        edge.premultiply(frame, self.premultiplied)
        size = (self.grey.shape[1], self.grey.shape[0])
        cv2.resize(self.premultiplied, size, dst=self._small, interpolation=cv2.INTER_AREA)
        cv2.extractChannel(self._small, 3, dst=self.seen)
        cv2.bitwise_not(self.seen, dst=self._ground)
        cv2.cvtColor(self._small, cv2.COLOR_BGRA2GRAY, dst=self.grey)
        cv2.addWeighted(self.grey, 1.0, self._ground, 0.5, 0.0, dst=self.grey)


def _flow_at(flow: Flow, phase: float) -> Flow:
    """The flow as it passes each pixel at `phase`, instead of as it leaves the older frame.

    One step of the fixed point f(x) = flow(x - phase * f(x)); a second one gains nothing.
    """
    height, width = flow.shape[:2]
    start = _pixel_coordinates(height, width) - np.float32(phase) * flow
    passing = cv2.remap(
        flow,
        start,
        None,  # type: ignore[call-overload]
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(passing, np.float32)


def _pixel_coordinates(height: int, width: int) -> NDArray[np.float32]:
    """(height, width, 2): the x and y of every pixel."""
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)
    return np.stack(np.meshgrid(columns, rows), axis=-1)


def _shrink_for(height: int, width: int) -> int:
    """By how much to reduce a frame for the flow: 1, 2, 4 or 8."""
    shrink = 1
    while (
        shrink < _SIZE_STEP
        and max(height, width) // shrink >= 2 * _FLOW_PIXELS
        and min(height, width) // shrink >= 2 * _LEAST_BOX
    ):
        shrink *= 2
    return shrink


def _span(start: int, stop: int, length: int) -> tuple[int, int]:
    """`start` to `stop`, widened to `_LEAST_BOX` at least and cut to 0..`length`."""
    missing = max(0, _LEAST_BOX - (stop - start))
    start, stop = start - missing, stop + missing
    return max(0, start), min(length, stop)
