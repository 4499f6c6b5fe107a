"""The frames of a session: pictures, their order, and what their stamps say."""

import contextlib

import numpy as np
from sessions import frames, order, stamp_when, stamps

from shm import Flag, FrameLost
from shm.clock import now_ns


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
