"""Readers that are killed, stand still, lag or leave: nobody waits for them."""

import contextlib
import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from rings import ROOT, SMALL, MakeRing, Start, linux_only, some
from sessions import next_frame_since, running_session, stamps, wait_until

from shm import FrameLost, RingReader, RingWriter, Stamp, layout, now_ns
from shm.reader import read_word

# --- killed


def hold_a_lease(connection: Connection, name: str) -> None:
    """Lease the newest frame for ever."""
    reader = RingReader(name, leases=1)
    with reader.lease(some(reader.latest())) as frame:
        connection.send(frame.sequence)
        connection.recv()


def test_lease_of_a_killed_reader_is_taken_back(make_ring: MakeRing, start: Start) -> None:
    owner = make_ring(SMALL, 3)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        writer.publish(writer.loan(Stamp()))
        frame = some(reader.latest())
        holder = start(hold_a_lease, owner.name)
        assert holder.receive() == 1
        for _ in range(10):
            writer.publish(writer.loan(Stamp()))
        assert frame.valid
        assert owner.reap_readers() == 0
        holder.kill()
        assert owner.reap_readers() == 1
        for _ in range(3):
            writer.publish(writer.loan(Stamp()))
        assert not frame.valid


def test_entries_of_killed_readers_can_be_claimed_without_a_supervisor(
    make_ring: MakeRing, start: Start
) -> None:
    owner = make_ring(SMALL, 3)
    with RingWriter(owner.name) as writer:
        writer.publish(writer.loan(Stamp()))
        holder = start(hold_a_lease, owner.name)
        assert holder.receive() == 1
        holder.kill()
        with RingReader(owner.name, leases=layout.READER_COUNT):
            pass


# --- standing still or late


def stop_in_mid_read(connection: Connection, name: str) -> None:
    """Open the ring, take a view and stand still."""
    with RingReader(name, leases=1) as reader, reader.lease(some(reader.latest())):
        connection.send("reading")
        os.kill(os.getpid(), signal.SIGSTOP)


@linux_only
def test_stopped_readers_do_not_hold_the_writer_up(make_ring: MakeRing, start: Start) -> None:
    owner = make_ring(SMALL, 4)
    with RingWriter(owner.name) as writer:
        writer.publish(writer.loan(Stamp()))
        children = [start(stop_in_mid_read, owner.name) for _ in range(3)]
        for child in children:
            assert child.receive() == "reading"
        # Nothing in the writer can wait for a reader: its thread never sleeps of its own accord.
        before = _voluntary_switches()
        for _ in range(5000):
            writer.publish(writer.loan(Stamp()))
        assert _voluntary_switches() - before <= 5


def _voluntary_switches() -> int:
    text = Path("/proc/thread-self/status").read_text(encoding="ascii")
    return int(text.split("voluntary_ctxt_switches:")[1].split()[0])


def test_overwritten_frame_is_told_to_a_slow_reader(make_ring: MakeRing, start: Start) -> None:
    owner = make_ring(SMALL, 3)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        writer.publish(writer.loan(Stamp()))
        frame = some(reader.latest())
        for _ in range(10):
            writer.publish(writer.loan(Stamp()))
        with pytest.raises(FrameLost):
            frame.check()
        frame = some(reader.next())
        assert (frame.sequence, frame.dropped) == (9, 8)


# --- leaving


def attach_and_exit(connection: Connection, name: str, leases: int) -> None:
    """Open the ring, look, leave in the ordinary way."""
    with RingReader(name, leases=leases) as reader:
        connection.send(some(reader.latest()).sequence)


@pytest.mark.parametrize("leases", [0, 1])
def test_segment_stays_when_a_child_that_read_it_exits(
    make_ring: MakeRing, start: Start, leases: int
) -> None:
    owner = make_ring(SMALL)
    with RingWriter(owner.name) as writer:
        writer.publish(writer.loan(Stamp()))
        child = start(attach_and_exit, owner.name, leases)
        assert child.receive() == 1
        assert child.join() == 0
        with RingReader(owner.name) as reader:
            assert some(reader.latest()).sequence == 1


STRANGER = """
import sys
sys.path.insert(0, {root!r})
from multiprocessing.shared_memory import SharedMemory
from shm import RingReader, RingWriter, Stamp
SharedMemory("{name}-other", create=True, size=64).unlink()  # a tracker of its own is running
if {writes}:
    writer = RingWriter({name!r})
    writer.publish(writer.loan(Stamp()))
else:
    reader = RingReader({name!r}, leases=1)
"""


@linux_only
@pytest.mark.parametrize("writes", [False, True])
def test_segment_stays_when_a_stranger_with_a_tracker_exits(
    make_ring: MakeRing, writes: bool
) -> None:
    owner = make_ring(SMALL)
    text = STRANGER.format(root=str(ROOT), name=owner.name, writes=writes)
    command = [sys.executable, "-c", text]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    with RingReader(owner.name) as reader:
        assert (reader.latest() is not None) == writes


# --- readers of a session


def hold_leases(connection, name):
    """Lease frames of a ring and never give them back."""
    with RingReader(name, leases=4) as ring, contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(ring.lease(ring.newest(5.0)))
        connection.send("held")
        connection.recv()


def holders(ring):
    """Return the process ids in a ring's reader table."""
    first = (layout.READER_TABLE + layout.offsets(layout.READER)["pid"]) // 8
    step = layout.READER_BYTES // 8
    words = [read_word(ring, first + entry * step) for entry in range(layout.READER_COUNT)]
    return [word for word in words if word]


def test_reader_that_dies_with_leases_holds_nothing_up(start):
    with running_session(config="direct") as session, session.reader() as ring:
        child = start(hold_leases, ring.name)
        assert child.receive() == "held"
        assert holders(ring) == [child.process.pid] * 4
        assert len(stamps(ring, 40)) > 30  # it costs the writer slots, and no time
        child.kill()
        wait_until(lambda: not holders(ring), 5.0, "the leases are taken back")
        next_frame_since(ring, now_ns())


def test_reader_that_never_reads_on_holds_nothing_up():
    with (
        running_session(config="direct") as session,
        session.reader(leases=16) as slow,
        session.reader() as ring,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(16):
            frame = slow.newest(5.0)
            with contextlib.suppress(Exception):
                stack.enter_context(slow.lease(frame))
        assert len(stamps(ring, 60)) > 50
        assert session.stage("avatar")["restarts"] == 0
