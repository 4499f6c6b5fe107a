"""Runs the graphs of a model pack one behind the other, on memory that they share.

A part is run again only if what it depends on has changed since it last ran.
"""

import numpy as np
from numpy.typing import NDArray

from stages.backends.engine import Backend, Engine
from stages.networks.pack import POSE_INPUTS, Pack, Part

Image = NDArray[np.uint8]


class Chain:
    """One pack on one back end: a picture once, then a frame per pose."""

    def __init__(self, pack: Pack, backend: Backend) -> None:
        """Load every graph; takes seconds."""
        self._pack = pack
        self._backend = backend
        self.parts: list[tuple[Part, Engine]] = []
        for part in pack.parts:
            engine = backend.load(part.path)
            self._join(part, engine)
            self.parts.append((part, engine))
        self._picture = np.zeros((512, 512, 4), np.uint8)
        self._pose = np.full(45, np.nan, np.float32)
        self._stale = {part.name for part in pack.parts}

    def set_picture(self, picture: Image) -> None:
        """Take another picture, (512, 512, 4) uint8 BGRA; nothing is computed yet."""
        np.copyto(self._picture, picture)
        if not self._pack.clears_transparent:
            self._picture[self._picture[..., 3] == 0] = 0
        self._stale = {part.name for part in self._pack.parts}
        first, engine = self.parts[0]
        engine.memory(first.inputs["picture"]).write(self._picture)

    def draw(self, pose: NDArray[np.float32], frame: Image) -> int:
        """Draw a pose, (45,), into `frame`, (512, 512, 4) BGRA; return how many parts had to run.

        `frame` may be a ring's slot: the last graph writes straight into it.
        """
        changed = ~(pose == self._pose)
        np.copyto(self._pose, pose)
        last, engine = self.parts[-1]
        engine.bind(last.outputs["frame"], frame)
        run, stale = 0, set(self._stale)
        for part, engine in self.parts:
            touched = any(
                changed[POSE_INPUTS[value]].any() for value in part.inputs if value in POSE_INPUTS
            )
            # The last part always runs: its result goes to another place each time.
            if run or touched or part.name in stale or part is last:
                self._run(part, engine)
                run += 1
        self._backend.finish()
        self._stale.clear()
        return run

    def _run(self, part: Part, engine: Engine) -> None:
        for value, name in part.inputs.items():
            if value in POSE_INPUTS:
                engine.memory(name).write(self._pose[None, POSE_INPUTS[value]])
        engine.run()

    def _join(self, part: Part, engine: Engine) -> None:
        """Bind the inputs to the outputs of the parts before that have the same name."""
        made = {
            value: earlier.memory(name)
            for known, earlier in self.parts
            for value, name in known.outputs.items()
        }
        for value, name in part.inputs.items():
            if value in made:
                engine.bind(name, made[value])
