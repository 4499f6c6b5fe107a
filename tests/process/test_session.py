"""A whole session, as its user and the programs beside it see it."""

import contextlib
import itertools
import json
import re
import shutil
import threading
import time
from pathlib import Path

import cv2
import msgpack
import numpy as np
import pytest
import zmq
from sessions import (
    ANY_PORT,
    LAUNCHER,
    PIPELINE,
    QUICK_RESTARTS,
    ROOT,
    Publisher,
    frames,
    launcher,
    next_frame_since,
    order,
    pose,
    running_session,
    stamp_when,
    stamps,
    started_session,
    wait_until,
)

from pipeline import config as configs
from shm import Flag, FrameLost
from shm.clock import now_ns
from stages.cacher.quantiser import Quantiser
from stages.ingest.messages import source_number

PICTURES = ROOT / "stages" / "avatar" / "pictures"
SHORT_TIMES = (
    "stages.ingest.options.idle_after_s=0.5",
    "stages.ingest.options.ease_s=0.6",
)


def quantised(values):
    """Return the bytes of a pose as the cacher passes it on."""
    return Quantiser(50).quantise(values).tobytes()


# --- sessions shared by the tests of this file


@pytest.fixture(scope="module")
def session():
    """A session that tests leave as they found it."""
    with running_session(*SHORT_TIMES, *QUICK_RESTARTS) as running:
        yield running


@pytest.fixture
def ring(session):
    """The output of the shared session."""
    with session.reader() as reader:
        yield reader


@pytest.fixture
def publisher(session):
    """A publisher of poses to the shared session."""
    with Publisher(session) as made:
        yield made


@pytest.fixture(scope="module")
def changeable(tmp_path_factory):
    """A session with a config file of its own, and that file."""
    path = tmp_path_factory.mktemp("config") / "my.toml"
    shutil.copy(PIPELINE, path)
    with running_session(*QUICK_RESTARTS, config=path) as running:
        yield running, path


@pytest.fixture(scope="module")
def looped(tmp_path_factory):
    """A session that plays 24 poses over and over, its pictures stored without loss."""
    path = tmp_path_factory.mktemp("trace") / "short.json"
    rows = [pose(head_y=step / 12 - 1, mouth_aaa=step / 24).tolist() for step in range(24)]
    path.write_text(json.dumps(rows))
    with running_session(
        f"stages.ingest.options.trace={path}",
        "stages.ingest.options.trace_hz=40.0",
        "stages.ingest.options.ease_s=0.0",
        "stages.cacher.options.quality=100",
        config="cached",
    ) as running:
        yield running


# --- frames


def test_output_is_a_ring_of_512_by_512_bgra_pictures(ring):
    assert ring.format.shape == (512, 512, 4)
    assert ring.format.dtype == "uint8"


def test_picture_shows_a_character_on_a_transparent_ground(ring):
    (frame,) = frames(ring, 1)
    picture = frame.copy()
    assert picture[0, 0, 3] == 0
    assert (picture[..., 3] == 255).mean() > 0.05


def test_picture_moves_while_nobody_publishes(ring):
    found = [frame.copy() for frame in frames(ring, 20)]
    assert all((one != other).any() for one, other in zip(found, found[10:], strict=False))


def test_idle_motion_breathes_and_has_no_source(ring):
    found = [s for s in stamps(ring, 60) if not s.flags & Flag.INTERPOLATED]
    poses = np.array([np.frombuffer(stamp.pose, "<f4") for stamp in found])
    assert {stamp.source for stamp in found} == {0}
    assert np.ptp(poses[:, 44]) > 0.05


def test_interpolated_frame_lies_between_two_drawn_ones(ring):
    found = stamps(ring, 60)
    between = [stamp for stamp in found if stamp.flags & Flag.INTERPOLATED]
    drawn = [stamp for stamp in found if not stamp.flags & Flag.INTERPOLATED]
    assert between
    assert {(s.phase_numerator, s.phase_denominator) for s in between} == {(1, 2)}
    assert {(s.phase_numerator, s.phase_denominator) for s in drawn} == {(0, 0)}


