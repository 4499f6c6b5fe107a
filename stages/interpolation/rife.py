"""Frames between two frames by RIFE: a pack of graphs on a back end."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.backends.engine import Backend, Engine, Memory
from stages.interpolation.equal import equal
from stages.networks.pack import PackRejected
from stages.networks.rife_pack import RifePack

Image = NDArray[np.uint8]


class RifeInterpolator:
    """Makes the frames of a scale between two frames. Not for use from two threads at once.

    What the graphs made of the last two frames stays on the device, and a frame is known again by
    its content: in a run of frames each is uploaded and looked at once. All graphs are loaded at
    once, so that another scale costs nothing.
    """

    def __init__(self, pack: RifePack, backend: Backend) -> None:
        """Load the graphs; takes seconds. Raises `GraphRejected`, `PackRejected`.

        The back end belongs to the caller.
        """
        self._backend = backend
        self.scales = tuple(sorted(pack.between))
        engines = {scale: backend.load(path) for scale, path in pack.between.items()}
        frame = None if pack.frame is None else backend.load(pack.frame)
        try:
            self._graphs: _Split | _Whole = (
                _Whole(engines, backend) if frame is None else _Split(frame, engines, backend)
            )
        except KeyError as error:
            raise PackRejected(f"{pack.folder} is no pack of RIFE: {error}") from error
        self.shape = self._graphs.shape
        self._older, self._newer = _Held(self.shape, 0), _Held(self.shape, 1)

    def prepare(self, frame: Image) -> None:
        """Work out now what the next `between` needs to know about `frame`."""
        if not (self._newer.holds(frame) or self._older.holds(frame)):
            self._older, self._newer = self._newer, self._older
            self._take(self._newer, frame)

    def between(
        self, previous: Image, current: Image, phases: Sequence[float], outs: Sequence[Image]
    ) -> None:
        """Write the frame at each of `phases` into its array of `outs`, which may be ring slots.

        The phases are those of a scale: 1/n, 2/n and so on. All frames are BGRA uint8 of the
        pack's size, C-contiguous. Equal frames are copied.
        """
        scale = len(phases) + 1
        if scale not in self.scales or not np.allclose(phases, np.arange(1, scale) / scale):
            raise ValueError(f"phases are {list(phases)}, there are graphs for {self.scales}")
        if equal(previous, current):
            for out in outs:
                np.copyto(out, current)
            return
        if self._newer.holds(previous) or self._older.holds(current):
            self._older, self._newer = self._newer, self._older
        for held, frame in ((self._older, previous), (self._newer, current)):
            if not held.holds(frame):
                self._take(held, frame)
        self._graphs.run(scale, self._older.place, self._newer.place, outs)

    def _take(self, held: "_Held", frame: Image) -> None:
        held.take(frame)
        self._graphs.take(held.picture, held.place)


class _Held:
    """One of the two frames that are known, and where on the device that is."""

    def __init__(self, shape: tuple[int, ...], place: int) -> None:
        self.picture: Image = np.zeros(shape, np.uint8)
        self.place = place
        self._known = False

    def holds(self, frame: Image) -> bool:
        """Whether this is about a frame with the same content."""
        return self._known and equal(self.picture, frame)

    def take(self, frame: Image) -> None:
        """Forget the frame before; a copy, as a ring's slot is filled again."""
        np.copyto(self.picture, frame)
        self._known = True


class _Split:
    """Our graphs: one that looks at a frame, and one for each scale."""

    def __init__(self, frame: Engine, between: dict[int, Engine], backend: Backend) -> None:
        self._frame, self._between, self._backend = frame, between, backend
        self.shape = frame.inputs["frame"].shape
        self._seen: list[dict[str, Memory]] = [
            {name: backend.allocate(spec) for name, spec in frame.outputs.items()} for _ in range(2)
        ]

    def take(self, picture: Image, place: int) -> None:
        """Look at a picture; on the host it is used where it lies."""
        if self._backend.device == "cpu":
            self._frame.bind("frame", picture)
        else:
            self._frame.memory("frame").write(picture)
        for name, memory in self._seen[place].items():
            self._frame.bind(name, memory)
        self._frame.run()

    def run(self, scale: int, older: int, newer: int, outs: Sequence[Image]) -> None:
        """Make the frames between two that were looked at."""
        engine = self._between[scale]
        for side, place in (("older", older), ("newer", newer)):
            for name, memory in self._seen[place].items():
                engine.bind(f"{side}_{name}", memory)
        for part, out in enumerate(outs, 1):
            engine.bind(f"between_{part}", out)
        engine.run()
        self._backend.finish()


class _Whole:
    """Graphs that take two frames as they are and give all frames of a scale at once."""

    def __init__(self, between: dict[int, Engine], backend: Backend) -> None:
        self._between, self._backend = between, backend
        first = next(iter(between.values()))
        self._inputs = tuple(first.inputs)
        spec = first.inputs[self._inputs[0]]
        if len(self._inputs) != 2 or spec.dtype != "uint8" or spec.shape[-1] != 4:
            raise KeyError(f"it takes {dict(first.inputs)}, not two frames of BGRA bytes")
        self._batch = spec.shape[:-3]  # 1, or nothing
        self.shape = spec.shape[-3:]
        self._given = [backend.allocate(spec) for _ in range(2)]
        self._frames: dict[int, list[Image]] = {}
        for scale, engine in between.items():
            made = {name: np.zeros(spec.shape, np.uint8) for name, spec in engine.outputs.items()}
            for name, array in made.items():
                engine.bind(name, array)
            # One output with all frames, or one for each.
            views = [view for array in made.values() for view in array.reshape(-1, *self.shape)]
            self._frames[scale] = views

    def take(self, picture: Image, place: int) -> None:
        """Upload a picture."""
        self._given[place].write(picture.reshape(*self._batch, *self.shape))

    def run(self, scale: int, older: int, newer: int, outs: Sequence[Image]) -> None:
        """Make the frames and copy them out: the newer one comes with them, unasked."""
        engine = self._between[scale]
        for name, place in zip(self._inputs, (older, newer), strict=True):
            engine.bind(name, self._given[place])
        engine.run()
        self._backend.finish()
        for out, frame in zip(outs, self._frames[scale], strict=False):
            np.copyto(out, frame)
