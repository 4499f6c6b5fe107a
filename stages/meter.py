"""What a stage counts and times between two beats; nothing here allocates per frame."""

import os
import sys
from pathlib import Path
from typing import Final

import numpy as np

from shm.clock import now_ns
from stages.control import Beat

_KEPT: Final = 512  # times kept of each name: some seconds' worth


class Span:
    """The last `_KEPT` durations of one kind."""

    def __init__(self) -> None:
        self._times = np.zeros(_KEPT, np.int64)
        self._count = 0

    def add(self, duration_ns: int) -> None:
        """Keep one duration."""
        self._times[self._count % _KEPT] = duration_ns
        self._count += 1

    def quantiles_ms(self) -> tuple[float, float] | None:
        """Return p50 and p99 in milliseconds since the last call, None if there is nothing new."""
        if not self._count:
            return None
        p50, p99 = np.percentile(self._times[: min(self._count, _KEPT)], (50, 99)) / 1e6
        self._count = 0
        return float(p50), float(p99)


class Meter:
    """Counters and times of one stage. `counters` may be added to directly."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {"frames_out": 0, "dropped": 0}
        self.hop = Span()  # published here minus published by the stage before
        self.age = Span()  # published here minus captured
        self.work = Span()  # what the stage itself took for a frame
        self.lateness = Span()  # published minus due, where a stage paces
        self.others: dict[str, Span] = {}  # of one kind of stage alone
        self._reported_ns = now_ns()
        self._reported_out = 0

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] = self.counters.get(name, 0) + amount

    def published(self, captured_ns: int, input_ns: int) -> None:
        """Note a frame just published: when its pose was measured, when its input was given."""
        now = now_ns()
        self.counters["frames_out"] += 1
        self.age.add(now - captured_ns)
        self.hop.add(now - input_ns)

    def beat(self, stage: str, paused: bool) -> Beat:
        """Return what the supervisor is told, and begin anew."""
        now = now_ns()
        out = self.counters["frames_out"]
        seconds = max(1, now - self._reported_ns) / 1e9
        rate = (out - self._reported_out) / seconds
        self._reported_ns, self._reported_out = now, out
        spans = {"hop": self.hop, "age": self.age, "work": self.work, "lateness": self.lateness}
        spans |= self.others
        times = {name: span.quantiles_ms() for name, span in spans.items()}
        return Beat(
            stage=stage,
            pid=os.getpid(),
            rate_hz=round(rate, 2),
            counters=dict(self.counters),
            times_ms={name: time for name, time in times.items() if time is not None},
            memory_bytes=memory_bytes(),
            paused=paused,
        )


def memory_bytes(pid: int | None = None) -> int:
    """Return a process's resident memory, 0 where the system does not say it cheaply."""
    if sys.platform != "linux":
        return 0
    try:
        pages = int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
