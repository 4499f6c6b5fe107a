"""A stage process's main: its rings, its signals, its loop, its beat.

The supervisor starts `python -m stages.runner`, writes a `StageSpec` to its standard input and
keeps that open: its end means that the supervisor is gone.
"""

import ctypes
import importlib
import logging
import os
import signal
import sys
import threading
import traceback
from typing import Any, Final

import msgpack
import msgspec
import zmq
from msgspec import Struct

from shm.clock import now_ns
from shm.fallback import FallbackReader
from shm.frame import FrameLost
from shm.merge import MergedReader
from shm.reader import RingReader
from shm.writer import RingWriter, WriterAlive
from stages import control
from stages.meter import Meter
from stages.stage import CommandRefused, Rings, Stage, StartFailed

EXIT_STOPPED: Final = 0
EXIT_BROKE: Final = 1
EXIT_START_FAILED: Final = 3
LEVEL_MARK: Final = ": "  # between level and message in what a stage prints

_STEP_S = 0.1  # a stage without input comes back this often to hear commands
_HEAR_NS = 20_000_000  # commands are looked for at most this often
_TAKE_OVER_S = 2.0  # how long a dying predecessor may still hold a ring
_PR_SET_PDEATHSIG = 1

log = logging.getLogger("stage")


class StageSpec(Struct, kw_only=True, frozen=True):
    """All that a stage process is told at its start."""

    session: str
    name: str
    number: int  # its place in the session, 1 first: its mark in the hops of a stamp
    entry: str  # "module:Class"
    options: dict[str, Any]
    poses: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    watches: str | None = None
    watches_between: str | None = None
    gives_poses: str | None = None
    gives_frames: str | None = None
    threads: int = 1
    endpoint: str  # of the supervisor
    beat_s: float = 0.25
    log_level: str = "info"
    paused: bool = False
    parent: int  # process id of the supervisor


def main() -> int:
    """Run one stage until it is stopped; return the exit code."""
    spec = _read_spec()
    _die_with(spec.parent)
    # A receiving thread waits one switch interval for the GIL when another thread computes: 5 ms
    # by default, a third of a frame.
    sys.setswitchinterval(1e-4)
    logging.basicConfig(
        level=spec.log_level.upper(),
        format=f"%(levelname)s{LEVEL_MARK}%(message)s",
        stream=sys.stderr,
    )
    try:
        Runner(spec).run()
    except StartFailed as error:
        print(f"{error}", file=sys.stderr, flush=True)
        return EXIT_START_FAILED
    except Exception:
        # The outermost frame of the process: whatever it was, the supervisor starts us again.
        traceback.print_exc()
        return EXIT_BROKE
    return EXIT_STOPPED


def _read_spec() -> StageSpec:
    length = int.from_bytes(_read_exactly(4), "little")
    return msgspec.convert(msgpack.unpackb(_read_exactly(length)), StageSpec)


