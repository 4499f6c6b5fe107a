"""What can be killed is killed, what can be full is full: the picture goes on, nothing is left."""

import contextlib
import fcntl
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import termios

import psutil
import pytest
import zmq
from sessions import (
    QUICK_RESTARTS,
    ROOT,
    is_warden,
    leftovers,
    next_frame_since,
    processes_of,
    running_session,
    stamps,
    started_session,
    wait_until,
)

from pipeline.session import SessionFolder
from shm import layout, segment
from shm.clock import now_ns
from shm.reader import RingReader, read_word
from stages.stage import StartFailed

STAGES = ("ingest", "cacher", "avatar", "interpolation")
ROUNDS = 50
RESUME_S = 2.0  # what the product promises


# --- a stage dies


def test_frames_resume_within_two_seconds_of_any_death_at_any_moment():
    chance = random.Random(20261120)
    victims = [*STAGES, "warden"] * (ROUNDS // 5)
    chance.shuffle(victims)
    with running_session(*QUICK_RESTARTS) as session, session.reader() as ring:
        for victim in victims:
            stamps(ring, chance.randrange(25))
            session.kill(victim)
            next_frame_since(ring, now_ns(), RESUME_S)
        session.wait_running()
        restarts = {stage["name"]: stage["restarts"] for stage in session.status()["stages"]}
        assert restarts == dict.fromkeys(STAGES, ROUNDS // 5)


def test_frames_come_while_the_cacher_is_dead():
    pauses = ("supervisor.restart_pause_s=30.0", "supervisor.restart_pause_cap_s=30.0")
    with running_session(*pauses) as session, session.reader() as ring:
        first = session.kill("cacher")  # the first restart is at once, the second after the pause
        wait_until(lambda: session.pid("cacher") not in (None, first))
        session.wait_running()
        session.kill("cacher")
        wait_until(lambda: session.stage("cacher")["state"] == "waiting")
        next_frame_since(ring, now_ns(), RESUME_S)
        assert len(stamps(ring, 60)) > 50
        assert session.stage("cacher")["state"] == "waiting"


def test_stopped_stage_counts_as_hung_and_is_replaced():
    with (
        running_session("supervisor.hang_timeout_s=1.0", *QUICK_RESTARTS) as session,
        session.reader() as ring,
    ):
        for stage in STAGES:
            stopped = session.send(stage, signal.SIGSTOP)
            wait_until(lambda s=stage, p=stopped: session.pid(s) not in (None, p))
            next_frame_since(ring, now_ns())
            assert session.log.count(f"{stage} gave no beat for 1 s and is killed") == 1


def test_stages_are_not_blamed_for_a_launcher_that_was_stopped():
    with (
        running_session("supervisor.hang_timeout_s=1.0") as session,
        session.reader() as ring,
    ):
        for _ in range(3):
            session.process.send_signal(signal.SIGSTOP)
            last = now_ns() + 1_500_000_000
            while now_ns() < last:  # the picture goes on without the launcher
                stamps(ring, 5)
            session.process.send_signal(signal.SIGCONT)
            session.wait_running()
        assert [stage["restarts"] for stage in session.status()["stages"]] == [0] * 4, session.log
        assert "is killed" not in session.log, session.log


def test_stage_that_dies_often_waits_longer_each_time():
    with running_session(config="direct") as session:
        for _ in range(4):
            pid = session.kill("avatar")
            wait_until(lambda p=pid: session.pid("avatar") not in (None, p))
        session.wait_running()
        pauses = re.findall(r"starting it again in (\S+) s", session.log)
    assert pauses == ["0.0", "0.1", "0.2", "0.4"]


def test_stage_that_dies_again_and_again_ends_the_session_and_is_named():
    with running_session(
        *QUICK_RESTARTS[:2], "supervisor.max_restarts=2", config="direct", end=False
    ) as session:
        for _ in range(3):
            pid = session.kill("avatar")
            wait_until(lambda p=pid: session.process.poll() or session.pid("avatar") != p)
        assert session.process.wait(10) == 1
        assert "avatar failed: it was killed by signal 9" in session.log
        assert "Traceback" not in session.log


def test_stage_that_can_start_no_more_ends_the_session_with_its_reason(tmp_path):
    picture = tmp_path / "me.png"
    shutil.copy(ROOT / "stages" / "avatar" / "pictures" / "koma.png", picture)
    with running_session(
        f"stages.avatar.options.picture={picture}",
        *QUICK_RESTARTS[:2],
        "supervisor.max_restarts=2",
        config="direct",
        end=False,
    ) as session:
        picture.unlink()
        session.kill("avatar")
        assert session.process.wait(15) == 1
        assert "avatar failed: " in session.log
        assert "me.png" in session.log


def test_taken_address_ends_the_start_with_a_sentence():
    with zmq.Context() as context, context.socket(zmq.SUB) as holder:
        port = holder.bind_to_random_port("tcp://127.0.0.1")
        with started_session(
            f"stages.ingest.options.endpoint=tcp://127.0.0.1:{port}",
            config="direct",
            free_port=False,
        ) as session:
            assert session.process.wait(15) == 3
            assert f"cannot accept poses on tcp://127.0.0.1:{port}" in session.log
            assert "Traceback" not in session.log
            assert "is killed" not in session.log, session.log


def test_picture_that_is_none_ends_the_start_with_a_sentence(tmp_path):
    picture = tmp_path / "me.png"
    picture.write_bytes(b"no picture")
    with started_session(f"stages.avatar.options.picture={picture}", config="direct") as session:
        assert session.process.wait(15) == 3
        assert "avatar failed: " in session.log
        assert "me.png" in session.log
        assert "Traceback" not in session.log


# --- the launcher dies


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


# --- memory and folders


def test_full_shared_memory_is_said_in_a_sentence():
    small = "mount -t tmpfs -o size=6m tmpfs /dev/shm"
    unshare = ["unshare", "--mount", "sh", "-c"]
    with contextlib.suppress(FileNotFoundError):
        probe = subprocess.run([*unshare, small], capture_output=True, check=False)
        if probe.returncode == 0:
            before = [*unshare, f'{small} && exec "$@"', "sh"]
            with started_session(before=before) as session:
                assert session.process.wait(15) == 3
                assert "/dev/shm has" in session.log
                assert "Traceback" not in session.log
            return
    pytest.skip("needs the right to mount: root in a container with CAP_SYS_ADMIN, or in a VM")


def test_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("AYATSURI_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(StartFailed, match="belongs to another user"):
        SessionFolder("mine")


def test_folder_that_cannot_be_made_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AYATSURI_RUNTIME_DIR", str(tmp_path / "file" / "folder"))
    with pytest.raises(StartFailed, match="cannot be made"):
        SessionFolder("mine")


def test_folder_around_the_sessions_keeps_its_rights(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    monkeypatch.setenv("AYATSURI_RUNTIME_DIR", str(shared))
    with SessionFolder("mine") as folder:
        assert folder.path.stat().st_mode & 0o777 == 0o700
    assert shared.stat().st_mode & 0o777 == 0o755


# --- readers


def hold_leases(connection, name):
    """Lease frames of a ring and never give them back."""
    with RingReader(name, leases=4) as ring, contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(ring.lease(ring.newest(5.0)))
        connection.send("held")
        connection.recv()


def holders(ring):
    """Return the process ids in a ring's reader table."""
    first = (layout.READER_TABLE + layout.offsets(layout.READER)["pid"]) // 8
    step = layout.READER_BYTES // 8
    words = [read_word(ring, first + entry * step) for entry in range(layout.READER_COUNT)]
    return [word for word in words if word]


def test_reader_that_dies_with_leases_holds_nothing_up(start):
    with running_session(config="direct") as session, session.reader() as ring:
        child = start(hold_leases, ring.name)
        assert child.receive() == "held"
        assert holders(ring) == [child.process.pid] * 4
        assert len(stamps(ring, 40)) > 30  # it costs the writer slots, and no time
        child.kill()
        wait_until(lambda: not holders(ring), 5.0, "the leases are taken back")
        next_frame_since(ring, now_ns())


def test_reader_that_never_reads_on_holds_nothing_up():
    with (
        running_session(config="direct") as session,
        session.reader(leases=16) as slow,
        session.reader() as ring,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(16):
            frame = slow.newest(5.0)
            with contextlib.suppress(Exception):
                stack.enter_context(slow.lease(frame))
        assert len(stamps(ring, 60)) > 50
        assert session.stage("avatar")["restarts"] == 0
