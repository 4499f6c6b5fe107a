"""Sessions as a user has them: the launcher as a process, its stages, its rings, its log.

Each has a name of its own, usually also a runtime folder. When it has ended, none of its processes,
none of its segments and nothing of its folder may be left.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgpack
import numpy as np
import psutil
import zmq
from numpy.typing import NDArray

from pipeline.client import ask
from shm import Frame, FrameLost, RingReader, Stamp, segment
from shm.session import SessionMissing, read_session
from stages.control import GetStatus, Message
from stages.pose import SIZE

ROOT = Path(__file__).resolve().parent.parent
LAUNCHER = ROOT / "launcher.py"
PIPELINE = ROOT / "tests" / "pipeline.toml"
DEADLINE_S = 20.0
ANY_PORT = "stages.ingest.options.endpoint=tcp://127.0.0.1:0"
# Deaths in these tests are many and on purpose: what a pause that grows is for is tested apart.
QUICK_RESTARTS = (
    "supervisor.restart_pause_s=0.01",
    "supervisor.restart_pause_cap_s=0.01",
    "supervisor.max_restarts=10000",
)

_MARK = "AYATSURI_TEST_SESSION"  # in the environment of all processes of a session

T = TypeVar("T")
_numbers = itertools.count()


def wait_until(condition: Callable[[], T], timeout_s: float = DEADLINE_S, what: str = "") -> T:
    """Return the condition's value once it is true; fail when it was not in time."""
    end = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout_s:g} s: {what or condition}"
        pause.wait(0.01)


def new_session_name() -> str:
    """Return a session name that no other test uses."""
    return f"q{os.getpid() % 100_000}-{next(_numbers)}"


@contextlib.contextmanager
def runtime_folder(path: Path) -> Iterator[None]:
    """Make this process look for sessions in `path` while the block runs."""
    before = os.environ.get("AYATSURI_RUNTIME_DIR")
    os.environ["AYATSURI_RUNTIME_DIR"] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["AYATSURI_RUNTIME_DIR"]
        else:
            os.environ["AYATSURI_RUNTIME_DIR"] = before


