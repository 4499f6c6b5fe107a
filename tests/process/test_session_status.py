"""What a session tells of itself: status, session file, log, events, snapshots."""

import json

import cv2
import msgpack
import zmq
from sessions import Publisher, running_session, wait_until


def test_status_as_json_says_what_tools_need(session):
    status = json.loads(session.command("status", "--json").stdout)
    assert status["session"] == session.name
    assert status["state"] == "running"
    assert [stage["name"] for stage in status["stages"]] == [
        "ingest",
        "cacher",
        "avatar",
        "interpolation",
    ]
    for stage in status["stages"]:
        assert stage["pid"] > 0
        assert stage["state"] == "running"
        assert stage["rate_hz"] >= 0
        assert stage["restarts"] >= 0


def test_status_gives_the_age_of_what_is_shown(session):
    def age():
        return session.status()["age_ms"]

    wait_until(lambda: age()["p50"] is not None)
    found = age()
    assert 0 < found["p50"] <= found["p99"] < 10_000


def test_status_without_json_is_a_table(session):
    done = session.command("status")
    assert done.returncode == 0
    assert "interpolation" in done.stdout


def test_session_file_names_output_endpoints_stages_and_rings(session):
    content = session.content()
    assert content["session"] == session.name
    assert content["pid"] == session.process.pid
    assert content["output"]["segment"] == f"aya-{session.name}-interpolation-f"
    assert content["output"]["shape"] == [512, 512, 4]
    assert set(content["endpoints"]) == {"control", "events", "poses"}
    assert [stage["number"] for stage in content["stages"]] == [1, 2, 3, 4]
    assert {stage["name"]: stage["pid"] for stage in content["stages"]} == {
        stage["name"]: stage["pid"] for stage in session.status()["stages"]
    }
    assert len(content["rings"]) == 5


def test_warnings_of_a_stage_are_said_when_only_warnings_are_wanted():
    with (
        running_session("session.log_level=warning", config="direct") as session,
        Publisher(session) as publisher,
    ):
        publisher.send_raw(b"no pose")
        wait_until(lambda: "it was dropped" in session.log)
        assert "is ready" not in session.log


def test_session_folder_is_for_this_user_alone(session):
    assert (session.runtime / session.name).stat().st_mode & 0o077 == 0


def test_metrics_and_events_are_published(session):
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.connect(session.content()["endpoints"]["events"])
        socket.subscribe(b"")
        found = {}

        def heard(topic):
            while topic not in found and socket.poll(100):
                name, data = socket.recv_multipart()
                found[name] = msgpack.unpackb(data)
            return topic in found

        wait_until(lambda: heard(b"metrics"))
        session.command("pause")
        wait_until(lambda: heard(b"event"))
        session.command("resume")
    session.wait_running()
    assert found[b"metrics"]["session"] == session.name
    assert found[b"metrics"]["v"] == 1
    assert found[b"event"]["event"] == "paused"


def test_snapshot_is_a_picture_of_the_current_frame(session, tmp_path):
    out = tmp_path / "now.png"
    assert session.command("snapshot", out).returncode == 0
    assert cv2.imread(str(out), cv2.IMREAD_UNCHANGED).shape == (512, 512, 4)


def test_contact_sheet_shows_several_moments(session, tmp_path):
    out = tmp_path / "sheet.png"
    done = session.command("snapshot", out, "--seconds", "0.5", "--frames", "4")
    assert done.returncode == 0
    assert cv2.imread(str(out)).shape == (2 * 210, 2 * 192, 3)


def test_snapshot_into_a_missing_folder_is_refused_with_a_sentence(session, tmp_path):
    done = session.command("snapshot", tmp_path / "none" / "now.png")
    assert done.returncode == 3
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
