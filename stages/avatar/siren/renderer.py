"""A frame of a THA4 student on a CPU, from pose to bytes.

With a mask, only cells are computed in which something was seen in the frame before, and their
neighbours. Then every cell around a cell in which something is seen must have been computed; where
that is not so, the missing cells are, and again, until it is. So nothing is ever cut off, however
far it moved; what could be missed is only what appears out of nothing, more than a cell away from
everything that is seen. Against that, one band of the frame is computed at full width each time,
another one the next time.
"""

from collections.abc import Mapping

import numpy as np

from stages.avatar.siren.cells import FACE_BOXES, ROW, Box, Cells, Needs, everywhere, grown, needs
from stages.avatar.siren.crew import Crew
from stages.avatar.siren.kernel import Kernel
from stages.avatar.siren.passes import Frame, Pass, Passes, continue_border
from stages.networks.student import FACE_POSE, POSE, Array

# Cells around those in which something was seen. Wider costs more than computing missing ones.
_MARGIN = 1


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
        self._paint(pose, face, out)
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

    def _wanted(self) -> Cells:
        """Return the cells to begin with."""
        if not self._masked:
            return everywhere()
        wanted = grown(self._seen, _MARGIN)
        self._watched = (self._watched + 1) % ROW
        wanted[self._watched] = True
        return wanted

    def _compute(self, wanted: Needs, face: bool, out: Frame) -> None:
        """Compute pixels, level by level; the face beside the first."""
        low, middle, high = (
            [(work, box) for box in boxes]
            for work, boxes in zip(self._passes.body, wanted.boxes(), strict=True)
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
