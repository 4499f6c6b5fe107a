"""What a running session is told: pause, restart, reload, stop."""

import json
import re

import pytest
from sessions import launcher, next_frame_since, running_session, stamp_when, wait_until

from shm.clock import now_ns

# --- pause


def test_paused_session_holds_the_picture_until_resumed(changeable):
    session, _ = changeable
    assert session.command("pause").returncode == 0
    wait_until(lambda: session.status()["state"] == "paused")
    with session.reader() as ring:
        while ring.newest(0.3) is not None:
            pass
        assert ring.next(0.5) is None
        assert ring.latest() is not None
        assert session.command("resume").returncode == 0
        next_frame_since(ring, now_ns())
    session.wait_running()


def test_stage_killed_while_paused_comes_back_paused(changeable):
    session, _ = changeable
    session.command("pause")
    wait_until(lambda: session.status()["state"] == "paused")
    before = session.kill("ingest")
    wait_until(lambda: session.pid("ingest") not in (None, before))
    wait_until(lambda: session.status()["state"] == "paused")
    with session.reader() as ring:
        while ring.newest(0.3) is not None:
            pass
        assert ring.next(0.5) is None
    session.command("resume")
    session.wait_running()


def test_pause_reaches_a_stage_that_is_just_starting(changeable):
    session, _ = changeable
    session.kill("ingest")
    wait_until(lambda: session.stage("ingest")["state"] == "starting")
    session.command("pause")
    wait_until(lambda: session.status()["state"] == "paused", what="all stages paused")
    session.command("resume")
    session.wait_running()


# --- restart


def test_restarted_stage_is_another_process(changeable):
    session, _ = changeable
    before = session.stage("interpolation")
    assert session.command("restart", "interpolation").returncode == 0
    wait_until(lambda: session.pid("interpolation") not in (None, before["pid"]))
    session.wait_running()
    assert session.stage("interpolation")["restarts"] == before["restarts"] + 1


def test_restart_of_an_unknown_stage_is_refused_with_the_names(changeable):
    session, _ = changeable
    done = session.command("restart", "nobody")
    assert done.returncode == 1
    assert "ingest, cacher, avatar, interpolation" in done.stderr


# --- reload


def test_reload_takes_over_another_scale_without_a_restart(changeable):
    session, path = changeable
    stages = ("cacher", "interpolation")  # the cacher looks up what the interpolation shows
    restarts = [session.stage(name)["restarts"] for name in stages]
    path.write_text(path.read_text().replace("scale = 2", "scale = 3"))
    done = session.command("reload")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"changed": list(stages)}
    with session.reader() as ring:
        stamp_when(ring, lambda s: (s.phase_numerator, s.phase_denominator) == (2, 3))
    assert [session.stage(name)["restarts"] for name in stages] == restarts


def test_reload_reaches_a_stage_that_is_just_starting(changeable):
    session, path = changeable
    session.kill("interpolation")
    wait_until(lambda: session.stage("interpolation")["state"] == "starting")
    path.write_text(path.read_text().replace("scale = 3", "scale = 4"))
    assert session.command("reload").returncode == 0
    with session.reader() as ring:
        stamp_when(ring, lambda s: (s.phase_numerator, s.phase_denominator) == (3, 4))


def test_reload_of_what_a_stage_takes_only_at_start_starts_it_again(changeable):
    session, path = changeable
    before = session.stage("cacher")
    text = path.read_text()
    path.write_text(re.sub(r"ram_gb = \S+", "ram_gb = 0.125", text))
    done = session.command("reload")
    assert json.loads(done.stdout) == {"changed": ["cacher"]}
    wait_until(lambda: session.pid("cacher") not in (None, before["pid"]))
    session.wait_running()
    path.write_text(text)
    session.command("reload")
    session.wait_running()


def test_reload_keeps_the_address_for_poses(changeable):
    session, path = changeable
    address = session.content()["endpoints"]["poses"]
    restarts = session.stage("ingest")["restarts"]
    faster = 'kind = "ingest"\n[stages.options]\nrate_hz = 40.0'
    path.write_text(path.read_text().replace('kind = "ingest"', faster))
    done = session.command("reload")
    assert json.loads(done.stdout) == {"changed": ["ingest"]}
    session.wait_frames()
    assert session.stage("ingest")["restarts"] == restarts
    before = session.kill("ingest")
    wait_until(lambda: session.pid("ingest") not in (None, before))
    session.wait_running()
    assert session.content()["endpoints"]["poses"] == address


def test_reload_of_a_broken_config_is_refused_and_changes_nothing(changeable):
    session, path = changeable
    text = path.read_text()
    path.write_text(text + "\nunknown = 1\n")
    done = session.command("reload")
    path.write_text(text)
    assert done.returncode == 1
    assert "unknown key" in done.stderr
    session.wait_frames()
    assert json.loads(session.command("reload").stdout) == {"changed": []}


def test_reload_of_another_shape_is_refused(changeable):
    session, path = changeable
    text = path.read_text()
    path.write_text(text + '\n[[stages]]\nname = "more"\nkind = "interpolation"\n')
    done = session.command("reload")
    path.write_text(text)
    assert done.returncode == 1
    assert "not taken over" in done.stderr
    session.wait_frames()


# --- stop, and nobody there


def test_stop_ends_the_session_before_it_returns_and_tells_readers():
    with running_session(config="direct", end=False) as session, session.reader() as ring:
        assert not ring.ended
        done = session.command("stop")
        assert done.returncode == 0
        assert ring.ended
        assert not (session.runtime / session.name / "session.json").exists()
        assert session.process.wait(5) == 0
        assert "stopping: asked by a tool" in session.log


@pytest.mark.parametrize("command", ["status", "stop", "pause", "reload"])
def test_command_without_a_session_ends_with_code_4(tmp_path, command):
    done = launcher(command, runtime=tmp_path)
    assert done.returncode == 4
    assert "no session named 'main' is running" in done.stderr