def test_frames_come_in_the_order_of_pose_and_phase(ring):
    found = [order(stamp) for stamp in stamps(ring, 200)]
    assert found == sorted(set(found))


def test_frames_never_go_backwards_while_the_avatar_stalls(session, ring):
    found = []
    for _ in range(5):
        found += stamps(ring, 15)
        session.send("avatar", 19)  # SIGSTOP
        while (frame := ring.next(0.3)) is not None:
            with contextlib.suppress(FrameLost):
                found.append(frame.stamp)
        session.send("avatar", 18)  # SIGCONT
    found += stamps(ring, 100)
    sequences = [stamp.pose_sequence for stamp in found]
    assert sequences == sorted(sequences)
    assert session.stage("avatar")["state"] == "running"


def test_stamp_names_each_stage_on_the_way_in_order(session, ring):
    numbers = {stage["name"]: stage["number"] for stage in session.content()["stages"]}
    stamp = stamp_when(ring, lambda stamp: not stamp.flags & (Flag.CACHED | Flag.INTERPOLATED))
    hops = [hop for hop in stamp.hops if hop]
    way = [number for number in hops if number]
    assert [hop >> 56 for hop in way] == list(numbers.values())[: len(way)]
    times = [hop & (1 << 56) - 1 for hop in way]
    assert times == sorted(times)


def test_times_of_a_frame_follow_one_another(ring):
    for frame in frames(ring, 60):
        with contextlib.suppress(FrameLost):
            stamp, published = frame.stamp, frame.published_ns
            assert stamp.captured_ns <= stamp.received_ns <= published <= now_ns()


# --- poses


def sent_until(publisher, ring, condition, *arguments, **more):
    """Send a pose again and again, as trackers do, until a stamp fits; return it."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        publisher.send(*arguments, **more)
        frame = ring.newest(0.1)
        with contextlib.suppress(FrameLost):
            if frame is not None and condition(frame.stamp):
                return frame.stamp
    raise AssertionError("no such frame")


@pytest.mark.parametrize("form", [np.ndarray.tobytes, np.ndarray.tolist], ids=["bytes", "list"])
def test_published_pose_reaches_the_picture(publisher, ring, form):
    sent = pose(head_x=0.513, mouth_aaa=0.7, neck_z=-0.299)
    publisher_form = form(sent) if form is np.ndarray.tolist else sent
    stamp = sent_until(
        publisher, ring, lambda found: found.pose == quantised(sent), publisher_form, source="me"
    )
    assert stamp.source == source_number("me")


def test_bare_pose_without_a_map_is_taken(publisher, ring):
    sent = pose(head_x=-0.41)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        publisher.send_raw(msgpack.packb(sent.tobytes()))
        frame = ring.newest(0.1)
        if frame is not None and frame.stamp.pose == quantised(sent):
            return
    raise AssertionError("the pose did not come")


def test_senders_time_becomes_the_time_of_capture(publisher, ring):
    measured = now_ns() - 20_000_000
    sent_until(
        publisher,
        ring,
        lambda stamp: stamp.captured_ns == measured,
        pose(head_x=0.3),
        time_ns=measured,
    )


def test_time_of_another_clock_is_not_believed(publisher, session):
    with session.ring("ingest", "poses") as poses:
        since = now_ns()
        publisher.send(pose(head_x=0.2), source="clock", time_ns=5)
        stamp = stamp_when(poses, lambda stamp: stamp.source == source_number("clock"))
    assert stamp.captured_ns > since


def test_repeated_pose_is_answered_from_memory_with_the_same_picture(session, publisher):
    sent = pose(head_y=0.66, body_y=-0.34)
    with session.ring("avatar") as misses, session.ring("cacher") as hits:
        miss, hit = (picture_of(sent, publisher, ring).astype(int) for ring in (misses, hits))
    seen = np.maximum(hit[..., 3:], miss[..., 3:]) > 0
    assert np.abs((hit - miss) * seen).mean() < 1.0
    assert np.abs(hit[..., 3] - miss[..., 3]).max() <= 3  # alpha is exact but at its two ends


def picture_of(sent, publisher, ring):
    """Publish a pose until a ring shows it; return the picture."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        publisher.send(sent, source="me")
        frame = ring.newest(0.05)
        with contextlib.suppress(FrameLost):
            if frame is not None and frame.stamp.pose == quantised(sent):
                return frame.copy()
    raise AssertionError("the pose was not shown")


