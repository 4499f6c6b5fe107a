"""Stages that take frames out of the pipeline: what they read, and what they do not change."""

import pytest

from pipeline import topology
from pipeline.places import ConfigError

GATE = ("ingest", "cacher", "avatar", "interpolation")


@pytest.fixture
def compose(tmp_path):
    """Return a function that fits stages written as tables of their keys, a kind or a dict."""

    def compose_stages(*stages, head=""):
        tables = [{"kind": stage} if isinstance(stage, str) else stage for stage in stages]
        text = head
        for table in tables:
            lines = {"name": table["kind"], **table}.items()
            text += "[[stages]]\n" + "".join(f'{key} = "{value}"\n' for key, value in lines)
        path = tmp_path / "my.toml"
        path.write_text(text)
        return topology.compose(path, cores=4)[1]

    return compose_stages


def stage(found, name):
    return next(plan for plan in found.stages if plan.name == name)


def test_sink_reads_the_output_and_is_none(compose):
    found = compose(*GATE, "page")
    assert found.output_stage == "interpolation"
    assert stage(found, "page").frames == (found.output,)
    assert (stage(found, "page").gives_frames, stage(found, "page").gives_poses) == (None, None)


def test_sink_reads_the_join_that_is_added_before_it(compose):
    found = compose("ingest", "cacher", "avatar", "page")
    names = [plan.name for plan in found.stages]
    assert names == ["ingest", "cacher", "avatar", "join", "page"]
    assert stage(found, "page").frames == ("aya-main-join-f",)


def test_sink_in_the_middle_of_the_file_changes_nothing_for_the_others(compose):
    found = compose("ingest", "page", "cacher", "avatar", "interpolation")
    assert [plan.name for plan in found.stages] == [*GATE, "page"]
    assert stage(found, "page").frames == (found.output,)


def test_several_sinks_read_the_same_ring(compose):
    found = compose(*GATE, "page", {"name": "second", "kind": "page"})
    assert stage(found, "page").frames == stage(found, "second").frames == (found.output,)


def test_sink_follows_the_output_that_the_session_names(compose):
    head = '[session]\noutput = "avatar"\n'
    found = compose("ingest", "avatar", "interpolation", "page", head=head)
    assert stage(found, "page").frames == ("aya-main-avatar-f",)


def test_sink_may_name_another_stage(compose):
    found = compose(*GATE, {"kind": "page", "input": "avatar"})
    assert found.output_stage == "interpolation"
    assert set(stage(found, "page").frames) == {"aya-main-avatar-f", "aya-main-cacher-f"}


def test_sink_that_names_the_output_reads_the_join(compose):
    found = compose("ingest", "cacher", "avatar", {"kind": "page", "input": "avatar"})
    assert stage(found, "page").frames == ("aya-main-join-f",)


def test_sink_cannot_be_the_output(compose):
    with pytest.raises(ConfigError, match="a stage that gives frames: avatar, interpolation"):
        compose(*GATE, "page", head='[session]\noutput = "page"\n')


def test_no_stage_can_read_a_sink(compose):
    with pytest.raises(ConfigError, match="gives nothing"):
        compose("ingest", "avatar", "page", {"kind": "interpolation", "input": "page"})


def test_nobody_complains_that_a_sink_is_not_read(compose):
    assert compose(*GATE, "page").notes == ()
