"""A config file becomes typed values, or every problem at its line."""

import textwrap
from pathlib import Path

import pytest

from pipeline import config, reference
from pipeline.places import Places
from stages.avatar.options import AvatarOptions
from stages.cacher.options import CacherOptions
from stages.interpolation.options import InterpolationOptions

SMALL = """
    [[stages]]
    name = "ingest"
    kind = "ingest"

    [[stages]]
    name = "avatar"
    kind = "avatar"
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a config and returns its path."""

    def write_text(text: str) -> Path:
        path = tmp_path / "my.toml"
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    return write_text


def refused(path: Path, *overrides: str) -> tuple[config.Problem, ...]:
    """Return the problems with which a config is refused."""
    with pytest.raises(config.ConfigError) as caught:
        config.load(path, overrides)
    return caught.value.problems


def test_left_out_values_get_their_defaults(write):
    loaded = config.load(write(SMALL))
    assert loaded.session.name == "main"
    assert loaded.supervisor.hang_timeout_s == 2.0
    assert loaded.stages[1].slots == 8
    assert loaded.stages[1].options == AvatarOptions()


def test_whole_number_is_taken_for_a_number(write):
    loaded = config.load(write("[supervisor]\nhang_timeout_s = 3\n" + textwrap.dedent(SMALL)))
    assert loaded.supervisor.hang_timeout_s == 3.0


def test_options_get_the_type_of_the_kind(write):
    text = SMALL + '\n    [[stages]]\n    name = "x"\n    kind = "interpolation"\n'
    loaded = config.load(write(text + "    options = { scale = 3 }\n"))
    assert loaded.stages[2].options == InterpolationOptions(scale=3)


MISTAKES = """\
[session]
nam = "x"
log_level = "loud"

[supervisr]
beat_s = 1

[supervisor]
# A comment and a value of several lines before the next mistake.
max_restarts = [
  1,
  2,
]
restart_window_s = inf

[[stages]]
name = "ingest"
kind = "ingest"
options = { endpoint = "localhost" }

[[stages]]
kind = "avtar"

[[stages]]
name = "Two words"
kind = "interpolation"
slots = 2
fallback = "yes"

[stages.options]
scale = 9
"pacing" = '''
even'''
methd = "flow"
"""


def test_several_mistakes_are_all_reported_with_their_lines(write):
    found = {(problem.place.line, problem.key) for problem in refused(write(MISTAKES))}
    assert found == {
        (2, "session.nam"),
        (3, "session.log_level"),
        (5, "supervisr"),
        (10, "supervisor.max_restarts"),
        (14, "supervisor.restart_window_s"),
        (19, "stages.ingest.options.endpoint"),
        (21, "stages[1].name"),
        (22, "stages[1].kind"),
        (25, "stages.Two words.name"),
        (27, "stages.Two words.slots"),
        (28, "stages.Two words.fallback"),
        (31, "stages.Two words.options.scale"),
        (34, "stages.Two words.options.methd"),
    }


def test_problems_are_in_the_order_of_the_file(write):
    lines = [problem.place.line for problem in refused(write(MISTAKES))]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("nam", "name"), ("supervisr", "supervisor"), ("avtar", "avatar"), ("methd", "method")],
)
def test_nearest_right_name_is_given_for(write, wrong, right):
    found = refused(write(MISTAKES))
    (problem,) = (p for p in found if p.key.endswith(wrong) or p.value == f'"{wrong}"')
    assert f"did you mean {right}?" in problem.message


def test_problem_names_file_line_key_value_and_what_is_allowed(write):
    path = write(SMALL + "    slots = 2\n")
    (problem,) = refused(path)
    expected = "stages.avatar.slots = 2: allowed is a whole number from 3 to 64"
    assert str(problem) == f"{path}:9: {expected}"


def test_syntax_error_is_reported_at_its_line(write):
    (problem,) = refused(write("[session]\nname = \n"))
    assert problem.place.line == 2


def test_unfinished_text_is_reported_at_its_last_line(write):
    (problem,) = refused(write("[session]\nname = [\n"))
    assert problem.place.line == 3


def test_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "my.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in refused(path)[0].message


