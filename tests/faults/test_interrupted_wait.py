"""A signal during a wait: Ctrl-C is raised in the reader, other signals let it wait on."""

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from rings import SMALL, MakeRing, Start, linux_only, some
from sessions import wait_until

from shm import RingReader, RingWriter, Stamp

pytestmark = [linux_only, pytest.mark.usefixtures("helper_or_python")]
LONG_S = 3600.0


def wait_for_a_frame(connection: Connection, name: str, predict: bool) -> None:
    """Wait; tell of signals, and of what ended the wait."""
    signal.signal(signal.SIGUSR1, lambda *_: connection.send("signal"))
    with RingReader(name, predict=predict) as reader:
        connection.send("ready")
        try:
            connection.send(some(reader.newest(LONG_S)).sequence)
        except KeyboardInterrupt:
            connection.send("interrupted")


def _until_asleep(pid: int) -> None:
    stat = Path(f"/proc/{pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S")


@pytest.mark.parametrize("predict", [False, True])
def test_interrupt_ends_a_wait(make_ring: MakeRing, start: Start, predict: bool) -> None:
    child = start(wait_for_a_frame, make_ring(SMALL).name, predict)
    assert child.receive() == "ready"
    _until_asleep(child.process.pid)
    os.kill(child.process.pid, signal.SIGINT)
    assert child.receive() == "interrupted"
    assert child.join() == 0


def test_handled_signal_lets_the_wait_go_on(make_ring: MakeRing, start: Start) -> None:
    owner = make_ring(SMALL)
    child = start(wait_for_a_frame, owner.name, False)
    assert child.receive() == "ready"
    for _ in range(3):
        _until_asleep(child.process.pid)
        os.kill(child.process.pid, signal.SIGUSR1)
        assert child.receive() == "signal"
    with RingWriter(owner.name) as writer:
        writer.publish(writer.loan(Stamp()))
    assert child.receive() == 1
