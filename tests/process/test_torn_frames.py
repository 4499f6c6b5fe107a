"""Torn frames: a fast writer, a small ring, readers under load. What is accepted is always whole.

Every word of a frame is the frame's own sequence, so that a frame mixed from two is seen at once.
A control that skips the validation must see such frames, or the test would prove nothing.
"""

import functools
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pytest

import shm.attached
from shm import FrameFormat, FrameLost, Kind, RingOwner, RingReader, RingWriter, Stamp
from shm.fence import OrderUnknown, order_of

MakeRing = Callable[..., RingOwner]
FRAMES = 150_000  # of each race
WORDS = 512
FORMAT = FrameFormat(Kind.ENCODED, "uint8", (8 * WORDS,))
READERS = 4


def _keep_the_order_of(machine: str) -> None:
    if machine:
        shm.attached.order_of = functools.partial(order_of, machine=machine)


def write(connection: Connection, name: str, frames: int, machine: str) -> None:
    """Publish so many frames as fast as possible, the stamp as telling as the payload."""
    _keep_the_order_of(machine)
    with RingWriter(name) as writer:
        connection.send("ready")
        connection.recv()
        for sequence in range(1, frames + 1):
            slot = writer.loan(Stamp(pose_sequence=sequence, look=sequence))
            slot.array.view(np.uint64)[:] = sequence
            writer.publish(slot)
        connection.send(frames)


def _by_copy(reader: RingReader, last: int) -> tuple[int, int, int]:
    """Copy the newest frames; return (accepted, torn among them, refused)."""
    accepted = torn = refused = 0
    out = np.empty(WORDS, np.uint64)
    while reader.cursor < last:
        frame = reader.newest(timeout_s=10)
        if frame is None:
            break
        try:
            frame.copy(out.view(np.uint8))
            stamp = frame.stamp
        except FrameLost:
            refused += 1
            continue
        accepted += 1
        whole = (out == frame.sequence).all() and stamp.look == stamp.pose_sequence
        torn += not (whole and stamp.pose_sequence == frame.sequence)
    return accepted, torn, refused


def _in_place(reader: RingReader, last: int) -> tuple[int, int, int]:
    """Use each frame's view in order, then ask whether that was good."""
    accepted = torn = refused = 0
    while reader.cursor < last:
        frame = reader.next(timeout_s=10)
        if frame is None:
            break
        whole = (frame.array.view(np.uint64) == frame.sequence).all()
        if not frame.valid:
            refused += 1
            continue
        accepted += 1
        torn += not whole
    return accepted, torn, refused


def _leased(reader: RingReader, last: int) -> tuple[int, int, int]:
    """Hold a lease while the view is used."""
    accepted = torn = refused = 0
    while reader.cursor < last:
        frame = reader.newest(timeout_s=10)
        if frame is None:
            break
        try:
            with reader.lease(frame):
                whole = (frame.array.view(np.uint64) == frame.sequence).all()
                frame.check()
        except FrameLost:
            refused += 1
            continue
        accepted += 1
        torn += not whole
    return accepted, torn, refused


def _unchecked(reader: RingReader, last: int) -> tuple[int, int, int]:
    """The control: believe every view without asking."""
    accepted = torn = 0
    while reader.cursor < last:
        frame = reader.newest(timeout_s=10)
        if frame is None:
            break
        accepted += 1
        words = frame.array.view(np.uint64)
        torn += not (words == frame.sequence).all()
    return accepted, torn, 0


WAYS = {f.__name__: f for f in (_by_copy, _in_place, _leased, _unchecked)}


def read(connection: Connection, name: str, way: str, last: int, machine: str) -> None:
    """Read until frame `last` in one of the ways; send what was counted."""
    _keep_the_order_of(machine)
    with RingReader(name, leases=1 if way == "_leased" else 0) as reader:
        connection.send("ready")
        connection.send(WAYS[way](reader, last))


def _race(
    owner: RingOwner, start: Callable[..., Any], ways: list[str], frames: int, machine: str = ""
) -> list[tuple[int, int, int]]:
    writer = start(write, owner.name, frames, machine)
    readers = [start(read, owner.name, way, frames, machine) for way in ways]
    for child in (writer, *readers):
        assert child.receive() == "ready"
    writer.send("go")
    assert writer.receive(100) == frames
    return [child.receive() for child in readers]


@pytest.mark.slow
@pytest.mark.usefixtures("helper_or_python")
@pytest.mark.parametrize(
    ("slots", "ways"),
    [
        (3, ["_by_copy", "_in_place", "_by_copy", "_in_place"]),
        (4, ["_by_copy", "_in_place", "_leased", "_leased"]),
    ],
)
def test_no_torn_frame_is_accepted(
    make_ring: MakeRing, start: Callable[..., Any], slots: int, ways: list[str]
) -> None:
    counts = _race(make_ring(FORMAT, slots), start, ways, FRAMES)
    assert len(counts) == READERS
    assert [torn for _, torn, _ in counts] == [0] * READERS
    assert all(accepted > 1000 for accepted, _, _ in counts), counts


@pytest.mark.usefixtures("helper_or_python")
def test_no_torn_frame_is_accepted_with_the_order_of_arm(
    make_ring: MakeRing, start: Callable[..., Any]
) -> None:
    try:
        order_of(memoryview(bytearray(8)).cast("Q"), 0, "aarch64")
    except OrderUnknown as reason:
        pytest.skip(f"{reason}; a machine with libatomic runs this")
    ways = ["_by_copy", "_in_place", "_leased"]
    counts = _race(make_ring(FORMAT, 3), start, ways, FRAMES // 5, "aarch64")
    assert [torn for _, torn, _ in counts] == [0, 0, 0]
    assert all(accepted > 100 for accepted, _, _ in counts), counts


def test_control_readers_that_do_not_validate_see_torn_frames(
    make_ring: MakeRing, start: Callable[..., Any]
) -> None:
    counts = _race(make_ring(FORMAT, 3), start, ["_unchecked"] * READERS, FRAMES // 2)
    if not sum(torn for _, torn, _ in counts):
        pytest.skip(f"this machine tore no frame today, so the control shows nothing: {counts}")
