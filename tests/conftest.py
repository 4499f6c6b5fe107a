"""What every test gets: names of its own, rings and processes that end with it, and a last look.

No test waits for a time: it waits for a message or a state, with a deadline.
"""

import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import psutil
import pytest

from shm import FrameFormat, RingOwner, create_ring, segment
from shm.compiled import LIVE, PURE

DEADLINE_S = 30.0
PREFIX = f"aya-t-{os.getpid()}-"
_numbers = itertools.count()
_spawn = multiprocessing.get_context("spawn")


def _own_children() -> list[psutil.Process]:
    # multiprocessing keeps one resource tracker per process; it ends with us.
    children = psutil.Process().children()
    return [child for child in children if "resource_tracker" not in _command(child)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """After each test: no segment of ours, no child process, no more open files than before."""
    before = set(_own_children())
    yield
    children = [child for child in _own_children() if child not in before]
    _, running = psutil.wait_procs(children, timeout=5)
    for process in running:
        process.kill()
    left = segment.names(PREFIX)
    for name in left:
        segment.unlink(name)
    assert not running, f"processes left: {running}"
    assert not left, f"segments left: {left}"


@pytest.fixture
def new_name() -> Callable[[], str]:
    """Return what makes ring names that nobody else uses."""
    return lambda: f"{PREFIX}{next(_numbers)}"


@pytest.fixture
def name(new_name: Callable[[], str]) -> str:
    """One ring name that nobody else uses."""
    return new_name()


@pytest.fixture
def make_ring(new_name: Callable[[], str]) -> Iterator[Callable[..., RingOwner]]:
    """Return what makes rings; they are closed when the test ends."""
    owners: list[RingOwner] = []

    def make(frame_format: FrameFormat, slots: int = 4, name: str = "") -> RingOwner:
        owner = create_ring(name or new_name(), frame_format, slots)
        owners.append(owner)
        return owner

    yield make
    for owner in owners:
        owner.close()


@pytest.fixture(params=["helper", "python"])
def helper_or_python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let rings of this process and its children use the compiled helper, then do without it."""
    monkeypatch.setenv(PURE, "0" if request.param == "helper" else "1")
    if request.param == "helper" and LIVE.load() is None:
        found = LIVE.find()
        pytest.skip(f"the helper {found.state}; {found.mend} runs this")
    return str(request.param)


class Child:
    """A spawned process that runs `function(connection, *arguments)`, and our end of its pipe."""

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        ours, theirs = _spawn.Pipe()
        self.connection: Connection = ours
        self.process = _spawn.Process(target=function, args=(theirs, *arguments), daemon=True)
        self.process.start()
        theirs.close()

    def receive(self, timeout_s: float = DEADLINE_S) -> Any:
        """Return the child's next message; fail if none comes."""
        assert self.connection.poll(timeout_s), "the child process said nothing"
        return self.connection.recv()

    def send(self, message: Any) -> None:
        """Send the child a message."""
        self.connection.send(message)

    def kill(self) -> None:
        """End it the hard way and wait until it is gone."""
        self.process.kill()
        self.process.join(DEADLINE_S)

    def join(self) -> int | None:
        """Wait until it ends by itself; return its exit code."""
        self.process.join(DEADLINE_S)
        return self.process.exitcode


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Return what starts child processes; those still running when the test ends are killed."""
    children: list[Child] = []

    def begin(function: Callable[..., None], *arguments: Any) -> Child:
        children.append(Child(function, *arguments))
        return children[-1]

    yield begin
    for child in children:
        child.kill()
        child.connection.close()
