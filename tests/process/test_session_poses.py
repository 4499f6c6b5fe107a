"""Poses on the way in: which are taken, which wins, and what is shown without any."""

import contextlib
import threading
import time

import msgpack
import numpy as np
import pytest
from sessions import pose, stamp_when, wait_until

from shm import FrameLost
from shm.clock import now_ns
from stages.cacher.quantiser import GridQuantiser
from stages.ingest.messages import source_number


def quantised(values):
    """Return the bytes of a pose as the cacher passes it on."""
    return GridQuantiser(50).quantise(values).tobytes()


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