def launcher(*arguments: str | Path, runtime: Path, timeout_s: float = 30.0) -> Any:
    """Run a launcher command to its end; the result has its exit code and its output as text."""
    return subprocess.run(
        [sys.executable, LAUNCHER, *arguments],
        env={**os.environ, "AYATSURI_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def processes_of(name: str) -> list[psutil.Process]:
    """Return every living process of a session: launcher, stages, warden."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(_MARK) == name and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def leftovers(runtime: Path, name: str) -> list[str]:
    """Return in words what is left of a session that has ended."""
    left = [f"process {process.pid}: {process.cmdline()}" for process in processes_of(name)]
    left += [f"segment {ring}" for ring in segment.names(f"aya-{name}-")]
    folder = runtime / name
    if folder.exists():
        left.append(f"folder {folder}: {sorted(path.name for path in folder.iterdir())}")
    return left


def assert_nothing_left(runtime: Path, name: str, timeout_s: float = 5.0) -> None:
    """Fail, and clean up, unless everything of a session is gone in time."""
    end = time.monotonic() + timeout_s
    pause = threading.Event()
    while (left := _left(runtime, name)) and time.monotonic() < end:
        pause.wait(0.02)
    for process in processes_of(name):
        with contextlib.suppress(psutil.Error):
            process.kill()
    for ring in segment.names(f"aya-{name}-"):
        segment.unlink(ring)
    assert not left, f"left behind: {left}"


def _left(runtime: Path, name: str) -> list[str]:
    with contextlib.suppress(psutil.Error, OSError):  # it went while we looked
        return leftovers(runtime, name)
    return ["something that was just going"]


class Session:
    """A launcher that was started, and what a test may do with it."""

    def __init__(self, process: "subprocess.Popen[Any]", runtime: Path, name: str) -> None:
        self.process = process
        self.runtime = runtime
        self.name = name
        self.log_file = runtime / f"{name}.log"

    # --- what it says

    @property
    def log(self) -> str:
        """All it has written to its standard error."""
        return self.log_file.read_text("utf-8", errors="replace")

    def content(self) -> dict[str, Any]:
        """Return the session file."""
        with runtime_folder(self.runtime):
            return read_session(self.name)

    def ask(self, request: Message, timeout_s: float = 12.0) -> Any:
        """Send a request as tools do."""
        with runtime_folder(self.runtime):
            return ask(self.name, request, timeout_s)

    def status(self) -> dict[str, Any]:
        """Return the status."""
        found = self.ask(GetStatus())
        assert isinstance(found, dict)
        return found

    def stage(self, name: str) -> dict[str, Any]:
        """Return a stage's part of the status."""
        rows: list[dict[str, Any]] = self.status()["stages"]
        return next(row for row in rows if row["name"] == name)

    def counter(self, stage: str, name: str) -> int:
        """Return what a stage has counted, as of its last beat."""
        return int(self.stage(stage)["counters"].get(name, 0))

    def command(self, *arguments: str | Path) -> Any:
        """Run a launcher command for this session."""
        return launcher(*arguments, "--session", self.name, runtime=self.runtime)

    def reader(self, **how: Any) -> RingReader:
        """Open the output ring."""
        return RingReader(self.content()["output"]["segment"], timeout_s=5.0, **how)

    def ring(self, stage: str, port: str = "frames") -> RingReader:
        """Open the ring of one stage."""
        return RingReader(f"aya-{self.name}-{stage}-{port[0]}", timeout_s=5.0)

    # --- what happens to it

    def pid(self, stage: str) -> int | None:
        """Return the process id of a stage, or of the warden."""
        if stage == "warden":
            return next((p.pid for p in processes_of(self.name) if is_warden(p)), None)
        found = self.stage(stage)["pid"]
        return int(found) if found else None

    def send(self, stage: str, number: int) -> int:
        """Send a signal to the stage's process, waiting until there is one; return its id."""
        while True:
            pid = wait_until(lambda: self.pid(stage), what=f"a process of {stage}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                return pid

    def kill(self, stage: str) -> int:
        """Kill the stage's process the hard way; return its id."""
        return self.send(stage, signal.SIGKILL)

    def wait_running(self, timeout_s: float = DEADLINE_S) -> None:
        """Wait until every stage runs."""
        wait_until(lambda: self.status()["state"] == "running", timeout_s, "all stages run")

    def wait_frames(self, timeout_s: float = DEADLINE_S) -> None:
        """Wait for a frame whose pose was measured after this call."""
        with self.reader() as ring:
            next_frame_since(ring, time.perf_counter_ns(), timeout_s)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 10.0) -> int:
        """Send the launcher a signal; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout_s)


def is_warden(process: psutil.Process) -> bool:
    """Whether a process is a session's warden."""
    try:
        return any("warden" in part for part in process.cmdline())
    except psutil.Error:  # it ended just now
        return False


@contextlib.contextmanager
def started_session(
    *overrides: str,
    config: str | Path = PIPELINE,
    name: str | None = None,
    runtime: Path | None = None,
    free_port: bool = True,
    plain: bool = True,
    before: Sequence[str] = (),
    **how: Any,
) -> Iterator[Session]:
    """Start a launcher and end it the hard way if the test has not; check what is left.

    `before` is put before its command line, `how` goes to `subprocess.Popen`.
    """
    with contextlib.ExitStack() as stack:
        if runtime is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="aya-test-"))
            runtime = Path(folder)
        name = name or new_session_name()
        stack.callback(assert_nothing_left, runtime, name)
        command: list[str | Path] = [*before, sys.executable, LAUNCHER]
        command += ["--config", config, "--session", name, *(["--plain"] if plain else [])]
        for override in (*((ANY_PORT,) if free_port else ()), *overrides):
            command += ["--set", override]
        log = stack.enter_context((runtime / f"{name}.log").open("wb"))
        how = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **how}
        how["env"] = {**os.environ, "AYATSURI_RUNTIME_DIR": str(runtime), _MARK: name}
        process = subprocess.Popen(command, **how)
        stack.callback(_end_hard, process)
        yield Session(process, runtime, name)


