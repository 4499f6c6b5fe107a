"""What the README and the examples tell a newcomer to do works as they say."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
from sessions import ROOT, stamp_when

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def start_example(session):
    """Start an example beside the shared session; it is killed at the end."""
    started = []

    def start(name):
        more = {"AYATSURI_RUNTIME_DIR": str(session.runtime), "PYTHONPATH": str(ROOT)}
        environment = {**os.environ, **more, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, str(ROOT / "examples" / name)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_reader_in_python_prints_frames(start_example):
    lines = [start_example("read_frames.py").stdout.readline()]
    assert re.match(r"frame \d+: \d+\.\d ms old, 0 dropped", lines[0]), lines


def test_the_publisher_turns_the_head(start_example, ring):
    start_example("publish_poses.py")
    from stages.ingest.messages import source_number

    assert stamp_when(ring, lambda stamp: stamp.source == source_number("demo"))


def test_the_listener_prints_the_rates_of_the_stages(start_example):
    line = start_example("watch_metrics.py").stdout.readline()
    assert "frames/s" in line or "event" in line, line


def test_the_first_two_commands_install_extras_that_exist():
    commands = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert len(commands) == 2
    assert commands[0].endswith(".venv/bin/python launcher.py")
    assert commands[1].endswith(".venv/bin/python -m pytest")
    for command in commands:
        (extra,) = re.findall(r"\.\[(\w+)\]", command)
        assert extra in extras


def test_every_command_of_the_readme_is_one_that_the_launcher_has():
    from pipeline.cli import _parser

    told = set(re.findall(r"^launcher\.py ([a-z][a-z-]+)", README, re.MULTILINE))
    told |= set(re.findall(r"`launcher\.py ([a-z][a-z-]+)", README))
    (commands,) = (a for a in _parser()._actions if a.dest == "==SUPPRESS==" and a.choices)
    assert told <= set(commands.choices), told


def test_every_document_the_readme_names_is_there():
    named = re.findall(r"\]\((?!https?:)([\w./-]+)\)", README)
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_three_lines_of_the_readme_draw_a_picture():
    block = next(
        b for b in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "load_poser" in b
    )
    drawn = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{block}\nprint(_picture.shape)".replace("poser.pose(", "_picture = poser.pose("),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert drawn.stdout.strip() == "(512, 512, 4)"
