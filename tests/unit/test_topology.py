"""Stages fit together into rings with one writer each, or every reason is given."""

import re
import textwrap

import pytest

from pipeline import topology
from pipeline.catalogue import KINDS
from pipeline.places import ConfigError
from stages.interpolation.options import InterpolationOptions

GATE = "ingest cacher avatar interpolation"


@pytest.fixture
def compose(tmp_path):
    """Return a function that fits stages written as "NAME:KIND<INPUT", KIND and INPUT optional."""

    def compose_stages(stages: str, head: str = "", **extra: str) -> topology.Topology:
        path = tmp_path / "my.toml"
        path.write_text(head + "".join(_table(stage, extra) for stage in stages.split()))
        return topology.compose(path, cores=4)[1]

    return compose_stages


def _table(stage: str, extra: dict[str, str]) -> str:
    name, kind, source = re.fullmatch(r"(\w+)(?::(\w+))?(?:<(\w+))?", stage).groups()
    lines = ["[[stages]]", f'name = "{name}"', f'kind = "{kind or name}"']
    lines += [f'input = "{source}"'] if source else []
    return "\n".join([*lines, extra.get(name, ""), ""])


@pytest.fixture
def reasons(compose):
    """Return a function that gives the problems with which stages are refused, as text."""

    def refuse(*args: str, **extra: str) -> str:
        with pytest.raises(ConfigError) as caught:
            compose(*args, **extra)
        return str(caught.value)

    return refuse


def stage(found: topology.Topology, name: str) -> topology.StagePlan:
    return next(plan for plan in found.stages if plan.name == name)


def test_stages_start_in_the_order_of_the_file(compose):
    assert [plan.name for plan in compose(GATE).stages] == GATE.split()


def test_last_stage_gives_the_output(compose):
    found = compose(GATE)
    assert (found.output_stage, found.output) == ("interpolation", "aya-main-interpolation-f")


def test_avatar_draws_the_misses_and_reads_past_a_dead_cacher(compose):
    assert stage(compose(GATE), "avatar").poses == ("aya-main-cacher-p", "aya-main-ingest-p")


def test_avatar_without_fallback_reads_the_cacher_alone(compose):
    found = compose(GATE, avatar="fallback = false")
    assert stage(found, "avatar").poses == ("aya-main-cacher-p",)


def test_cacher_watches_what_is_made_in_between(compose):
    assert stage(compose(GATE), "cacher").watches_between == "aya-main-interpolation-f"
    alone = compose(GATE.replace("interpolation", ""))
    assert stage(alone, "cacher").watches_between is None


def test_cacher_watches_what_its_avatar_makes(compose):
    assert stage(compose(GATE), "cacher").watches == "aya-main-avatar-f"


def test_stage_behind_the_avatar_reads_hits_and_misses(compose):
    found = stage(compose(GATE), "interpolation")
    assert set(found.frames) == {"aya-main-avatar-f", "aya-main-cacher-f"}


def test_cacher_gives_poses_and_frames(compose):
    found = stage(compose(GATE), "cacher")
    assert (found.gives_poses, found.gives_frames) == ("aya-main-cacher-p", "aya-main-cacher-f")


def test_every_ring_has_one_writer_and_every_reader_a_ring(compose):
    found = compose(GATE + " second:interpolation")
    segments = [ring.segment for ring in found.rings]
    assert len(segments) == len(set(segments))
    read = {name for plan in found.stages for name in (*plan.poses, *plan.frames)}
    assert read <= set(segments)


def test_pose_and_frame_rings_have_their_formats(compose):
    shapes = {ring.port: (ring.format.dtype, ring.format.shape) for ring in compose(GATE).rings}
    assert shapes == {"poses": ("float32", (45,)), "frames": ("uint8", (512, 512, 4))}


def test_join_is_added_where_no_stage_follows_the_avatar_of_a_cacher(compose):
    found = compose("ingest cacher avatar")
    assert found.output == "aya-main-join-f"
    assert set(stage(found, "join").frames) == {"aya-main-avatar-f", "aya-main-cacher-f"}
    assert '"join" was added' in " ".join(found.notes)


def test_added_join_takes_a_name_that_is_free(compose):
    found = compose("join:ingest cacher avatar")
    assert found.output_stage == "join2"


def test_join_is_added_where_the_output_is_an_avatar_that_others_read_too(compose):
    found = compose(GATE, '[session]\noutput = "avatar"\n')
    assert found.output_stage == "join"


def test_no_join_is_added_without_a_cacher(compose):
    found = compose("ingest avatar")
    assert (found.output_stage, len(found.rings)) == ("avatar", 2)


def test_doubled_interpolation_reads_the_first(compose):
    found = compose("ingest avatar a:interpolation b:interpolation")
    assert stage(found, "b").frames == ("aya-main-a-f",)


def test_two_avatars_on_one_ingest_work_with_the_output_named(compose):
    found = compose("ingest a:avatar b:avatar<ingest", '[session]\noutput = "a"\n')
    assert (found.output_stage, len(found.stages)) == ("a", 3)
    assert found.notes == ('no stage reads the frames of "b"',)


def test_stage_may_read_one_that_stands_later(compose):
    found = compose("a:interpolation<avatar ingest avatar")
    assert found.output_stage == "a"


def test_options_reach_the_plan(compose):
    found = compose(GATE, interpolation="options.scale = 3")
    assert stage(found, "interpolation").options == InterpolationOptions(scale=3)


def test_hang_timeout_of_a_stage_comes_before_that_of_the_supervisor(compose):
    found = compose(GATE, "[supervisor]\nhang_timeout_s = 4\n", avatar="hang_timeout_s = 9")
    assert (stage(found, "avatar").hang_timeout_s, stage(found, "cacher").hang_timeout_s) == (9, 4)


