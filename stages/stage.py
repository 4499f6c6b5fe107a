"""The contract every stage keeps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from msgspec import Struct

from shm.fallback import FallbackReader
from shm.merge import MergedReader
from shm.reader import RingReader
from shm.writer import RingWriter
from stages.meter import Meter


class StartFailed(RuntimeError):
    """The stage can never start as configured: one sentence that says what, where and the mend."""


class CommandRefused(ValueError):
    """The stage does not do what was asked and goes on as before; one sentence that says why."""


@dataclass
class Rings:
    """The rings of one stage, opened by the runner; None where its kind or place has none."""

    poses: FallbackReader | None = None
    frames: MergedReader | None = None
    watched: RingReader | None = None
    watched_between: RingReader | None = None
    gives_poses: RingWriter | None = None
    gives_frames: RingWriter | None = None

    def close(self) -> None:
        """Let every ring go."""
        watched = (self.watched, self.watched_between)
        for ring in (self.poses, self.frames, *watched, self.gives_poses, self.gives_frames):
            if ring is not None:
                ring.close()


class Stage(ABC):
    """Frames in, frames out. The runner owns the loop, the rings, the signals and the beat.

    One process, one thread, this order: `open` once, `begin` once, `step` again and again, `close`
    once, also after an error. Commands come between two steps.
    """

    options_type: ClassVar[type[Struct]]
    session = ""  # the name of the session it works for, set before `open`

    def __init__(self, options: Any, threads: int, meter: Meter) -> None:
        self.options = options
        self.threads = threads
        self.meter = meter
        self.notes: list[str] = []  # what the user should know of how it was opened
        self.endpoints: dict[str, str] = {}  # addresses it has bound, by name
        self.settled: dict[str, Any] = {}  # options as it chose them, kept over a restart

    def open(self) -> None:  # noqa: B027 - many have nothing to load
        """Load and warm up; may take seconds. Raise `StartFailed` if it can never work."""

    @abstractmethod
    def begin(self, rings: Rings) -> None:
        """Take the rings; from here on others count on this stage."""

    @abstractmethod
    def step(self, timeout_s: float) -> None:
        """Wait for input at most `timeout_s`, work it off. An exception ends the process."""

    def close(self) -> None:  # noqa: B027 - many have nothing to close
        """Give back what `open` took."""

    def set_image(self, image: bytes) -> None:
        """Show another character. Raises `CommandRefused`."""
        raise CommandRefused("this stage shows no character")

    def set_options(self, options: Any) -> None:
        """Take over changed options while running. Raises `CommandRefused`."""
        raise CommandRefused("this stage takes its options only when it starts")

    def set_paused(self, paused: bool) -> None:  # noqa: B027 - only sources have to do something
        """Stop or go on giving poses; whoever only answers has nothing to do."""