def test_byte_order_mark_is_passed_over(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(textwrap.dedent(SMALL), "utf-8-sig")
    assert len(config.load(path).stages) == 2


def test_windows_line_ends_do_not_shift_lines(tmp_path):
    path = tmp_path / "my.toml"
    path.write_bytes(MISTAKES.replace("\n", "\r\n").encode())
    assert {problem.place.line for problem in refused(path)} >= {2, 10, 34}


@pytest.mark.parametrize("text", ["", "stages = 3", "[stages]\nname = 'x'", "stages = []"])
def test_config_without_a_list_of_stages_is_refused(write, text):
    assert "[[stages]]" in refused(write(text))[0].message


@pytest.mark.parametrize("text", ["session = 3", "session = []", "stages = ['avatar']"])
def test_value_in_place_of_a_table_is_refused(write, text):
    assert any("is a table" in problem.message for problem in refused(write(text)))


def test_number_that_is_not_finite_is_refused(write):
    (problem,) = refused(write("[supervisor]\nbeat_s = nan\n" + textwrap.dedent(SMALL)))
    assert problem.value == "nan"


def test_hang_timeout_must_leave_room_for_a_late_beat(write):
    (problem,) = refused(write(SMALL + "    hang_timeout_s = 0.3\n"))
    assert problem.key == "stages.avatar.hang_timeout_s"


def test_restart_pause_cannot_exceed_its_cap(write):
    text = "[supervisor]\nrestart_pause_s = 9\n" + textwrap.dedent(SMALL)
    (problem,) = refused(write(text))
    assert problem.key == "supervisor.restart_pause_cap_s"


def test_file_is_found_relative_to_the_config(write, tmp_path):
    (tmp_path / "me.png").touch()
    loaded = config.load(write(SMALL + "    options.picture = 'me.png'\n"))
    assert loaded.stages[1].options == AvatarOptions(picture=str(tmp_path.resolve() / "me.png"))


def test_bare_name_of_a_picture_is_left_as_it_is(write):
    loaded = config.load(write(SMALL + "    options.picture = 'ito'\n"))
    assert loaded.stages[1].options == AvatarOptions(picture="ito")


def test_missing_file_is_refused_with_the_path_it_was_looked_for_at(write, tmp_path):
    (problem,) = refused(write(SMALL + "    options.picture = 'gone.png'\n"))
    assert str(tmp_path.resolve() / "gone.png") in problem.message


def test_override_sets_a_value_of_a_stage_by_its_name(write):
    loaded = config.load(write(SMALL), ["stages.avatar.slots=5", "supervisor.threads=3"])
    assert (loaded.stages[1].slots, loaded.supervisor.threads) == (5, 3)


def test_override_takes_text_without_quotes(write):
    assert config.load(write(SMALL), ["session.name=second"]).session.name == "second"


def test_override_replaces_what_the_file_says(write):
    text = SMALL + "    [stages.options]\n    picture = 'gone.png'\n"
    assert config.load(write(text), ["stages.avatar.options.picture=ito"])


def test_override_below_a_value_that_is_no_table_makes_it_one(write):
    loaded = config.load(write("session = []\n" + textwrap.dedent(SMALL)), ["session.name=x"])
    assert loaded.session.name == "x"


def test_refused_override_names_itself_and_not_a_line_of_the_file(write):
    override = "stages.avatar.slots=2"
    (problem,) = refused(write(SMALL + "    slots = 4\n"), override)
    assert str(problem.place) == f"--set {override}"


@pytest.mark.parametrize("override", ["slots", "=3", "stages..slots=3", "stages.avatr.slots=3"])
def test_override_that_addresses_nothing_is_refused(write, override):
    (problem,) = refused(write(SMALL), override)
    assert problem.place.source == f"--set {override}"


def test_override_of_unknown_stage_names_the_nearest(write):
    (problem,) = refused(write(SMALL), "stages.avatr.slots=3")
    assert "did you mean avatar?" in problem.message


def test_shipped_config_is_found_by_its_bare_name():
    assert config.find("default") == config.SHIPPED / "default.toml"


def test_unknown_name_lists_the_shipped_configs():
    with pytest.raises(config.ConfigError) as caught:
        config.find("defualt")
    assert "did you mean default?" in str(caught.value)
    assert "smooth" in str(caught.value)


def test_key_below_a_later_table_of_an_array_has_its_own_line():
    text = "[[a]]\n[a.b]\nc = 1\n\n[[a]]\n[a.b]\nc = 2\n"
    assert Places("f", text).of(("a", 1, "b", "c")).line == 7


def test_missing_key_is_placed_at_the_table_that_lacks_it():
    assert Places("f", "\n[[a]]\nb = 1\n").of(("a", 0, "c")).line == 2


def test_text_that_looks_like_a_key_is_not_taken_for_one():
    text = 'a = """\nb = 1\n[c]\n"""\nb = 2\n'
    assert Places("f", text).of(("b",)).line == 5


def test_reference_in_docs_is_up_to_date():
    page = Path(__file__).parents[2] / "docs" / "config.md"
    assert page.read_text("utf-8") == reference.reference()


def test_a_file_to_be_made_is_named_relative_to_the_config_in_a_folder_that_is_there(
    write, tmp_path
):
    text = SMALL + '\n    [[stages]]\n    name = "c"\n    kind = "cacher"\n    input = "ingest"\n'
    loaded = config.load(write(text + '    options = { database = "frames.db" }\n'))
    assert loaded.stages[2].options == CacherOptions(database=str(tmp_path / "frames.db"))
    (problem,) = refused(write(text + '    options = { database = "no/frames.db" }\n'))
    assert "there is no folder" in problem.message
