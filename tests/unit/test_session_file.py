"""Session files that are there although their session is not."""

import json
import os
from pathlib import Path

import pytest

from shm.identity import start_time
from shm.session import SessionMissing, read_session, running_sessions, usual_session


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sessions: two that died, one that is damaged."""
    monkeypatch.setenv("AYATSURI_RUNTIME_DIR", str(tmp_path))
    for name in ("dead", "killed"):
        _write(tmp_path, name, json.dumps({"pid": 2**22 + 1, "start": 1}))
    _write(tmp_path, "torn", '{"pid": ')
    return tmp_path


def _write(folder: Path, name: str, content: str) -> None:
    (folder / name).mkdir()
    (folder / name / "session.json").write_text(content, encoding="utf-8")


@pytest.mark.parametrize("name", ["dead", "torn", "never"])
@pytest.mark.usefixtures("folder")
def test_session_that_does_not_run_is_missing(name: str) -> None:
    with pytest.raises(SessionMissing, match=name):
        read_session(name)
    assert running_sessions() == []
    assert usual_session() == "main"


def test_those_that_run_are_named(folder: Path) -> None:
    _write(folder, "live", json.dumps({"pid": os.getpid(), "start": start_time(os.getpid())}))
    assert running_sessions() == ["live"]
    assert usual_session() == "live"
    with pytest.raises(SessionMissing, match="there is: live"):
        read_session("dead")
