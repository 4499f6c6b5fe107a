"""What makes the frames in between: the network, or optical flow, and which of them now."""

import hashlib
import logging
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise, repeat
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shm.clock import now_ns
from stages.backends.choice import open_backend
from stages.backends.engine import Backend, BackendMissing, GraphRejected
from stages.interpolation.flow import VERSION, FlowInterpolator
from stages.interpolation.options import InterpolationOptions
from stages.interpolation.rife import RifeInterpolator
from stages.networks.library import models_folder
from stages.networks.pack import PackRejected
from stages.networks.rife_pack import find_rife, look

Image = NDArray[np.uint8]

log = logging.getLogger("interpolation")

# Before frames come, their rate is not known. Trackers give 20 to 30 poses a second.
_USUAL_PERIOD_NS: Final = 50_000_000
_SHARE: Final = 0.9  # of the time there is, so that an accident does not make the next one late
_TRIALS: Final = 3
_WATCHED: Final = 15  # pairs: half of them too slow is not an accident


class Method:
    """Optical flow always, RIFE if it is asked for and there; `kind` is the one in use.

    Under `auto` RIFE is tried when it is opened, and given up for good when it turns out to be
    slower than frames come.
    """

    def __init__(
        self, options: InterpolationOptions, threads: int, height: int, width: int
    ) -> None:
        """Open what `options.method` asks for; takes seconds with a network."""
        self.kind = "flow"
        self.notes: list[str] = []
        self._options = options
        self._flow = FlowInterpolator(height, width)
        self._rife: RifeInterpolator | None = None
        self._backend: Backend | None = None
        self._took: deque[int] = deque(maxlen=_WATCHED)
        self._graphs = b""
        self.rife_ns = 0  # what a pair took in the trial
        if options.method != "flow":
            self._open_rife(options, threads, (height, width))

    def _open_rife(
        self, options: InterpolationOptions, threads: int, size: tuple[int, int]
    ) -> None:
        models = Path(options.models) if options.models else models_folder()
        try:
            pack = find_rife(models, options.version, options.precision, size)
            self._backend = open_backend(
                options.backend, device_id=options.device_id, threads=threads
            )
            self._rife = RifeInterpolator(pack, self._backend)
            self._graphs = look(pack)
        except (PackRejected, BackendMissing, GraphRejected) as error:
            self._say(f"{error}. Until then optical flow makes the frames in between")
            return
        self.kind = "rife"
        name = f"{pack.name} on {self._backend.name}"
        self.rife_ns = self._try(self._rife, max(2, options.scale), size)
        found = f"{name}: {self.rife_ns / 1e6:.0f} ms for the frames between two"
        budget = self._budget_ns(_USUAL_PERIOD_NS)
        if options.method == "auto" and self.rife_ns > budget:
            self.kind = "flow"
            found += (
                f", over the {budget / 1e6:.0f} ms there are at the usual rate; "
                "optical flow makes them"
            )
        self.notes.append(found)

    @property
    def how(self) -> int:
        """64 bits that name what makes the frames now, and of which scale; never 0.

        Of a network they are those of its graphs, which say version and precision as well.
        """
        maker = self._graphs if self.kind == "rife" else b"flow %d" % VERSION
        named = maker + b" %d" % self._options.scale
        return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "little") | 1

    def _say(self, sentence: str) -> None:
        if self._options.method == "rife":
            log.warning("%s", sentence)
        else:
            self.notes.append(sentence)

    def _try(self, rife: RifeInterpolator, scale: int, size: tuple[int, int]) -> int:
        """Return how long the frames between two take, the first time left out."""
        if scale not in rife.scales:
            scale = rife.scales[0]
        pictures = [np.full((*size, 4), 40 * n, np.uint8) for n in range(_TRIALS + 2)]
        outs = [np.empty((*size, 4), np.uint8) for _ in range(1, scale)]
        phases = [part / scale for part in range(1, scale)]
        took = []
        for previous, current in pairwise(pictures):
            start = now_ns()
            rife.between(previous, current, phases, outs)
            took.append(now_ns() - start)
        return int(statistics.median(took[1:]))

    def prepare(self, frame: Image) -> None:
        """Work out now what the next `between` needs to know about `frame`."""
        (self._rife if self.kind == "rife" and self._rife else self._flow).prepare(frame)

    def between(self, previous: Image, current: Image, outs: Sequence[Image]) -> None:
        """Write as many frames as there are `outs` at even steps between two."""
        for _ in self.each(previous, current, outs):
            pass

    def each(self, previous: Image, current: Image, outs: Sequence[Image]) -> Iterator[None]:
        """As `between`, but stop after each frame that is written, so that it can be shown.

        Flow makes one after the other, the network all at once.
        """
        parts = len(outs) + 1
        phases = [part / parts for part in range(1, parts)]
        rife = self._rife
        if self.kind == "rife" and rife is not None and parts in rife.scales:
            rife.between(previous, current, phases, outs)
            yield from repeat(None, len(outs))
        else:
            yield from self._flow.each(previous, current, phases, outs)

    def _budget_ns(self, period_ns: int) -> float:
        """Return how long the frames between two may take where frames come every `period_ns`.

        To be shown evenly and the last one at most a period late they must all be there after the
        first step.
        """
        steps = max(2, self._options.scale) if self._options.pacing == "even" else 1
        return _SHARE * period_ns / steps

    def watch(self, took_ns: int, period_ns: int) -> None:
        """Note how long the frames between two took, where they come every `period_ns`."""
        if self.kind != "rife" or self._options.method != "auto" or not period_ns:
            return
        self._took.append(took_ns)
        budget = self._budget_ns(period_ns)
        if len(self._took) < _WATCHED or statistics.median(self._took) <= budget:
            return
        log.warning(
            "RIFE takes %.0f ms for the frames between two, over the %.0f ms there are: optical "
            "flow makes them from here on",
            statistics.median(self._took) / 1e6,
            budget / 1e6,
        )
        self.kind = "flow"

    def use(self, options: InterpolationOptions) -> bool:
        """Take over changed options; return whether that was possible without loading anything."""
        loading = ("models", "version", "precision", "backend", "device_id")
        if any(getattr(options, name) != getattr(self._options, name) for name in loading):
            return False
        before, self._options = self._options, options
        if options.method != before.method:
            if options.method != "flow" and self._rife is None:
                self._options = before
                return False
            slow = self.rife_ns > self._budget_ns(_USUAL_PERIOD_NS)
            keeps_flow = options.method == "flow" or (options.method == "auto" and slow)
            self.kind = "flow" if keeps_flow else "rife"
        self._took.clear()
        return True

    def close(self) -> None:
        """Give the device back."""
        self._rife = None
        if self._backend is not None:
            self._backend.close()
            self._backend = None
