"""Frames on the way that the cacher has: found in the rings, taken only where they belong."""

from collections.abc import Iterator

import numpy as np
import pytest
from rings import MakeRing

from shm import RingReader, RingWriter, Stamp
from shm.frame import Flag, image_format
from stages.between import KNOWN, between
from stages.interpolation.known import find

BEFORE = Stamp(pose_sequence=7, captured_ns=1_000_000, look=3)
NOW = Stamp(pose_sequence=8, captured_ns=51_000_003, look=3)


@pytest.fixture
def ring(make_ring: MakeRing) -> Iterator[tuple[RingWriter, RingReader]]:
    owner = make_ring(image_format(8, 8), 6)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        yield writer, reader


def give(writer: RingWriter, stamp: Stamp, value: int) -> None:
    with writer.slot(stamp) as array:
        array[:] = value


def known(part: int, parts: int) -> Stamp:
    way = between(BEFORE, NOW, part, parts)
    return way._replace(flags=way.flags | KNOWN)


def test_frames_on_the_way_are_found_by_part(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    give(writer, BEFORE, 1)
    give(writer, known(1, 4), 2)
    give(writer, known(2, 4), 3)
    give(writer, NOW, 4)
    found, passed = find([reader], BEFORE, NOW, 4)
    assert {part: int(frame.array[0, 0, 0]) for part, frame in found.items()} == {1: 2, 2: 3}
    assert passed == 2


def test_half_the_way_is_half_at_any_scale(ring: tuple[RingWriter, RingReader]) -> None:
    writer, reader = ring
    give(writer, known(1, 4), 2)
    give(writer, known(2, 4), 3)
    found, passed = find([reader], BEFORE, NOW, 2)
    assert list(found) == [1] and passed == 2
    assert find([reader], BEFORE, NOW, 3) == ({}, 2)


@pytest.mark.parametrize(
    "other",
    [
        (BEFORE._replace(captured_ns=900_000), NOW),  # the frame before was passed over
        (BEFORE, NOW._replace(captured_ns=60_000_000)),
        (BEFORE._replace(look=4), NOW._replace(look=4)),
    ],
)
def test_frames_meant_for_other_two_are_not_taken(
    ring: tuple[RingWriter, RingReader], other: tuple[Stamp, Stamp]
) -> None:
    writer, reader = ring
    give(writer, known(1, 2), 2)
    assert find([reader], *other, 2) == ({}, 0)


def test_frames_that_were_made_are_not_taken_for_known(
    ring: tuple[RingWriter, RingReader],
) -> None:
    writer, reader = ring
    give(writer, between(BEFORE, NOW, 1, 2), 2)
    assert find([reader], BEFORE, NOW, 2) == ({}, 0)


def test_the_stamp_on_the_way_lies_between() -> None:
    poses = np.zeros(45, "<f4"), np.linspace(0, 1, 45).astype("<f4")
    before, now = (s._replace(pose=p.tobytes()) for s, p in zip((BEFORE, NOW), poses, strict=True))
    way = between(before, now._replace(flags=int(Flag.CACHED)), 1, 4)
    assert (way.phase_numerator, way.phase_denominator) == (1, 4)
    assert way.flags == Flag.INTERPOLATED
    assert way.captured_ns == 1_000_000 + 50_000_003 // 4
    assert np.frombuffer(way.pose, "<f4") == pytest.approx(poses[1] / 4)


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_the_way_back_has_the_same_poses(parts: int) -> None:
    chance = np.random.default_rng(parts)
    here, there = (Stamp(pose=chance.uniform(-1, 1, 45).astype("<f4").tobytes()) for _ in range(2))
    for part in range(1, parts):
        back = between(there, here, parts - part, parts)
        assert between(here, there, part, parts).pose == back.pose