def test_newest_pose_wins_over_a_publisher_at_2000_hz(session, publisher, ring):
    source = source_number("fast")
    before = session.counter("ingest", "poses_in")
    pause = threading.Event()
    ramp = np.linspace(-1, 1, 2000)
    start = time.perf_counter()
    for number, value in enumerate(ramp):
        publisher.send(pose(head_x=value), source="fast")
        pause.wait(max(0.0, start + number / 2000 - time.perf_counter()))
    wanted = quantised(pose(head_x=1.0))
    found = []
    stamp_when(ring, lambda stamp: found.append(stamp) or stamp.pose == wanted, 5.0)
    wait_until(lambda: session.counter("ingest", "poses_in") - before >= 1900)
    eased_ns = found[0].captured_ns + 700_000_000
    values = [
        np.frombuffer(stamp.pose, "<f4")[39]
        for stamp in found
        if stamp.source == source and stamp.captured_ns > eased_ns
    ]
    assert values == sorted(values)
    assert len(values) < 1000  # it did not draw them all


def test_first_poses_of_a_slow_publisher_are_eased_in(session, publisher):
    target = pose(head_x=1.0, body_z=-1.0)
    source, pause = source_number("slow"), threading.Event()
    with session.ring("ingest", "poses") as poses:
        stamp_when(poses, lambda stamp: stamp.source == 0)  # the idle motion rules
        distances = []
        for _ in range(8):
            publisher.send(target, source="slow")
            stamp = stamp_when(poses, lambda stamp: stamp.source == source)
            distances.append(float(np.abs(np.frombuffer(stamp.pose, "<f4") - target).max()))
            pause.wait(0.2)
    assert distances[0] > 0.5
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] == 0.0


def test_idle_motion_comes_back_after_silence_from_where_the_pose_was(session, publisher):
    with session.ring("ingest", "poses") as poses:
        end, last, first = time.monotonic() + 0.8, None, None
        while time.monotonic() < end:
            publisher.send(pose(head_x=1.0), source="me")
            frame = poses.newest(0.02)
            last = frame.stamp if frame else last
        first = stamp_when(
            poses, lambda stamp: stamp.source == 0 and stamp.pose_sequence > last.pose_sequence
        )
    assert first.captured_ns - last.captured_ns > 400_000_000
    assert np.frombuffer(first.pose, "<f4")[39] > 0.9


# --- a cache and a join


def test_second_pass_of_a_trace_is_answered_from_memory(looped):
    hits = looped.status()["cache"]["hits"]
    wait_until(lambda: looped.status()["cache"]["hits"] > hits + 40, what="hits")


def test_hit_shows_exactly_what_the_miss_showed_at_quality_100(looped):
    # The cacher forgets with its process: after a restart each pose is drawn anew.
    looped.command("restart", "cacher")
    pictures = {}
    compared = 0
    with looped.reader() as ring:
        end = time.monotonic() + 15
        while compared < 10 and time.monotonic() < end:
            frame = ring.next(0.2)
            if frame is None:
                continue
            with contextlib.suppress(FrameLost):
                stamp, picture = frame.stamp, frame.copy()
                if not stamp.flags & Flag.CACHED:
                    pictures.setdefault(stamp.pose, picture)
                elif stamp.pose in pictures:
                    assert np.array_equal(picture, pictures[stamp.pose])
                    compared += 1
    assert compared == 10


