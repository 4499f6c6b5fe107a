"""A frame of a THA4 student on a CPU, from pose to bytes.

With a mask, only cells are computed in which something was seen in the frame before, and those
around. Then every neighbour of a cell in which something is seen must have been computed; where
that is not so, the missing cells are, and again, until it is. So nothing is ever cut off, however
far it moved. What can be missed appears out of nothing, away from all else: networks paint faint
specks (alpha up to 11 of 255) for some frames, always in the same places. Against those a band of
the frame is computed at full width, another one each time, and where a speck was found the frame is
computed from then on.
"""

from collections.abc import Mapping

import numpy as np

from stages.avatar.siren.cells import (
    FACE_BOXES,
    ROW,
    Box,
    Cells,
    Needs,
    apart,
    everywhere,
    grown,
    needs,
)
from stages.avatar.siren.crew import Crew
from stages.avatar.siren.kernel import Kernel
from stages.avatar.siren.passes import Frame, Pass, Passes, continue_border
from stages.networks.student import FACE_POSE, POSE, Array

# Cells around those in which something was seen: what moves by less than 4 pixels, as nearly all
# does from frame to frame, is met by one that was computed. Wider costs more than it saves.
_MARGIN = 2
_WATCHED = 2  # rows of cells
# How many frames long a place is computed where something was seen apart from all else.
_REMEMBERED = 1000


class Renderer:
    """Poses one character. Not for use from two threads at once."""

    def __init__(self, passes: Passes, kernel: Kernel, crew: Crew, *, masked: bool) -> None:
        self._passes = passes
        self._kernel = kernel
        self._crew = crew
        self._masked = masked
        self._pose = np.full(POSE, np.nan, np.float32)
        self._seen: Cells = everywhere()
        self._last: Frame = np.zeros((512, 512, 4), np.uint8)
        self._watched = 0
        self._apart = np.full(self._seen.shape, -_REMEMBERED)  # in which frame last
        self._counts = dict.fromkeys(
            ("frames", "repeated", "faces", "faces_kept", "cells", "cells_late"), 0
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """What has been computed and what was kept, since the beginning."""
        return self._counts

    def render(self, pose: Array, out: Frame) -> None:
        """Write the frame of a pose, (45,), into `out`, (512, 512, 4) BGRA."""
        self._counts["frames"] += 1
        if np.array_equal(pose, self._pose):
            self._counts["repeated"] += 1
            np.copyto(out, self._last)
            return
        face = not np.array_equal(pose[:FACE_POSE], self._pose[:FACE_POSE])
        self._pose.fill(np.nan)  # nothing is known if this ends half done
        try:
            self._paint(pose, face, out)
        except BaseException:
            self._seen = everywhere()
            raise
        np.copyto(self._pose, pose)
        np.copyto(self._last, out)

    def _paint(self, pose: Array, face: bool, out: Frame) -> None:
        self._passes.take(pose)
        if face:
            self._passes.take_face(pose)
        self._counts["faces" if face else "faces_kept"] += 1
        out.fill(0)
        wanted = self._wanted()
        done = np.zeros_like(wanted)
        known: Needs | None = None
        self._seen = np.zeros_like(wanted)
        while wanted.any():
            required = needs(wanted)
            missing = required if known is None else required.without(known)
            self._compute(missing, face, out)
            self._counts["cells" if known is None else "cells_late"] += int(wanted.sum())
            known = missing if known is None else known.with_all(missing)
            done |= wanted
            face = False
            wanted = grown(self._seen) & ~done
        self._apart[apart(self._seen)] = self._counts["frames"]

    def _wanted(self) -> Cells:
        """Return the cells to begin with."""
        if not self._masked or not self._seen.any():
            return everywhere()
        remembered = self._apart > self._counts["frames"] - _REMEMBERED
        wanted = grown(self._seen, _MARGIN) | grown(remembered)
        self._watched = (self._watched + _WATCHED) % ROW
        wanted[self._watched : self._watched + _WATCHED] = True
        return wanted

    def _compute(self, wanted: Needs, face: bool, out: Frame) -> None:
        """Compute pixels, level by level; the face beside the first."""
        low, middle, high = (
            [(work, box) for box in boxes]
            for work, boxes in zip(self._passes.body, wanted.boxes(self._kernel.rows), strict=True)
        )
        if face:
            low = [(self._passes.face, box) for box in FACE_BOXES] + low

        def paint(worker: int, task: tuple[Pass, Box]) -> None:
            self._kernel.paint(worker, *task)

        def show(worker: int, task: tuple[Pass, Box]) -> None:
            self._kernel.show(worker, *task, self._passes.picture, out, self._seen)

        first, second, _ = self._passes.body
        self._crew.share(low, paint)
        continue_border(first)
        self._crew.share(middle, paint)
        continue_border(second)
        self._crew.share(high, show)
