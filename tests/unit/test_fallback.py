"""Poses come from the first ring whose writer lives."""

import os

import pytest

from shm import POSE_FORMAT, RingWriter, Stamp, create_ring
from shm.fallback import FallbackReader


@pytest.fixture
def rings():
    """Two pose rings with their writers: the preferred one, and the one behind it."""
    names = [f"aya-t-{os.getpid()}-fb{letter}" for letter in "ab"]
    owners = [create_ring(name, POSE_FORMAT, 4) for name in names]
    writers = [RingWriter(name) for name in names]
    reader = FallbackReader(names)
    yield owners, writers, reader
    reader.close()
    for closing in (*writers, *owners):
        closing.close()


def _give(writer, sequence):
    with writer.slot(Stamp(pose_sequence=sequence)) as array:
        array[:] = sequence


def test_poses_come_from_the_first_ring_while_its_writer_lives(rings):
    _, (first, second), reader = rings
    _give(second, 1)
    assert reader.newest() is None
    _give(first, 1)
    assert reader.newest().stamp.pose_sequence == 1


def test_poses_come_from_the_second_ring_once_the_first_writer_died(rings):
    owners, (first, second), reader = rings
    _give(first, 1)
    reader.newest()
    owners[0].writer_died()
    _give(second, 2)
    assert reader.newest().stamp.pose_sequence == 2


def test_no_older_pose_comes_after_a_newer_one_when_the_first_writer_is_back(rings):
    owners, (first, second), reader = rings
    owners[0].writer_died()
    _give(second, 5)
    reader.newest()
    first.close()
    with RingWriter(owners[0].name) as back:
        _give(back, 4)
        assert reader.newest() is None
        _give(back, 6)
        assert reader.newest().stamp.pose_sequence == 6


def test_what_passed_the_second_ring_before_it_was_read_is_not_dropped(rings):
    owners, (_, second), reader = rings
    for sequence in range(1, 20):
        _give(second, sequence)
    owners[0].writer_died()
    reader.newest()
    assert reader.dropped == 0