def _read_exactly(count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = os.read(0, count - len(data))
        if not chunk:
            raise SystemExit(EXIT_START_FAILED)
        data += chunk
    return data


def _die_with(parent: int) -> None:
    """Make sure that no stage outlives its supervisor, however that ends."""
    for ignored in ("SIGINT", "SIGHUP", "SIGQUIT"):
        # The terminal sends these to everybody; it is the supervisor that ends us, in order.
        if hasattr(signal, ignored):
            signal.signal(getattr(signal, ignored), signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            raise SystemExit(EXIT_STOPPED)
    threading.Thread(target=_wait_for_end_of_input, daemon=True).start()


def _wait_for_end_of_input() -> None:
    # os.read and not sys.stdin: a daemon thread inside a buffered reader breaks the shutdown.
    while os.read(0, 1):
        pass
    os._exit(EXIT_STOPPED)


class Runner:
    """Opens one stage and steps it; hears commands and beats in between."""

    def __init__(self, spec: StageSpec) -> None:
        self.spec = spec
        self.meter = Meter()
        self._stopping = False
        self._paused = spec.paused
        self._next_beat_ns = 0
        self._next_hear_ns = 0
        signal.signal(signal.SIGTERM, self._on_terminate)

    def _on_terminate(self, *_: object) -> None:
        self._stopping = True

    def run(self) -> None:
        """Open, step until stopped, close."""
        with zmq.Context() as context, context.socket(zmq.DEALER) as self._socket:
            self._socket.linger = 200
            self._socket.identity = f"{self.spec.name}/{os.getpid()}".encode()
            self._socket.connect(self.spec.endpoint)
            stage = self._make()
            try:
                stage.open()
                rings = self._open_rings()
                try:
                    self._run_with(stage, rings)
                finally:
                    rings.close()
            finally:
                stage.close()

    def _make(self) -> Stage:
        module, _, name = self.spec.entry.partition(":")
        stage_type = getattr(importlib.import_module(module), name)
        options = msgspec.convert(self.spec.options, stage_type.options_type)
        stage = stage_type(options, self.spec.threads, self.meter)
        stage.session = self.spec.session
        assert isinstance(stage, Stage)
        return stage

    def _open_rings(self) -> Rings:
        spec = self.spec
        return Rings(
            poses=FallbackReader(spec.poses) if spec.poses else None,
            frames=MergedReader(spec.frames) if spec.frames else None,
            watched=RingReader(spec.watches) if spec.watches else None,
            watched_between=RingReader(spec.watches_between) if spec.watches_between else None,
            gives_poses=self._take_over(spec.gives_poses),
            gives_frames=self._take_over(spec.gives_frames),
        )

    def _take_over(self, name: str | None) -> RingWriter | None:
        """Become the writer of a ring; a killed predecessor may need a moment to be gone."""
        if name is None:
            return None
        end = now_ns() + int(_TAKE_OVER_S * 1e9)
        while True:
            try:
                return RingWriter(name, hop=self.spec.number)
            except WriterAlive:
                if now_ns() > end:
                    raise
                threading.Event().wait(0.005)

    def _run_with(self, stage: Stage, rings: Rings) -> None:
        stage.begin(rings)
        if self._paused:
            stage.set_paused(True)
        self._tell(
            control.Ready(
                stage=self.spec.name,
                pid=os.getpid(),
                endpoints=stage.endpoints,
                settled=stage.settled,
                notes=stage.notes,
            )
        )
        while not self._stopping:
            try:
                stage.step(_STEP_S)
            except FrameLost:
                # The writer was a whole ring ahead of us: the newest frame is a better one anyway.
                self.meter.count("lost")
            now = now_ns()
            if now >= self._next_hear_ns:
                self._next_hear_ns = now + _HEAR_NS
                self._hear(stage)
            if now >= self._next_beat_ns:
                self._next_beat_ns = now + int(self.spec.beat_s * 1e9)
                self._beat(rings)

    def _beat(self, rings: Rings) -> None:
        for writer in (rings.gives_poses, rings.gives_frames):
            if writer is not None:
                writer.beat()
        dropped = sum(ring.dropped for ring in (rings.poses, rings.frames) if ring is not None)
        self.meter.counters["dropped"] = dropped
        self._tell(self.meter.beat(self.spec.name, self._paused))

    def _tell(self, message: control.Message) -> None:
        try:
            self._socket.send(control.encode(message), zmq.NOBLOCK)
        except zmq.Again:
            self.meter.count("beats_unsent")  # the supervisor is busy: it will see the next one

    def _hear(self, stage: Stage) -> None:
        while True:
            try:
                data = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            command = control.decode(data, control.Command)
            error = None
            try:
                self._do(stage, command.request)
            except CommandRefused as refused:
                error = str(refused)
            self._tell(control.Done(number=command.number, error=error))

    def _do(self, stage: Stage, request: control.Message) -> None:
        match request:
            case control.Stop():
                self._stopping = True
            case control.Pause() | control.Resume():
                self._paused = isinstance(request, control.Pause)
                stage.set_paused(self._paused)
            case control.SetImage(image=image):
                stage.set_image(image)
            case control.SetOptions(options=options):
                stage.set_options(_options(stage, options))


def _options(stage: Stage, options: dict[str, Any]) -> Any:
    try:
        return msgspec.convert(options, stage.options_type)
    except msgspec.ValidationError as error:
        raise CommandRefused(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