def test_join_gives_hits_and_misses_in_one_ring_in_order(looped):
    looped.command("restart", "cacher")
    looped.wait_running()
    with looped.reader() as ring:
        found = stamps(ring, 150)
    sequences = [stamp.pose_sequence for stamp in found]
    assert sequences == sorted(set(sequences))
    assert looped.content()["output"]["stage"] == "join"
    assert {bool(stamp.flags & Flag.CACHED) for stamp in found} == {True, False}


# --- another character


def set_picture(session, name):
    """Show a shipped character; return the look of the frames that follow."""
    with session.reader() as ring:
        done = session.command("set-image", PICTURES / f"{name}.png")
        assert done.returncode == 0, done.stderr
        since = now_ns()
        return stamp_when(ring, lambda stamp: stamp.captured_ns > since).look


def test_other_character_is_shown_and_the_old_one_never_again(changeable):
    session, _ = changeable
    set_picture(session, "ito")
    with session.reader() as ring:
        stamps(ring, 10)
        done = session.command("set-image", PICTURES / "koma.png")
        found = [stamp.look for stamp in stamps(ring, 120)]
    assert done.returncode == 0, done.stderr
    changes = sum(one != other for one, other in itertools.pairwise(found))
    assert (changes, len(set(found))) == (1, 2)


def test_change_of_character_is_a_cut_and_not_a_movement(changeable):
    session, _ = changeable
    old = set_picture(session, "ito")
    with session.reader() as ring, session.ring("avatar") as drawn:
        session.command("set-image", PICTURES / "koma.png")
        assert stamp_when(drawn, lambda stamp: stamp.look != old).flags & Flag.DISCONTINUITY
        first = stamp_when(ring, lambda stamp: stamp.look != old)
    assert not first.flags & Flag.INTERPOLATED


def test_bad_picture_is_refused_with_a_sentence_and_the_old_one_stays(changeable, tmp_path):
    session, _ = changeable
    old = set_picture(session, "koma")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    done = session.command("set-image", bad)
    assert done.returncode == 1
    assert "PNG" in done.stderr
    assert "Traceback" not in done.stderr
    with session.reader() as ring:
        assert next_frame_since(ring, now_ns()).look == old


def test_other_character_survives_a_killed_avatar(changeable):
    session, _ = changeable
    look = set_picture(session, "koma")
    before = session.kill("avatar")
    wait_until(lambda: session.pid("avatar") not in (None, before))
    session.wait_running()
    with session.reader() as ring:
        assert next_frame_since(ring, now_ns()).look == look


# --- while it runs


def test_paused_session_holds_the_picture_until_resumed(changeable):
    session, _ = changeable
    assert session.command("pause").returncode == 0
    wait_until(lambda: session.status()["state"] == "paused")
    with session.reader() as ring:
        while ring.newest(0.3) is not None:
            pass
        assert ring.next(0.5) is None
        assert ring.latest() is not None
        assert session.command("resume").returncode == 0
        next_frame_since(ring, now_ns())
    session.wait_running()


def test_stage_killed_while_paused_comes_back_paused(changeable):
    session, _ = changeable
    session.command("pause")
    wait_until(lambda: session.status()["state"] == "paused")
    before = session.kill("ingest")
    wait_until(lambda: session.pid("ingest") not in (None, before))
    wait_until(lambda: session.status()["state"] == "paused")
    with session.reader() as ring:
        while ring.newest(0.3) is not None:
            pass
        assert ring.next(0.5) is None
    session.command("resume")
    session.wait_running()


def test_pause_reaches_a_stage_that_is_just_starting(changeable):
    session, _ = changeable
    session.kill("ingest")
    wait_until(lambda: session.stage("ingest")["state"] == "starting")
    session.command("pause")
    wait_until(lambda: session.status()["state"] == "paused", what="all stages paused")
    session.command("resume")
    session.wait_running()


