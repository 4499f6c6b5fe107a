"""Names that are taken, left by the dead, half made, or not there yet."""

import os
import subprocess
import sys
from multiprocessing.connection import Connection

import pytest
from rings import ROOT, SMALL, MakeRing, Start, foreign_segment, linux_only

from shm import (
    FrameFormat,
    Kind,
    NameTaken,
    RingReader,
    RingWriter,
    SegmentMissing,
    State,
    create_ring,
    remove_stale_rings,
    segment,
)

# --- left by the dead

CREATOR = """
import os, signal, sys
sys.path.insert(0, {root!r})
from shm import FrameFormat, Kind, create_ring
owner = create_ring({name!r}, FrameFormat(Kind.ENCODED, "uint8", (64,)), 3)
print("made", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@linux_only
def test_ring_of_a_dead_creator_is_replaced(name: str, make_ring: MakeRing) -> None:
    text = CREATOR.format(root=str(ROOT), name=name)
    result = subprocess.run([sys.executable, "-c", text], stdout=subprocess.PIPE, check=False)
    assert result.stdout == b"made\n"
    assert segment.names(name) == [name], "a killed creator takes nothing along"
    owner = make_ring(FrameFormat(Kind.ENCODED, "uint8", (128,)), 4, name)
    with RingReader(owner.name) as reader:
        assert reader.format.shape == (128,)


@linux_only
def test_rings_of_dead_creators_are_swept_and_living_ones_stay(
    name: str, make_ring: MakeRing
) -> None:
    dead, alive = f"{name}-d", f"{name}-l"
    text = CREATOR.format(root=str(ROOT), name=dead)
    subprocess.run([sys.executable, "-c", text], stdout=subprocess.DEVNULL, check=False)
    make_ring(SMALL, 3, alive)
    assert remove_stale_rings(name) == [dead]
    assert segment.names(name) == [alive]


# --- taken by the living


@linux_only
def test_name_of_a_living_creator_is_refused_with_its_process(
    make_ring: MakeRing, name: str
) -> None:
    make_ring(SMALL, 3, name)
    with pytest.raises(NameTaken, match=str(os.getpid())):
        create_ring(name, SMALL, 3)
    with RingReader(name) as reader:
        assert reader.state is State.NONE


# --- half made


@linux_only
def test_segment_that_is_being_made_is_not_taken_away(name: str) -> None:
    with foreign_segment(name, bytes(8192)) as path, pytest.raises(NameTaken, match="just now"):
        create_ring(name, SMALL, 3)
    assert not path.exists()


@linux_only
@pytest.mark.parametrize("length", [0, 5, 100, 4096, 100_000])
def test_half_made_segment_is_replaced_once_it_is_old(
    name: str, make_ring: MakeRing, length: int
) -> None:
    with foreign_segment(name, bytes(length), age_s=60):
        make_ring(SMALL, 3, name)
        with RingReader(name) as reader:
            assert reader.slots == 3


@linux_only
@pytest.mark.parametrize("length", [0, 5, 100, 4096, 100_000])
@pytest.mark.parametrize("kind", [RingReader, RingWriter])
def test_half_made_segment_counts_as_missing(name: str, kind: type, length: int) -> None:
    with foreign_segment(name, bytes(length)), pytest.raises(SegmentMissing):
        kind(name)


# --- not there yet


def make_when_told(connection: Connection, name: str) -> None:
    """Create the ring after a word from the test."""
    connection.send("ready")
    connection.recv()
    with create_ring(name, SMALL, 3):
        connection.recv()


def test_reader_waits_for_a_ring_that_is_made_later(name: str, start: Start) -> None:
    creator = start(make_when_told, name)
    assert creator.receive() == "ready"
    with pytest.raises(SegmentMissing):
        RingReader(name)
    creator.send("make")
    with RingReader(name, timeout_s=30) as reader:
        assert reader.slots == 3
    creator.send("end")
    assert creator.join() == 0