def test_start_timeout_is_that_of_the_kind(compose):
    assert stage(compose(GATE), "avatar").start_timeout_s == KINDS["avatar"].start_timeout_s


def test_longest_segment_name_fits_where_names_are_shortest(compose):
    found = compose("ingest i234567890123:avatar", '[session]\nname = "s23456789-"\n')
    assert max(len(ring.segment) for ring in found.rings) == 30


@pytest.mark.parametrize(
    ("head", "avatar", "expected"),
    [
        ("", "", 1),
        ("[supervisor]\nthreads = 8\n", "", 5),
        ("[supervisor]\nthreads = 1\n", "", 1),
        ("[supervisor]\nthreads = 8\n", "threads = 2", 2),
    ],
)
def test_avatar_gets_the_cores_that_are_left(compose, head, avatar, expected):
    found = compose(GATE, head, avatar=avatar)
    assert stage(found, "avatar").threads == expected
    assert (stage(found, "ingest").threads, stage(found, "cacher").threads) == (1, 1)


def test_avatar_that_runs_networks_gets_every_core_and_interpolation_one(compose):
    head = "[supervisor]\nthreads = 2\n"
    found = compose(GATE, head, avatar='options.poser = "tha3"')
    assert [plan.threads for plan in found.stages] == [1, 1, 2, 1]


@pytest.mark.parametrize(
    ("interpolation", "expected"),
    [
        ('options.method = "rife"', 8),
        ('options.method = "auto"', 8),
        ('options.method = "flow"', 2),
        ('options.method = "flow"\nthreads = 1', 1),
        ('options.method = "rife"\nthreads = 3', 3),
    ],
)
def test_interpolation_gets_cores_behind_a_light_avatar(compose, interpolation, expected):
    found = compose(GATE, "[supervisor]\nthreads = 8\n", interpolation=interpolation)
    assert stage(found, "interpolation").threads == expected


def test_avatars_share_the_cores_that_are_left(compose):
    head = '[session]\noutput = "a"\n[supervisor]\nthreads = 8\n'
    found = compose("ingest a:avatar b:avatar<ingest", head)
    assert sorted(plan.threads for plan in found.stages) == [1, 3, 4]


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ("avatar", "no stage gives poses"),
        ("ingest", "no stage gives frames"),
        ("ingest avatar avatar<ingest", "another stage has this name"),
        ("ingest avatar<ingst", "did you mean ingest?"),
        ("ingest avatar<avatar", "cannot read itself"),
        ("ingest a:interpolation<b b:interpolation<a", "a reads b reads a"),
        ("ingest interpolation", 'gives poses, but kind "interpolation" reads frames'),
        ("ingest a:avatar b:avatar", "stages that give poses: ingest"),
        ("ingest avatar cacher", 'gives frames, but kind "cacher" reads poses'),
        ("ingest cacher avatar<ingest", "no avatar reads this cacher"),
        ("ingest cacher a:avatar b:avatar<cacher", 'this one has "a" already'),
        ("ingest a:cacher b:cacher avatar", "a cacher cannot stand behind a cacher"),
        ("ingest cacher avatar i:interpolation<cacher", "a cacher gives only frames it has stored"),
        ("ingest a:avatar b:avatar<ingest", "name one: a, b"),
        ("i:ingest ingest avatar", '"i" has this address'),
        ("ingest avatar b:ingest<avatar", "reads no stage; leave this out"),
    ],
)
def test_impossible_shape_is_refused_with_its_reason(reasons, stages, reason):
    assert reason in reasons(stages)


@pytest.mark.parametrize("output", ["ingest", "cacher", "nobody"])
def test_output_must_be_a_stage_that_gives_all_frames(reasons, output):
    text = reasons(GATE, f'[session]\noutput = "{output}"\n')
    assert "allowed is a stage that gives frames: avatar, interpolation" in text


def test_several_reasons_are_given_at_once_with_their_lines(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(
        textwrap.dedent("""\
            [session]
            output = "avatr"

            [[stages]]
            name = "ingest"
            kind = "ingest"
            slots = 2

            [[stages]]
            name = "avatar"
            kind = "avatar"
            input = "ingst"
        """)
    )
    with pytest.raises(ConfigError) as caught:
        topology.compose(path)
    found = [(problem.place.line, problem.key) for problem in caught.value.problems]
    assert found == [(2, "session.output"), (7, "stages.ingest.slots"), (12, "stages.avatar.input")]


def test_two_ingests_on_free_ports_do_not_meet(compose):
    free = 'options.endpoint = "tcp://127.0.0.1:0"'
    assert compose("i:ingest ingest avatar", i=free, ingest=free)


def test_description_names_every_stage_ring_and_note(compose):
    found = compose("ingest cacher avatar")
    text = topology.describe(found)
    names = [plan.name for plan in found.stages] + [ring.segment for ring in found.rings]
    assert all(name in text for name in (*names, *found.notes))


def test_description_says_who_reads_a_ring_and_when(compose):
    text = topology.describe(compose(GATE))
    assert "ingest        ──poses───▶ cacher, avatar (while cacher is gone)" in text


@pytest.mark.parametrize(
    ("order", "options", "steps"),
    [
        (GATE, {"interpolation": "options.scale = 3"}, 3),
        (GATE, {"cacher": "options.steps = 1"}, 1),
        ("ingest cacher avatar", {}, 1),
    ],
)
def test_cacher_is_told_how_many_steps_an_interpolation_makes(compose, order, options, steps):
    found = compose(order, **options)
    (plan,) = (plan for plan in found.stages if plan.kind == "cacher")
    assert plan.options.steps == steps
