"""Signals, closed terminals and closed outputs: a session ends in order, or goes on."""

import fcntl
import os
import pty
import signal
import subprocess
import termios

import pytest
from sessions import leftovers, running_session, stamps, wait_until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_session_in_order(number):
    with running_session(config="direct", end=False) as session:
        assert session.end(number) == 0
        assert f"stopping: {number.name}" in session.log
        assert not leftovers(session.runtime, session.name)


def test_impatient_second_signal_leaves_nothing_either():
    with running_session(end=False) as session:
        for _ in range(3):
            session.process.send_signal(signal.SIGINT)
        assert session.process.wait(10) == 0
        assert "Traceback" not in session.log


def test_session_under_nohup_outlives_its_terminal():
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with (
        running_session(config="direct", preexec_fn=ignore) as session,
        session.reader() as ring,
    ):
        session.process.send_signal(signal.SIGHUP)
        stamps(ring, 30)
        assert session.status()["state"] == "running"
        assert "stopping" not in session.log


@pytest.mark.parametrize("plain", [True, False], ids=["log lines", "live table"])
def test_closed_terminal_ends_the_session(plain):
    master, slave = pty.openpty()

    def own_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with running_session(
        config="direct",
        plain=plain,
        end=False,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=own_terminal,
    ) as session:
        os.close(slave)
        session.wait_frames()
        os.close(master)
        assert session.process.wait(10) == 0


@pytest.mark.parametrize("closed", ["closed", "a broken pipe"])
def test_session_needs_no_output(closed):
    if closed == "closed":
        how = {"preexec_fn": lambda: os.closerange(0, 3), "stdin": None}
        how |= {"stdout": None, "stderr": None}
    else:
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with running_session(config="direct", end=False, **how) as session:
        if session.process.stdout:
            session.process.stdout.close()
        pid = session.kill("avatar")  # something to say
        wait_until(lambda: session.pid("avatar") not in (None, pid))
        session.wait_frames()
        assert session.end() == 0
