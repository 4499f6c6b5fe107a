"""The live page as its clients see it: frames for credit, poses, pictures, recordings."""

import asyncio
import json
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from shm.clock import now_ns
from stages.avatar.picture import SHIPPED
from stages.control import Pause, Resume
from stages.ingest.messages import source_number
from stages.page.link import SOURCE
from stages.page.wire import Codec, decode, unpack
from stages.pose import INDEX, SIZE
from tests import made_up_student
from tests.pages import (
    FREE_PORT,
    Client,
    Work,
    aiohttp,
    answer,
    frames,
    in_ring,
    running_session,
    visit,
)
from tests.sessions import QUICK_RESTARTS, Session, stamp_when, wait_until


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """One session for all tests that leave it as it was."""
    with running_session(FREE_PORT, *QUICK_RESTARTS) as running:
        yield running


@pytest.fixture
def paused(session: Session) -> Iterator[None]:
    """The session paused: soon no new frames come, and the last one stays on show."""
    session.ask(Pause())
    yield
    session.ask(Resume())


# --- frames


async def one_frame(client: Client, base: str) -> bytes:
    async with frames(client, base) as ask:
        return await ask()


def test_jpeg_message_is_close_to_the_frame_of_the_ring(session, paused):
    message = visit(session, one_frame)
    header, _, _ = unpack(message)
    frame = in_ring(session, header.sequence)
    difference = np.abs(decode(message).astype(int) - frame)
    assert (header.codec, header.width, header.height) == (Codec.JPEG, 512, 512)
    assert difference[frame[..., 3] > 0][:, :3].mean() < 6
    assert difference[..., 3].mean() < 1
    assert np.quantile(difference[..., 3], 0.999) < 8


def test_raw_message_is_the_frame_of_the_ring(session, paused):
    async def work(client, base):
        async with frames(client, base, codec="raw") as ask:
            return await ask()

    message = visit(session, work)
    assert np.array_equal(decode(message), in_ring(session, unpack(message)[0].sequence))


def test_newcomer_sees_a_picture_that_stands_still(session, paused):
    sequences = [unpack(visit(session, one_frame))[0].sequence]

    def is_same_again() -> bool:
        sequences.append(unpack(visit(session, one_frame))[0].sequence)
        return sequences[-1] == sequences[-2]

    wait_until(is_same_again, what="the same frame for a newcomer")


def test_header_names_sequence_and_time_of_the_frame(session):
    async def work(client, base):
        async with frames(client, base) as ask:
            return [unpack(await ask())[0] for _ in range(5)]

    headers = visit(session, work)
    sequences = [header.sequence for header in headers]
    assert sequences == sorted(set(sequences))
    assert all(0 < now_ns() - header.captured_ns < 60e9 for header in headers)


def test_slow_client_stays_within_two_frames(session):
    async def work(client, base):
        behind = []
        with session.reader() as ring:
            async with frames(client, base) as ask:
                await ask()
                for _ in range(5):
                    slow_until = (ring.head >> 8) + 15
                    while ring.head >> 8 < slow_until:
                        await asyncio.sleep(0.005)
                    head = ring.head >> 8
                    behind.append(head - unpack(await ask())[0].sequence)
        return behind

    assert max(visit(session, work)) <= 2


def test_nothing_is_encoded_while_nobody_looks(session):
    # One that is just being encoded when the last client goes is done all the same.
    before = wait_until(lambda: _settled(session), what="the last client is gone")
    with session.reader() as ring:
        end = (ring.head >> 8) + 30
        wait_until(lambda: ring.newest(0.1) and ring.head >> 8 > end)
    assert session.counter("page", "frames_out") == before


def _settled(session: Session) -> int:
    counts = set()
    for _ in range(2):
        uptime = session.status()["uptime_s"]
        wait_until(lambda: session.status()["uptime_s"] > uptime + 0.6)  # noqa: B023
        counts.add(session.counter("page", "frames_out"))
    return counts.pop() if len(counts) == 1 else 0


def test_frame_png_has_transparency(session):
    async def work(client, base):
        async with client.get(f"{base}frame.png") as response:
            return await response.read()

    frame = cv2.imdecode(np.frombuffer(visit(session, work), np.uint8), cv2.IMREAD_UNCHANGED)
    assert frame.shape == (512, 512, 4)
    assert {0, 255} <= set(np.unique(frame[..., 3]))


# --- the line to the session


def test_greeting_names_the_parameters(session):
    async def work(client, base):
        async with client.ws_connect(f"{base}session") as line:
            return await answer(line, "hello"), await answer(line, "status")

    hello, status = visit(session, work)
    assert [parameter["name"] for parameter in hello["parameters"]] == list(INDEX)
    assert status["status"]["session"] == session.name


def test_pose_of_a_page_is_shown_and_held(session):
    """Held longer than it takes until the idle motion would begin."""
    pose = [0.0] * SIZE
    pose[INDEX["neck_z"]] = 0.5
    number = source_number(SOURCE)

    async def work(client, base):
        async with client.ws_connect(f"{base}session") as line:
            await line.send_json({"type": "pose", "pose": pose, "hold": True})
            return await asyncio.to_thread(see_it_held)

    def see_it_held():
        with session.reader() as ring:
            first = stamp_when(ring, lambda stamp: stamp.source == number).captured_ns
            return stamp_when(ring, lambda stamp: stamp.captured_ns > first + 2_000_000_000)

    late = visit(session, work)
    shown = np.frombuffer(late.pose, "<f4")
    assert late.source == number
    assert shown[INDEX["neck_z"]] == pytest.approx(0.5, abs=0.01)


