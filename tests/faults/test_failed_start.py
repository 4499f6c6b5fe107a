"""Sessions that cannot start: they say why in a sentence."""

import os

import pytest
import zmq
from sessions import started_session

from pipeline.session import SessionFolder
from stages.stage import StartFailed


def test_taken_address_ends_the_start_with_a_sentence():
    with zmq.Context() as context, context.socket(zmq.SUB) as holder:
        port = holder.bind_to_random_port("tcp://127.0.0.1")
        with started_session(
            f"stages.ingest.options.endpoint=tcp://127.0.0.1:{port}",
            config="direct",
            free_port=False,
        ) as session:
            assert session.process.wait(15) == 3
            assert f"cannot accept poses on tcp://127.0.0.1:{port}" in session.log
            assert "Traceback" not in session.log
            assert "is killed" not in session.log, session.log


def test_picture_that_is_none_ends_the_start_with_a_sentence(tmp_path):
    picture = tmp_path / "me.png"
    picture.write_bytes(b"no picture")
    with started_session(f"stages.avatar.options.picture={picture}", config="direct") as session:
        assert session.process.wait(15) == 3
        assert "avatar failed: " in session.log
        assert "me.png" in session.log
        assert "Traceback" not in session.log


def test_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("AYATSURI_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(StartFailed, match="belongs to another user"):
        SessionFolder("mine")


def test_folder_that_cannot_be_made_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AYATSURI_RUNTIME_DIR", str(tmp_path / "file" / "folder"))
    with pytest.raises(StartFailed, match="cannot be made"):
        SessionFolder("mine")


def test_folder_around_the_sessions_keeps_its_rights(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    monkeypatch.setenv("AYATSURI_RUNTIME_DIR", str(shared))
    with SessionFolder("mine") as folder:
        assert folder.path.stat().st_mode & 0o777 == 0o700
    assert shared.stat().st_mode & 0o777 == 0o755
