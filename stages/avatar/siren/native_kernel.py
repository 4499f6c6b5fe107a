"""Boxes computed by the compiled kernel, where it was built and the processor is one it knows."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from shm.compiled import Helper
from stages.avatar.siren.cells import Box, Cells, Rows
from stages.avatar.siren.display import DISPLAY
from stages.avatar.siren.kernel import Kernel
from stages.avatar.siren.passes import Frame, Pass
from stages.networks.student import Array

KERNEL: Final = Helper(
    "stages.avatar.siren._kernel", 1, "trained characters take half the time on a CPU"
)
_COARSE_SIZE = 128  # passes of this size may be computed in half precision: face and level 0


class NativeMissing(RuntimeError):
    """The compiled kernel is not here, or not for this processor; the message says which."""


class NativeKernel(Kernel):
    """Runs without the interpreter, fused, in the widest vectors there are."""

    rows = Rows(2, 4, 4)

    def __init__(self, workers: int, *, coarse: bool = False, path: str = "") -> None:
        """`path` is one of `paths()`, the best if empty.

        With `coarse`, face and level 0 have bfloat16 products. Raises `NativeMissing`.
        """
        there = dict(paths())
        if coarse and not path:
            there = {name: halves for name, halves in there.items() if halves}
        if not there or (path and path not in there):
            raise NativeMissing(
                f"this processor has no {path or 'vectors that the compiled kernel knows'}"
            )
        self._path = path or next(iter(there))
        if coarse and not there[self._path]:
            raise NativeMissing(f"{self._path} computes no bfloat16")
        self._coarse = coarse
        self._native = _module()
        self._packed: dict[int, tuple[Pass, Any]] = {}
        self._scratch = [np.zeros(self._native.SCRATCH, np.float32) for _ in range(workers)]
        self.name = f"the compiled kernel, {self._path}"
        self.precision = "bf16" if coarse else "fp32"

    def paint(self, worker: int, work: Pass, box: Box) -> None:
        self._run(worker, work, box, (work.target, None, None, None, None))

    def show(
        self, worker: int, work: Pass, box: Box, picture: Array, frame: Frame, seen: Cells
    ) -> None:
        self._run(worker, work, box, (None, picture, frame, seen, DISPLAY))

    def _run(self, worker: int, work: Pass, box: Box, ends: tuple[Any, ...]) -> None:
        begin, add = work.begin, work.add
        self._native.run(
            self._network(work),
            box,
            None if begin is None else begin.rows,
            None if begin is None else begin.columns,
            work.source,
            None if add is None else add.rows,
            None if add is None else add.columns,
            *ends,
            self._scratch[worker],
        )

    def _network(self, work: Pass) -> Any:
        """Return the pass as the kernel wants it; laid out once. Passes live as long as this."""
        known = self._packed.get(id(work))
        if known is None:
            layers = [(layer.weight, layer.bias) for layer in (*work.hidden, work.last)]
            coarse = self._coarse and work.size == _COARSE_SIZE
            known = work, self._native.pack(self._path, work.width, layers, coarse)
            self._packed[id(work)] = known
        return known[1]


def paths() -> Sequence[tuple[str, bool]]:
    """Return what this processor can run, best first, and whether it computes bfloat16.

    Raises `NativeMissing` where the kernel was not built, or AYATSURI_PURE=1 turns it off.
    """
    return [(name, bool(coarse)) for name, coarse in _module().paths()]


def _module() -> Any:
    found = KERNEL.find()
    if found.module is None:
        raise NativeMissing(f"the compiled kernel {found.state}: {found.mend}")
    return found.module
