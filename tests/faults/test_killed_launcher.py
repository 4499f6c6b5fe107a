"""Launchers and wardens that are killed at any moment: nothing is left, the name is free."""

import contextlib
import signal

import psutil
import pytest
from sessions import is_warden, processes_of, running_session, started_session, wait_until

from shm import segment


def _has_processes(count):
    return lambda session: len(processes_of(session.name)) >= count


def _has_rings(count):
    return lambda session: len(segment.names(f"aya-{session.name}-")) >= count


def _has_path(name):
    return lambda session: (session.runtime / session.name / name).exists()


def _has_said(text):
    return lambda session: text in session.log


MOMENTS = {
    "at once": lambda session: True,
    "before its warden listens": _has_processes(2),
    "with a folder": _has_path(""),
    "with a lock": _has_path("lock"),
    "with one ring": _has_rings(1),
    "with all rings": _has_rings(5),
    "with a session file": _has_path("session.json"),
    "with one stage": _has_processes(3),
    "with all stages": _has_processes(6),
    "with a stage ready": _has_said("is ready"),
    "with the last stage ready": _has_said("cacher is ready"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_launcher_leaves_nothing(moment):
    with started_session() as session:
        wait_until(lambda: MOMENTS[moment](session))
        session.process.kill()
        session.process.wait(5)


@pytest.mark.parametrize("moment", ["with a folder", "with one ring", "with one stage"])
def test_launcher_asked_to_end_while_it_starts_leaves_nothing(moment):
    with started_session() as session:
        wait_until(lambda: MOMENTS[moment](session))
        assert session.end() == 0, session.log
        assert "Traceback" not in session.log
        assert "is killed" not in session.log, session.log


def test_running_launcher_that_is_killed_leaves_nothing():
    with running_session(end=False) as session:
        session.process.kill()
        session.process.wait(5)


def test_launcher_killed_after_its_warden_leaves_nothing():
    with running_session(end=False) as session:
        first = session.kill("warden")
        wait_until(lambda: session.pid("warden") not in (None, first), what="another warden")
        session.process.kill()
        session.process.wait(5)


def test_new_session_of_the_name_may_follow_a_killed_one_at_once(tmp_path):
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            session = stack.enter_context(
                running_session(config="direct", name="again", runtime=tmp_path, end=False)
            )
            session.process.kill()
            session.process.wait(5)
        last = stack.enter_context(
            running_session(config="direct", name="again", runtime=tmp_path, end=False)
        )
        last.wait_frames()
        assert last.end() == 0, last.log


def test_late_warden_leaves_a_new_session_of_the_name_alone(tmp_path):
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(
            running_session(config="direct", name="late", runtime=tmp_path, end=False)
        )
        late = psutil.Process(session.send("warden", signal.SIGSTOP))
        session.process.kill()
        session.process.wait(5)
        after = stack.enter_context(
            running_session(config="direct", name="late", runtime=tmp_path, end=False)
        )
        late.resume()
        late.wait(5)
        after.wait_frames()
        assert after.status()["state"] == "running"
        assert after.end() == 0, after.log


def test_what_a_session_without_its_warden_left_is_removed_by_the_next_start(tmp_path):
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(
            running_session(config="direct", name="stale", runtime=tmp_path, end=False)
        )
        session.process.send_signal(signal.SIGSTOP)  # or it would start another warden
        for process in processes_of("stale"):
            if is_warden(process):
                process.kill()
        session.process.kill()
        session.process.wait(5)
        wait_until(lambda: not processes_of("stale"), what="the stages are gone by themselves")
        assert segment.names("aya-stale-")
        after = stack.enter_context(
            running_session(config="direct", name="stale", runtime=tmp_path, end=False)
        )
        assert "removed the rings of a dead session" in after.log
        assert after.end() == 0