def test_restarted_stage_is_another_process(changeable):
    session, _ = changeable
    before = session.stage("interpolation")
    assert session.command("restart", "interpolation").returncode == 0
    wait_until(lambda: session.pid("interpolation") not in (None, before["pid"]))
    session.wait_running()
    assert session.stage("interpolation")["restarts"] == before["restarts"] + 1


def test_restart_of_an_unknown_stage_is_refused_with_the_names(changeable):
    session, _ = changeable
    done = session.command("restart", "nobody")
    assert done.returncode == 1
    assert "ingest, cacher, avatar, interpolation" in done.stderr


def test_reload_takes_over_another_scale_without_a_restart(changeable):
    session, path = changeable
    restarts = session.stage("interpolation")["restarts"]
    path.write_text(path.read_text().replace("scale = 2", "scale = 3"))
    done = session.command("reload")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"changed": ["interpolation"]}
    with session.reader() as ring:
        stamp_when(ring, lambda s: (s.phase_numerator, s.phase_denominator) == (2, 3))
    assert session.stage("interpolation")["restarts"] == restarts


def test_reload_reaches_a_stage_that_is_just_starting(changeable):
    session, path = changeable
    session.kill("interpolation")
    wait_until(lambda: session.stage("interpolation")["state"] == "starting")
    path.write_text(path.read_text().replace("scale = 3", "scale = 4"))
    assert session.command("reload").returncode == 0
    with session.reader() as ring:
        stamp_when(ring, lambda s: (s.phase_numerator, s.phase_denominator) == (3, 4))


def test_reload_of_what_a_stage_takes_only_at_start_starts_it_again(changeable):
    session, path = changeable
    before = session.stage("cacher")
    text = path.read_text()
    path.write_text(re.sub(r"ram_gb = \S+", "ram_gb = 0.125", text))
    done = session.command("reload")
    assert json.loads(done.stdout) == {"changed": ["cacher"]}
    wait_until(lambda: session.pid("cacher") not in (None, before["pid"]))
    session.wait_running()
    path.write_text(text)
    session.command("reload")
    session.wait_running()


def test_reload_keeps_the_address_for_poses(changeable):
    session, path = changeable
    address = session.content()["endpoints"]["poses"]
    restarts = session.stage("ingest")["restarts"]
    faster = 'kind = "ingest"\n[stages.options]\nrate_hz = 40.0'
    path.write_text(path.read_text().replace('kind = "ingest"', faster))
    done = session.command("reload")
    assert json.loads(done.stdout) == {"changed": ["ingest"]}
    session.wait_frames()
    assert session.stage("ingest")["restarts"] == restarts
    before = session.kill("ingest")
    wait_until(lambda: session.pid("ingest") not in (None, before))
    session.wait_running()
    assert session.content()["endpoints"]["poses"] == address


def test_reload_keeps_the_character_that_was_set(changeable):
    session, path = changeable
    look = set_picture(session, "koma")
    path.write_text(path.read_text().replace('pacing = "even"', 'pacing = "lowest_latency"'))
    assert session.command("reload").returncode == 0
    with session.reader() as ring:
        assert next_frame_since(ring, now_ns()).look == look


def test_reload_of_a_broken_config_is_refused_and_changes_nothing(changeable):
    session, path = changeable
    text = path.read_text()
    path.write_text(text + "\nunknown = 1\n")
    done = session.command("reload")
    path.write_text(text)
    assert done.returncode == 1
    assert "unknown key" in done.stderr
    session.wait_frames()
    assert json.loads(session.command("reload").stdout) == {"changed": []}


def test_reload_of_another_shape_is_refused(changeable):
    session, path = changeable
    text = path.read_text()
    path.write_text(text + '\n[[stages]]\nname = "more"\nkind = "interpolation"\n')
    done = session.command("reload")
    path.write_text(text)
    assert done.returncode == 1
    assert "not taken over" in done.stderr
    session.wait_frames()


