"""What starts and what does not: configs, names, arguments, folders."""

from pathlib import Path

import pytest
from sessions import (
    ANY_PORT,
    LAUNCHER,
    PIPELINE,
    launcher,
    order,
    running_session,
    stamps,
    started_session,
)

from pipeline import config as configs

# --- shipped configs


@pytest.mark.parametrize("name", configs.shipped())
def test_shipped_config_starts_and_shows_frames(name):
    with running_session(config=name) as session, session.reader() as ring:
        found = [order(stamp) for stamp in stamps(ring, 20)]
    assert found == sorted(found)


@pytest.mark.parametrize("name", configs.shipped())
def test_check_says_what_a_shipped_config_would_start(tmp_path, name):
    done = launcher("--config", name, "--check", runtime=tmp_path)
    assert done.returncode == 0
    assert "output: aya-" in done.stdout
    assert not list(tmp_path.iterdir())


# --- configs and arguments of one's own


def test_check_of_a_broken_config_says_all_that_is_wrong(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('[[stages]]\nname = "a"\nkind = "avatr"\n\n[session]\nnam = "x"\n')
    done = launcher("--config", path, "--check", runtime=tmp_path)
    assert done.returncode == 2
    assert "did you mean avatar?" in done.stderr
    assert "did you mean name?" in done.stderr


def test_ring_too_small_for_its_frames_is_refused(tmp_path):
    done = launcher(
        "--check",
        "--config",
        PIPELINE,
        "--set",
        "stages.interpolation.slots=3",
        "--set",
        "stages.interpolation.options.scale=4",
        runtime=tmp_path,
    )
    assert done.returncode == 2
    assert "at least 5" in done.stderr


def test_smallest_ring_allowed_is_large_enough():
    with running_session(
        "stages.interpolation.slots=5", "stages.interpolation.options.scale=4"
    ) as session:
        with session.reader() as ring:
            stamps(ring, 40)
        assert session.stage("interpolation")["restarts"] == 0


def test_broken_config_is_not_started(tmp_path):
    with started_session("stages.avatar.options.picture=missing.png") as session:
        assert session.process.wait(20) == 2
        assert "there is no file" in session.log
        assert "Traceback" not in session.log


def test_launcher_runs_from_any_folder(tmp_path):
    with running_session(config="direct", cwd=tmp_path) as session:
        session.wait_frames()
    assert LAUNCHER.exists()
    assert not Path(tmp_path / "session.json").exists()


def test_wrong_arguments_end_with_code_2(tmp_path):
    assert launcher("--nonsense", runtime=tmp_path).returncode == 2


# --- beside another session


def test_two_sessions_run_side_by_side(session):
    with running_session(config="direct", runtime=session.runtime) as other:
        assert other.content()["output"]["segment"] != session.content()["output"]["segment"]
        session.wait_frames()
        other.wait_frames()
        refused = launcher("status", "--session", "nobody", runtime=session.runtime)
        assert refused.returncode == 4
        assert other.name in refused.stderr
        assert session.name in refused.stderr
    session.wait_frames()


def test_second_session_of_a_name_is_refused_and_the_first_goes_on(session):
    done = launcher(
        "--plain", "--set", ANY_PORT, "--session", session.name, runtime=session.runtime
    )
    assert done.returncode == 3
    assert f'"{session.name}" is running already' in done.stderr
    assert "Traceback" not in done.stderr
    session.wait_frames()
