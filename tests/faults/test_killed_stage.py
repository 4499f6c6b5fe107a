"""Stages that are killed or hang: the picture goes on, or the session ends with a reason."""

import random
import re
import shutil
import signal

from sessions import QUICK_RESTARTS, ROOT, next_frame_since, running_session, stamps, wait_until

from shm.clock import now_ns

STAGES = ("ingest", "cacher", "avatar", "interpolation")
ROUNDS = 50
RESUME_S = 2.0  # what the product promises


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
