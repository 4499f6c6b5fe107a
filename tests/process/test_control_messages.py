"""Rubbish on every socket of a running session: counted, reported once, and nothing else."""

import contextlib
import random
import socket
import struct
from urllib.parse import urlsplit

import msgpack
import pytest
import zmq
from sessions import (
    Publisher,
    next_frame_since,
    pose,
    running_session,
    stamps,
    wait_until,
)

from pipeline.client import RequestFailed
from shm.clock import now_ns
from stages import control
from stages.ingest.messages import source_number

MANY = 3000


@pytest.fixture(scope="module")
def session():
    """A session that all the rubbish goes to; it must end as orderly as any."""
    with running_session() as running:
        yield running
        assert "Traceback" not in running.log
        assert [stage["restarts"] for stage in running.status()["stages"]] == [0] * 4


@pytest.fixture(autouse=True)
def goes_on(session):
    """After each test frames come and tools are answered."""
    yield
    with session.reader() as ring:
        next_frame_since(ring, now_ns(), 5.0)
        stamps(ring, 10)
    assert session.status()["state"] == "running"


def rubbish(count):
    """Yield bytes of all kinds: noise, msgpack of the wrong shape, messages nearly right."""
    chance = random.Random(5)
    right = [
        control.encode(control.GetStatus()),
        control.encode(control.Restart(stage="avatar")),
        msgpack.packb({"pose": bytes(180), "time_ns": 5, "source": "me"}),
    ]
    wrong = [None, 1, "status", [], {}, {"type": "halt"}, {"type": 5}, {"pose": "x"}, [0.5] * 44]
    for number in range(count):
        match number % 4:
            case 0:
                yield chance.randbytes(chance.randrange(200))
            case 1:
                yield msgpack.packb(wrong[chance.randrange(len(wrong))])
            case 2:
                data = chance.choice(right)
                yield data[: chance.randrange(len(data))]
            case 3:
                yield msgpack.packb({"type": "status", "v": 1, f"k{number}": number})


def dealer(context, address):
    """Return a socket that sends whatever to a ROUTER."""
    made = context.socket(zmq.DEALER)
    made.linger = 1000
    made.sndhwm = 0
    made.connect(address)
    return made


def stages_address(session):
    """Return the address that is the stages' alone."""
    return f"ipc://{session.runtime / session.name / 'stages.sock'}"


def test_rubbish_to_the_tools_endpoint_is_answered_and_reported_once(session):
    before = session.status()["malformed"]
    address = session.content()["endpoints"]["control"]
    with zmq.Context() as context, dealer(context, address) as tool:
        for data in rubbish(MANY):
            tool.send_multipart([b"", data])
        for _ in range(MANY):
            assert tool.poll(5000), "every request is answered"
            reply = control.decode(tool.recv_multipart()[-1], control.Reply)
            assert reply.error
    assert session.status()["malformed"] - before == MANY
    assert session.log.count("a control message was refused") == 1


def test_messages_of_many_parts_to_the_tools_endpoint_do_no_harm(session):
    address = session.content()["endpoints"]["control"]
    with zmq.Context() as context, dealer(context, address) as tool:
        for count in range(1, 50):
            tool.send_multipart([b"part"] * count)
        tool.send_multipart([b""])
        assert tool.poll(5000)


def test_tool_that_asks_and_never_listens_does_no_harm(session):
    address = session.content()["endpoints"]["control"]
    with zmq.Context() as context, dealer(context, address) as tool:
        tool.rcvhwm = 1
        for _ in range(MANY):
            tool.send_multipart([b"", control.encode(control.GetStatus())])
        tool.linger = 0


def test_request_beyond_all_bounds_is_refused(session):
    address = session.content()["endpoints"]["control"]
    with zmq.Context() as context, dealer(context, address) as tool:
        tool.send_multipart([b"", bytes(control.MAX_MESSAGE_BYTES + 1)], copy=False)
        assert tool.poll(10_000)
        assert b"at most" in tool.recv_multipart()[-1]


def test_rubbish_to_the_stages_endpoint_is_counted_and_reported_seldom(session):
    before = session.status()["malformed"]
    with zmq.Context() as context, dealer(context, stages_address(session)) as stranger:
        for data in rubbish(MANY):
            stranger.send(data)
            stranger.send_multipart([data, data])
        # Before it hangs up: libzmq drops what it has not yet read of one who is gone.
        wait_until(lambda: session.status()["malformed"] - before >= 2 * MANY)
    assert session.log.count("was dropped") <= 6


