"""Runs the graphs of a model pack one behind the other, on memory that they share.

A part runs only if its result for its part of the pose is not at hand: the eyebrows depend on the
first 12 parameters, the face on the first 39, what comes before them on the picture alone.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.backends.engine import Backend, Engine, zeros
from stages.networks.pack import POSE_INPUTS, Pack, Part, Reach
from stages.results import Counts, LastResults, Result, ResultCache, Specs

Image = NDArray[np.uint8]

# How many values of a pose a part's results depend on, with those of the parts before it.
_REACH: Final[dict[Reach, int]] = {"picture": 0, "eyebrows": 12, "face": 39, "rotation": 45}
# Whose results are worth keeping: a rotation's are as many as there are frames.
_KEPT: Final = ("eyebrows", "face")


class Chain:
    """One pack on one back end: a picture once, then a frame per pose."""

    def __init__(
        self,
        pack: Pack,
        backend: Backend,
        *,
        cache_bytes: int = 0,
        on_device: bool = True,
        eyebrows: bool = True,
    ) -> None:
        """Load every graph; takes seconds.

        `cache_bytes` may be used for results of eyebrows and face, on the device or else in the
        host's memory; 0 keeps the last ones alone. Without `eyebrows` these rest, and their part
        runs once per picture. Raises `GraphRejected`, and `ValueError` for a cache too small.
        """
        self._pack = pack
        self._backend = backend
        self._eyebrows = eyebrows
        self.parts: list[tuple[Part, Engine]] = []
        for part in pack.parts:
            engine = backend.load(part.path)
            self._join(part, engine)
            self.parts.append((part, engine))
        self._sources = [self._sources_of(part) for part in pack.parts]
        self._picture = np.zeros((512, 512, 4), np.uint8)
        self._pose = np.zeros(45, np.float32)
        self._copies = not on_device and backend.device != "cpu"
        self._results = self._cache(cache_bytes)
        self._shown: dict[int, Result] = {}  # what those behind a part are bound to
        self._fresh: dict[int, bytes] = {}  # for which pose a part that is not kept ran last

    @property
    def counts(self) -> dict[str, Counts]:
        """How often the result for eyebrows and face was wanted and at hand, and wanted and not."""
        return self._results.counts

    @property
    def cached_bytes(self) -> int:
        """What the results at hand take."""
        return self._results.used_bytes

    def set_picture(self, picture: Image) -> None:
        """Take another picture, (512, 512, 4) uint8 BGRA; nothing is computed yet."""
        np.copyto(self._picture, picture)
        if not self._pack.clears_transparent:
            self._picture[self._picture[..., 3] == 0] = 0
        self._forget()
        for part, engine in self.parts:
            if "picture" in part.inputs:
                memory = engine.memory(part.inputs["picture"])
                memory.write(self._picture.reshape(memory.spec.shape))

    def draw(self, pose: NDArray[np.float32], frame: Image) -> int:
        """Draw a pose, (45,), into `frame`, (512, 512, 4) BGRA; return how many parts had to run.

        `frame` may be a ring's slot: the last graph writes straight into it.
        """
        np.add(pose, 0.0, out=self._pose)  # -0.0 is 0.0: the same pose, and the same bytes
        if not self._eyebrows:
            self._pose[POSE_INPUTS["eyebrow_pose"]] = 0.0
        part, engine = self.parts[-1]
        name = part.outputs["frame"]
        engine.bind(name, frame.reshape(engine.outputs[name].shape))
        try:
            needed = self._needed()
            for index in reversed(needed):
                self._run(index)
            self._backend.finish()
        except BaseException:
            self._forget()  # places may have been taken that were never filled
            raise
        return len(needed)

    def _needed(self) -> list[int]:
        """Return which parts must run, last one first.

        Found backwards: a face that is at hand needs no eyebrows.
        """
        last = len(self.parts) - 1
        needed, wanted = [last], set(self._sources[last])
        for index in range(last - 1, -1, -1):
            if index in wanted and not self._at_hand(index):
                needed.append(index)
                wanted |= self._sources[index]
        return needed

    def _at_hand(self, index: int) -> bool:
        """Whether a part need not run; if it must, its result has got a place."""
        part, _ = self.parts[index]
        key = self._pose[: _REACH[part.reach]].tobytes()
        if part.reach not in _KEPT:
            fresh = self._fresh.get(index) == key
            self._fresh[index] = key
            return fresh
        result = self._results.get(part.reach, key)
        at_hand = result is not None
        self._show(index, result or self._results.place(part.reach, key), at_hand)
        return at_hand

    def _show(self, index: int, result: Result, filled: bool) -> None:
        """Let a part write its result there, and those behind it read it from there."""
        if self._shown.get(index) is result:
            return
        self._shown[index] = result
        part, engine = self.parts[index]
        for value, memory in result.memories.items():
            if self._copies:
                if filled:
                    assert memory.host is not None
                    engine.memory(part.outputs[value]).write(memory.host)
                continue
            engine.bind(part.outputs[value], memory)
            for other, reader in self._readers(value):
                reader.bind(other.inputs[value], memory)

    def _run(self, index: int) -> None:
        part, engine = self.parts[index]
        for value, name in part.inputs.items():
            if value in POSE_INPUTS:
                engine.memory(name).write(self._pose[None, POSE_INPUTS[value]])
        engine.run()
        if self._copies and part.reach in _KEPT:
            for value, memory in self._shown[index].memories.items():
                assert memory.host is not None
                engine.memory(part.outputs[value]).read(memory.host)

    def _forget(self) -> None:
        self._results.clear()
        self._shown.clear()
        self._fresh.clear()

    def _cache(self, budget: int) -> ResultCache:
        specs: dict[str, Specs] = {
            part.reach: {
                value: engine.outputs[name]
                for value, name in part.outputs.items()
                if any(self._readers(value))
            }
            for part, engine in self.parts
            if part.reach in _KEPT
        }
        allocate = zeros if self._copies else self._backend.allocate
        if budget <= 0:
            return LastResults(specs, allocate)
        return ResultCache(budget, specs, allocate)

    def _readers(self, value: str) -> Iterator[tuple[Part, Engine]]:
        return ((part, engine) for part, engine in self.parts if value in part.inputs)

    def _sources_of(self, part: Part) -> set[int]:
        return {
            index
            for index, known in enumerate(self._pack.parts)
            if part.inputs.keys() & known.outputs.keys()
        }

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
