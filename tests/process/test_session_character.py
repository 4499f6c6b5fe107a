"""A trained character in a running session: named, sent, refused, left again."""

import cv2
import numpy as np
import pytest
from sessions import QUICK_RESTARTS, next_frame_since, running_session, wait_until

from ezvtb_interface import CoreError, get_core
from pipeline.client import RequestFailed
from shm.clock import now_ns
from stages.avatar.picture import SHIPPED
from stages.control import SetCharacter, SetImage
from stages.pose import INDEX
from tests import made_up_student


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained character's folder."""
    return made_up_student.write(tmp_path_factory.mktemp("models") / "mine")


@pytest.fixture(scope="module")
def files(folder):
    """What is in it, as the page sends it."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def session():
    """A session that shows a picture, and that tests leave showing what they like."""
    with running_session(*QUICK_RESTARTS) as running:
        yield running


def look(session):
    """Return the look of a frame drawn from now on."""
    with session.reader() as ring:
        return next_frame_since(ring, now_ns()).look


def test_character_named_in_the_config_is_drawn(folder):
    with running_session(f"stages.avatar.options.character={folder}") as session:
        assert f"avatar: {folder.name}: where something is seen" in session.log
        wait_until(lambda: session.counter("avatar", "faces") > 0)


def test_character_sent_to_a_session_is_shown_and_survives_a_killed_avatar(session, files):
    before = look(session)
    session.ask(SetCharacter(files=files))
    shown = look(session)
    assert shown != before
    killed = session.kill("avatar")
    wait_until(lambda: session.pid("avatar") not in (None, killed))
    session.wait_running()
    assert look(session) == shown


def test_picture_takes_the_place_of_a_character(session, files):
    session.ask(SetCharacter(files=files))
    shown = look(session)
    session.ask(SetImage(image=(SHIPPED / "koma.png").read_bytes()))
    assert look(session) != shown


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"face_morpher.pt": b"nonsense"}, "face_morpher.pt"),
        ({"character_model.yaml": b"- a list"}, "character_model.yaml must give"),
        ({"../over.pt": b""}, "no plain name"),
    ],
)
def test_bad_character_is_refused_with_the_file_and_the_old_one_stays(
    session, files, change, complaint
):
    before = look(session)
    with pytest.raises(RequestFailed, match=complaint):
        session.ask(SetCharacter(files={**files, **change}))
    assert look(session) == before
    kept = [path.name for path in (session.runtime / session.name).glob("character-*")]
    assert len(kept) <= 1, "what was refused is not kept"


@pytest.mark.parametrize("processes", [False, True], ids=["in process", "processes"])
def test_core_draws_a_character_by_its_name(folder, processes, tmp_path, monkeypatch):
    monkeypatch.setenv("AYATSURI_RUNTIME_DIR", str(tmp_path))
    picture = cv2.imread(str(folder / "character.png"), cv2.IMREAD_UNCHANGED)
    pose = np.zeros((1, 45), np.float32)
    options = {"model_version": "v4_student", "model_dir": str(folder.parent)}
    with get_core(**options, model_name="mine", processes=processes) as core:
        core.setImage(picture)
        first = core.inference(pose)[-1].copy()
        pose[0, INDEX["head_y"]] = 0.8
        assert not np.array_equal(core.inference(pose)[-1], first)
        with pytest.raises(CoreError, match="its own picture"):
            core.setImage(np.full_like(picture, 200))


def test_core_says_where_it_looked_for_a_character(folder):
    with pytest.raises(CoreError, match="'nobody'"):
        get_core(model_version="v4_student", model_name="nobody", model_dir=str(folder.parent))