def _end_hard(process: "subprocess.Popen[Any]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait(DEADLINE_S)


@contextlib.contextmanager
def running_session(*overrides: str, end: bool = True, **how: Any) -> Iterator[Session]:
    """A session whose stages all run and whose frames come; ended in order after the test.

    `end=False` leaves the end to the test.
    """
    with started_session(*overrides, **how) as session:
        try:
            wait_until(lambda: _has_file(session), what="a session file")
            session.wait_running()
            session.wait_frames()
        except BaseException as error:
            error.add_note(session.log)
            raise
        yield session
        if end:
            assert session.end() == 0, session.log


def _has_file(session: Session) -> bool:
    assert session.process.poll() is None, f"it ended:\n{session.log}"
    try:
        return bool(session.content()["pid"] == session.process.pid)
    except SessionMissing:  # or that of one that died
        return False


# --- frames


def frames(ring: RingReader, count: int, timeout_s: float = DEADLINE_S) -> Iterator[Frame]:
    """Yield so many frames in order."""
    end = time.monotonic() + timeout_s
    while count:
        assert time.monotonic() < end, f"{count} frames are missing after {timeout_s:g} s"
        frame = ring.next(0.5)
        if frame is not None:
            count -= 1
            yield frame


def stamps(ring: RingReader, count: int, timeout_s: float = DEADLINE_S) -> list[Stamp]:
    """Return the stamps of so many frames, in order; one overwritten meanwhile is left out."""
    found: list[Stamp] = []
    for frame in frames(ring, count, timeout_s):
        with contextlib.suppress(FrameLost):
            found.append(frame.stamp)
    return found


def stamp_when(
    ring: RingReader, condition: Callable[[Stamp], bool], timeout_s: float = DEADLINE_S
) -> Stamp:
    """Return the first stamp for which the condition is true; fail if none comes in time."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        frame = ring.next(0.2)
        if frame is None:
            continue
        with contextlib.suppress(FrameLost):
            stamp = frame.stamp
            if condition(stamp):
                return stamp
    raise AssertionError(f"no such frame in {timeout_s:g} s")


def next_frame_since(ring: RingReader, since_ns: int, timeout_s: float = DEADLINE_S) -> Stamp:
    """Wait for a frame whose pose was measured after `since_ns`."""
    return stamp_when(ring, lambda stamp: stamp.captured_ns > since_ns, timeout_s)


def order(stamp: Stamp) -> tuple[int, float]:
    """Return a frame's place in the movement: its pose, and how far on the way to it."""
    phase = stamp.phase_numerator / stamp.phase_denominator if stamp.phase_denominator else 1.0
    return stamp.pose_sequence, phase


# --- poses


class Publisher:
    """Sends poses as a tracker does."""

    def __init__(self, session: Session) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)  # a PUB that hears of its subscribers
        self._socket.linger = 0
        self._socket.connect(session.content()["endpoints"]["poses"])
        assert self._socket.poll(5000), "the session does not accept poses"

    def send(self, pose: Any, **more: Any) -> None:
        """Send a pose in a map, as float32 bytes unless it is a list."""
        packed = pose if isinstance(pose, list) else np.asarray(pose, "<f4").tobytes()
        self.send_raw(msgpack.packb({"pose": packed, **more}))

    def send_raw(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.send(data)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
        self._context.term()

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def pose(**values: float) -> NDArray[np.float32]:
    """Return the neutral pose but for the parameters named."""
    from stages.pose import INDEX

    made = np.zeros(SIZE, np.float32)
    for name, value in values.items():
        made[INDEX[name]] = value
    return made
