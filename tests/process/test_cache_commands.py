"""`launcher.py cache`: what it draws, carries and shows, and what it says when it cannot."""

import contextlib
import io
import json
import signal
import sqlite3
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from sessions import LAUNCHER, pose, running_session, runtime_folder, wait_until

from pipeline.cli import main
from stages.cacher.archive import Archive
from stages.cacher.database import DatabaseStore


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """A trace of twelve poses."""
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    path.write_text(json.dumps([pose(head_y=step / 50).tolist() for step in range(12)]))
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Run a cache command in this process, with sessions of its own."""

    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        command = ["cache", *map(str, arguments), "--config", "cached"]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(command)
        return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())

    with runtime_folder(tmp_path_factory.mktemp("runtime")):
        yield run


@pytest.fixture(scope="module")
def warmed(tmp_path_factory, trace, cache):
    """A database with the pictures of the trace. Nothing here adds to it."""
    path = tmp_path_factory.mktemp("warmed") / "warm.db"
    done = cache("warm-up", "--database", path, "--trace", trace)
    assert done.returncode == 0, done.stderr
    assert "12 pictures wanted, 0 were there, 12 drawn" in done.stdout
    assert "12 of 12" in done.stderr
    return path


def test_a_session_finds_what_was_drawn_in_advance(warmed, trace):
    with running_session(
        f"stages.cacher.options.database={warmed}",
        "stages.cacher.options.snap_within=0.0",
        f"stages.ingest.options.trace={trace}",
        "stages.ingest.options.ease_s=0.0",
        config="cached",
    ) as session:
        wait_until(lambda: session.status()["cache"]["hits"] > 30, what="hits")
        # The first poses are eased in from rest: only these are misses.
        misses = session.status()["cache"]["misses"]
        wait_until(lambda: session.status()["cache"]["hits"] > 60, what="more hits")
        assert session.status()["cache"]["misses"] == misses


def test_what_is_there_is_not_drawn_again(warmed, trace, cache):
    done = cache("warm-up", "--database", warmed, "--trace", trace)
    assert "12 pictures wanted, 12 were there, 0 drawn" in done.stdout


@pytest.mark.slow
def test_killed_warm_up_goes_on_where_it_was(tmp_path, cache):
    path = tmp_path / "grid.db"
    axes = ["--grid", "head_y=-1:1:15", "--grid", "head_x=-1:1:14"]
    command = [sys.executable, LAUNCHER, "cache", "warm-up", "--database", path, *axes]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _entries(path) >= 40, what="forty pictures")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = cache("warm-up", "--database", path, *axes)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert words[-2:] != ["0", "drawn"]
    wanted, known, drawn = (int(words[words.index(w) - 1]) for w in ("pictures", "were", "drawn"))
    assert (wanted, known + drawn) == (210, 210)
    assert known >= 40
    assert _entries(path) == 210


def _entries(path):
    if not path.exists():
        return 0
    try:
        connection = sqlite3.connect(path)
        (count,) = connection.execute("SELECT count(*) FROM pictures").fetchone()
        connection.close()
    except sqlite3.Error:  # it is being made
        return 0
    return count


def test_export_and_import_carry_every_picture(warmed, tmp_path, cache):
    carried, other = tmp_path / "carried.db", tmp_path / "other.db"
    assert cache("export", "--database", warmed, carried).returncode == 0
    done = cache("import", "--database", other, carried)
    assert "12 pictures taken over, 0 were there, 0 refused" in done.stdout
    with Archive(warmed) as one, Archive(other) as two:
        assert dict(one.blobs()) == dict(two.blobs())
    assert (
        "0 pictures taken over, 12 were there"
        in cache("import", "--database", other, carried).stdout
    )


def test_export_overwrites_nothing(warmed, tmp_path, cache):
    there = tmp_path / "there.txt"
    there.write_text("mine")
    done = cache("export", "--database", warmed, there)
    assert done.returncode == 6 and "is there already" in done.stderr
    assert there.read_text() == "mine"


def test_import_takes_only_what_is_whole(tmp_path, cache):
    odd = tmp_path / "odd.db"
    store = DatabaseStore(odd, 2**26)
    store.put(b"no key", b"no blob")
    store.put(bytes(190), b"no blob")
    store.close()
    done = cache("import", "--database", tmp_path / "new.db", odd)
    assert "0 pictures taken over, 0 were there, 2 refused" in done.stdout
    done = cache("inspect", "--database", odd)
    assert done.returncode == 6 and "holds what is no key" in done.stderr


def test_inspect_says_what_there_is_and_shows_it(warmed, trace, tmp_path, cache):
    sheet = tmp_path / "sheet.png"
    done = cache("inspect", "--database", warmed, "--trace", trace, "--sheet", sheet)
    assert "12 pictures" in done.stdout
    assert "of 12 poses 100.0% exactly, 0.0% nearly" in done.stdout
    picture = cv2.imread(str(sheet))
    assert picture.shape[1] > 4 * 150
    assert np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 1000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("inspect", "--database", "missing.db"), "there is no database at missing.db"),
        (("warm-up", "--database", "a.db", "--grid", "head_y=1"), "is no axis of a grid"),
        (("warm-up", "--database", "a.db", "--grid", "head_y=-2:1:9"), "goes from -1 to 1"),
        (
            ("warm-up", "--database", "a.db", *("--grid", "head_y=-1:1:1001") * 2),
            "at most 1,000,000",
        ),
        (("warm-up", "--database", "a.db", "--trace", "no.json"), "no trace at no.json"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(cache, arguments, sentence):
    done = cache(*arguments)
    assert done.returncode == 6
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
