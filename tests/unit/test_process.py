"""A stage as the supervisor sees it: when it counts as hung."""

import pytest

from pipeline import process, topology
from pipeline.process import Phase, StageProcess
from stages.control import Beat

BEAT = Beat(stage="avatar", pid=1, rate_hz=0.0, counters={}, times_ms={}, memory_bytes=0)
LOOK_NS = 50_000_000


@pytest.fixture
def clock(monkeypatch):
    """Return the time, as a list of one number of nanoseconds."""
    now = [1_000_000_000]
    monkeypatch.setattr(process, "now_ns", lambda: now[0])
    return now


@pytest.fixture
def stage(clock):
    """A stage that runs, as far as anybody knows, and has just been looked at."""
    config, fitted = topology.compose("direct")
    made = StageProcess(fitted.stages[1], 2, config.supervisor)
    made.phase = Phase.RUNNING
    made.why_kill()
    made.heard(BEAT)
    return made


def looked_at_for(stage, clock, duration_ns):
    """Look at the stage as often as the supervisor does; return its last verdict."""
    end = clock[0] + duration_ns
    verdict = None
    while clock[0] < end:
        clock[0] += LOOK_NS
        verdict = stage.why_kill()
    return verdict


def test_stage_that_is_silent_for_its_timeout_is_to_be_killed(stage, clock):
    assert looked_at_for(stage, clock, 1_900_000_000) is None
    assert looked_at_for(stage, clock, 200_000_000) == "gave no beat for 2 s"


def test_beat_ends_the_silence(stage, clock):
    looked_at_for(stage, clock, 1_900_000_000)
    stage.heard(BEAT)
    assert looked_at_for(stage, clock, 1_900_000_000) is None


def test_time_in_which_the_launcher_was_stopped_is_no_silence(stage, clock):
    clock[0] += 3_600_000_000_000
    assert stage.why_kill() is None
    assert looked_at_for(stage, clock, 1_600_000_000) is None


def test_stage_that_starts_has_its_own_timeout(stage, clock):
    stage.phase = Phase.STARTING
    stage.heard(BEAT)
    assert looked_at_for(stage, clock, 59_000_000_000) is None
    assert looked_at_for(stage, clock, 2_000_000_000) == "was not ready after 60 s"
