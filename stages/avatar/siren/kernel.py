"""What computes boxes of a pass, and which of them is used."""

from abc import ABC, abstractmethod

from stages.avatar.siren.cells import Box, Cells, Rows
from stages.avatar.siren.passes import Frame, Pass
from stages.networks.student import Array


class Kernel(ABC):
    """Computes one box of a pass at a time, in the calling thread.

    Workers with different numbers may call at once, for different boxes.
    """

    rows: Rows  # of boxes, as it likes them best
    name: str  # for log and notes
    precision: str  # of its least precise layers

    @abstractmethod
    def paint(self, worker: int, work: Pass, box: Box) -> None:
        """Compute a box of the pass into its target."""

    @abstractmethod
    def show(
        self, worker: int, work: Pass, box: Box, picture: Array, frame: Frame, seen: Cells
    ) -> None:
        """Compute a box of the last pass: move and retouch `picture`, write `frame`.

        `seen` is told of each cell of the box whether a pixel of it is not transparent. Boxes of
        one frame do not share cells.
        """