def test_stranger_cannot_speak_for_a_stage(session):
    pid = session.pid("avatar")
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 1000
        stranger.identity = f"avatar/{pid}".encode()  # that connection exists: this one is refused
        stranger.connect(stages_address(session))
        beat = {"stage": "avatar", "pid": pid, "rate_hz": 1e9, "counters": {}, "times_ms": {}}
        with contextlib.suppress(zmq.Again):
            for _ in range(100):
                message = {"type": "beat", **beat, "memory_bytes": 0}
                stranger.send(msgpack.packb(message), zmq.NOBLOCK)
        with session.reader() as ring:
            stamps(ring, 30)
        assert session.stage("avatar")["rate_hz"] < 1e6


def test_rubbish_instead_of_poses_is_counted_and_reported_seldom(session):
    before = session.counter("ingest", "malformed")
    with Publisher(session) as publisher:
        for number, data in enumerate(rubbish(MANY)):
            publisher.send_raw(data)
            if number % 50 == 0:  # slow enough that most of them arrive
                session.status()
        wait_until(lambda: session.counter("ingest", "malformed") - before > MANY // 2)
    assert session.log.count("it was dropped") <= 4


def test_right_pose_among_rubbish_is_taken(session):
    with Publisher(session) as publisher, session.ring("ingest", "poses") as poses:
        for number, data in enumerate(rubbish(400)):
            publisher.send_raw(data)
            publisher.send(pose(head_x=0.5), source="among")
            if number % 20 == 0:
                session.status()
        while poses.next(0.5).stamp.source != source_number("among"):
            pass


def test_impossible_poses_never_reach_a_frame(session):
    with Publisher(session) as publisher, session.reader() as ring:
        for value in (float("nan"), float("inf"), 1e20, -90.0):
            publisher.send([value] * 45, source="bad")
            publisher.send([0.0] * 44, source="bad")
        assert all(stamp.source != source_number("bad") for stamp in stamps(ring, 60))


def test_huge_pose_message_costs_its_sender_the_connection_alone(session):
    with Publisher(session) as publisher:
        publisher.send_raw(bytes(8 << 20))
    with Publisher(session) as publisher, session.ring("ingest", "poses") as poses:
        source = source_number("after")
        for _ in range(50):
            publisher.send(pose(), source="after")
            if poses.next(0.5).stamp.source == source:
                return
    raise AssertionError("poses are taken no more")


def raw(address):
    """Open the bare socket below a ZeroMQ address."""
    parts = urlsplit(address)
    if parts.scheme == "ipc":
        made = socket.socket(socket.AF_UNIX)
        made.connect(parts.path)
    else:
        made = socket.create_connection((parts.hostname, parts.port))
    return made


@pytest.mark.parametrize("name", ["control", "events", "poses", "stages"])
def test_bytes_that_are_not_zeromq_do_no_harm(session, name):
    addresses = {**session.content()["endpoints"], "stages": stages_address(session)}
    chance = random.Random(name)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
    for number in range(40):
        with raw(addresses[name]) as connection, contextlib.suppress(OSError):
            if number % 2:
                connection.sendall(greeting)
            connection.sendall(struct.pack("<Q", number) + chance.randbytes(number * 50))


def test_nobody_can_write_to_the_events(session):
    with zmq.Context() as context, context.socket(zmq.SUB) as honest:
        honest.linger = 0
        address = session.content()["endpoints"]["events"]
        honest.connect(address)
        honest.subscribe(b"")
        with context.socket(zmq.XSUB) as writer:
            writer.linger = 0
            writer.connect(address)
            for data in rubbish(500):
                writer.send(b"\x05" + data)
        assert honest.poll(5000)
        topic, data = honest.recv_multipart()
        assert topic in (b"metrics", b"event")
        assert msgpack.unpackb(data)["v"] == 1


def test_refused_request_is_said_to_the_one_who_asked(session):
    with pytest.raises(RequestFailed, match='there is no stage "nobody"'):
        session.ask(control.Restart(stage="nobody"))
    with pytest.raises(RequestFailed):
        session.ask(control.Done(number=1))