def test_restart_button_starts_a_stage_again(session):
    before = session.pid("avatar")

    async def work(client, base):
        async with client.ws_connect(f"{base}session") as line:
            await line.send_json(
                {"type": "ask", "number": 7, "request": "restart", "stage": "avatar"}
            )
            reply = await answer(line, "reply")
            while (event := (await answer(line, "event"))["event"])["event"] != "ready":
                pass
            return reply, event["stage"]

    reply, ready = visit(session, work)
    assert (reply["number"], reply["error"], ready) == (7, None, "avatar")
    assert session.pid("avatar") != before


def test_refused_request_says_why(session):
    async def work(client, base):
        async with client.ws_connect(f"{base}session") as line:
            await line.send_json({"type": "ask", "number": 1, "request": "restart", "stage": "no"})
            return await answer(line, "reply")

    assert 'no stage "no"' in visit(session, work)["error"]


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("ws", "{}", "type"),
        ("ws", "not json", "JSON"),
        ("session", '{"type": "pose", "pose": [1, 2]}', "45"),
        ("session", '{"type": "ask", "number": 1, "request": "stop"}', "stop"),
        ("session", '{"type": "release", "more": 1}', "more"),
    ],
)
def test_malformed_message_closes_with_the_reason(session, path, text, why):
    before = session.counter("page", "malformed")

    async def work(client, base):
        async with client.ws_connect(base + path, autoclose=False) as line:
            await line.send_str(text)
            while (message := await line.receive()).type is not aiohttp.WSMsgType.CLOSE:
                assert message.type is aiohttp.WSMsgType.TEXT  # a greeting, a status
            return message.data, message.extra

    code, reason = visit(session, work)
    assert (code, why in reason) == (aiohttp.WSCloseCode.POLICY_VIOLATION, True)
    wait_until(lambda: session.counter("page", "malformed") == before + 1)


def test_message_that_is_too_large_closes(session):
    async def work(client, base):
        async with client.ws_connect(f"{base}session") as line:
            await line.send_str(json.dumps({"type": "release", "more": "x" * 100_000}))
            async for _ in line:
                pass
            return line.close_code

    assert visit(session, work) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


# --- pictures


def post_picture(image: bytes) -> Work:
    async def work(client, base):
        async with client.post(f"{base}picture", data=image) as response:
            return response.status, (await response.json())["error"]

    return work


def test_uploaded_picture_is_shown(session):
    for name in ("koma", "ito"):
        with session.reader() as ring:
            look = ring.latest().stamp.look
            image = (SHIPPED / f"{name}.png").read_bytes()
            assert visit(session, post_picture(image)) == (200, None)
            stamp_when(ring, lambda stamp: stamp.look != look)  # noqa: B023


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"not a picture", "neither PNG nor WebP"),
        (cv2.imencode(".png", np.full((64, 32, 4), 255, np.uint8))[1].tobytes(), "32x64 pixels"),
        (cv2.imencode(".jpg", np.zeros((512, 512, 3), np.uint8))[1].tobytes(), "JPEG"),
    ],
)
def test_picture_that_does_not_fit_is_refused_with_the_reason(session, image, reason):
    status, error = visit(session, post_picture(image))
    assert (status, reason in error) == (422, True)


def test_huge_upload_is_refused(session):
    status, error = visit(session, post_picture(b"\x89PNG" * (9 << 20)))
    assert (status, error) == (413, "the picture is larger than 32 MiB")


@pytest.mark.parametrize("kind", ["webp", "png"])
def test_recording_decodes_with_transparency(session, kind):
    wish = {"seconds": 2, "fps": 15, "size": 128, "format": kind}

    async def work(client, base):
        async with client.ws_connect(f"{base}session"), frames(client, base) as ask:
            for _ in range(40):
                await ask()
            async with client.post(f"{base}recordings", data=json.dumps(wish)) as response:
                made = await response.json()
            async with client.get(base.rstrip("/") + made["address"]) as response:
                return made, await response.read()

    made, data = visit(session, work)
    _, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    assert made["frames"] >= len(animation.frames) >= 5  # equal ones are put together
    assert animation.frames[0].shape == (128, 128, 4)
    assert {0, 255} <= set(np.unique(animation.frames[0][..., 3]))


def test_recording_of_nothing_is_refused_with_the_reason(session):
    async def work(client, base):
        async with client.post(f"{base}recordings", data="{}") as response:
            return response.status, (await response.json())["error"]

    status, error = visit(session, work)
    assert (status, "nothing" in error) == (409, True)


def test_dropped_folder_of_a_trained_character_is_shown(tmp_path):
    folder = made_up_student.write(tmp_path / "mine")

    async def work(client, base):
        form = aiohttp.FormData()
        for path in folder.iterdir():
            form.add_field("file", path.read_bytes(), filename=path.name)
        async with client.post(f"{base}character", data=form) as response:
            return response.status, await response.json()

    with running_session(FREE_PORT, *QUICK_RESTARTS) as changed:
        assert visit(changed, work) == (200, {"error": None})
        wait_until(lambda: changed.counter("avatar", "faces") > 0)
        (folder / "character.png").unlink()
        status, content = visit(changed, work)
        assert status == 422
        assert "character.png" in content["error"]