# --- what it tells


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


# --- several sessions, and ends


def test_two_sessions_run_side_by_side(session):
    with running_session(config="direct", runtime=session.runtime) as other:
        assert other.content()["output"]["segment"] != session.content()["output"]["segment"]
        session.wait_frames()
        other.wait_frames()
        refused = launcher("status", "--session", "nobody", runtime=session.runtime)
        assert refused.returncode == 4
        assert other.name in refused.stderr
        assert session.name in refused.stderr
    session.wait_frames()


def test_second_session_of_a_name_is_refused_and_the_first_goes_on(session):
    done = launcher(
        "--plain", "--set", ANY_PORT, "--session", session.name, runtime=session.runtime
    )
    assert done.returncode == 3
    assert f'"{session.name}" is running already' in done.stderr
    assert "Traceback" not in done.stderr
    session.wait_frames()


def test_stop_ends_the_session_before_it_returns_and_tells_readers():
    with running_session(config="direct", end=False) as session, session.reader() as ring:
        assert not ring.ended
        done = session.command("stop")
        assert done.returncode == 0
        assert ring.ended
        assert not (session.runtime / session.name / "session.json").exists()
        assert session.process.wait(5) == 0
        assert "stopping: asked by a tool" in session.log


@pytest.mark.parametrize("command", ["status", "stop", "pause", "reload"])
def test_command_without_a_session_ends_with_code_4(tmp_path, command):
    done = launcher(command, runtime=tmp_path)
    assert done.returncode == 4
    assert "no session named 'main' is running" in done.stderr


def test_wrong_arguments_end_with_code_2(tmp_path):
    assert launcher("--nonsense", runtime=tmp_path).returncode == 2


# --- shipped configs


@pytest.mark.parametrize("name", configs.shipped())
def test_shipped_config_starts_and_shows_frames(name):
    with running_session(config=name) as session, session.reader() as ring:
        found = [order(stamp) for stamp in stamps(ring, 20)]
    assert found == sorted(found)


@pytest.mark.parametrize("name", configs.shipped())
def test_check_says_what_a_shipped_config_would_start(tmp_path, name):
    done = launcher("--config", name, "--check", runtime=tmp_path)
    assert done.returncode == 0
    assert "output: aya-" in done.stdout
    assert not list(tmp_path.iterdir())


def test_check_of_a_broken_config_says_all_that_is_wrong(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('[[stages]]\nname = "a"\nkind = "avatr"\n\n[session]\nnam = "x"\n')
    done = launcher("--config", path, "--check", runtime=tmp_path)
    assert done.returncode == 2
    assert "did you mean avatar?" in done.stderr
    assert "did you mean name?" in done.stderr


def test_ring_too_small_for_its_frames_is_refused(tmp_path):
    done = launcher(
        "--check",
        "--config",
        PIPELINE,
        "--set",
        "stages.interpolation.slots=3",
        "--set",
        "stages.interpolation.options.scale=4",
        runtime=tmp_path,
    )
    assert done.returncode == 2
    assert "at least 5" in done.stderr


def test_smallest_ring_allowed_is_large_enough():
    with running_session(
        "stages.interpolation.slots=5", "stages.interpolation.options.scale=4"
    ) as session:
        with session.reader() as ring:
            stamps(ring, 40)
        assert session.stage("interpolation")["restarts"] == 0


def test_broken_config_is_not_started(tmp_path):
    with started_session("stages.avatar.options.picture=missing.png") as session:
        assert session.process.wait(20) == 2
        assert "there is no file" in session.log
        assert "Traceback" not in session.log


def test_launcher_runs_from_any_folder(tmp_path):
    with running_session(config="direct", cwd=tmp_path) as session:
        session.wait_frames()
    assert LAUNCHER.exists()
    assert not Path(tmp_path / "session.json").exists()
