"""Writers that die amid a frame, and writers that come while one is alive."""

import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import pytest
from rings import ROOT, SMALL, MakeRing, Start, linux_only, some

from shm import FrameFormat, Kind, RingReader, RingWriter, Stamp, State, WriterAlive, now_ns
from shm.reader import read_word

KILLS = 60
DEADLINE_NS = 30_000_000_000
BIG = FrameFormat(Kind.ENCODED, "uint8", (1 << 16,))
ENDLESS_WRITER = """
import sys
sys.path.insert(0, {root!r})
from shm import RingWriter, Stamp
print("loaded", flush=True)
sys.stdin.readline()
with RingWriter({name!r}) as writer:
    last = writer.newest_stamp()
    number = last.pose_sequence if last else 0
    while True:
        number += 1
        with writer.slot(Stamp(pose_sequence=number)) as array:
            for start in range(0, len(array), 1024):
                array[start:start + 1024] = number & 0xFF
"""


def until(true: Callable[[], bool], what: str) -> None:
    """Look until something is true; fail after the deadline."""
    end = now_ns() + DEADLINE_NS
    while not true():
        assert now_ns() < end, f"never happened: {what}"


def _writers(name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Give writer processes that wait for a word before they begin; the next is always loading."""
    text = ENDLESS_WRITER.format(root=str(ROOT), name=name)
    loading: list[subprocess.Popen[bytes]] = []
    try:
        while True:
            while len(loading) < 3:
                loading.append(
                    subprocess.Popen(
                        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                    )
                )
            process = loading[0]
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == b"loaded\n"
            process.stdin.write(b"go\n")
            process.stdin.flush()
            yield process
            loading.pop(0)
    finally:
        for process in loading:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


@pytest.mark.slow
@linux_only
def test_newest_frame_outlives_killed_writers_and_each_successor_goes_on(
    make_ring: MakeRing,
) -> None:
    owner = make_ring(BIG, 3)
    chance = random.Random(5)
    amid = 0
    with RingReader(owner.name) as reader, contextlib.closing(_writers(owner.name)) as writers:
        locks = reader._locks
        for epoch in range(1, KILLS + 1):
            process = next(writers)
            before = reader.head >> 8
            until(lambda b=before: reader.head >> 8 > b + 3, "the successor published")
            assert reader.epoch == epoch
            for _ in range(chance.randrange(200)):  # so that deaths are spread over the protocol
                read_word(reader, locks[0])
            _end(process)
            owner.writer_died()
            assert reader.state is State.DEAD
            amid += any(read_word(reader, lock) & 1 for lock in locks)
            frame = some(reader.latest())
            copy = frame.copy()
            assert (copy == copy[0]).all()
            assert copy[0] == frame.stamp.pose_sequence & 0xFF
            assert frame.sequence == reader.head >> 8
    assert amid > KILLS // 4, f"only {amid} of {KILLS} died amid a frame"


def write_then_wait(connection: Connection, name: str, frames: int) -> None:
    """Publish so many frames, then hold the ring until killed or told to stop."""
    with RingWriter(name) as writer:
        for number in range(1, frames + 1):
            with writer.slot(Stamp(pose_sequence=number)) as array:
                array[:] = number
        connection.send("done")
        connection.recv()


def test_second_writer_is_refused_and_told_who_writes(make_ring: MakeRing, start: Start) -> None:
    owner = make_ring(SMALL)
    writer = start(write_then_wait, owner.name, 1)
    assert writer.receive() == "done"
    with pytest.raises(WriterAlive, match=str(writer.process.pid)):
        RingWriter(owner.name)


def test_refused_writer_changes_nothing(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        with pytest.raises(WriterAlive):
            RingWriter(owner.name)
        assert reader.epoch == 1
        assert reader.state is State.RUNNING
        assert writer.publish(writer.loan(Stamp())) == 1


def test_ring_of_a_killed_writer_is_free_at_once(make_ring: MakeRing, start: Start) -> None:
    owner = make_ring(SMALL)
    writer = start(write_then_wait, owner.name, 5)
    assert writer.receive() == "done"
    writer.kill()
    with RingWriter(owner.name) as successor:
        assert successor.epoch == 2
        assert successor.publish(successor.loan(Stamp())) == 6


def test_reader_of_a_dead_writer_keeps_the_last_frame(make_ring: MakeRing, start: Start) -> None:
    owner = make_ring(SMALL)
    writer = start(write_then_wait, owner.name, 5)
    assert writer.receive() == "done"
    with RingReader(owner.name) as reader:
        writer.kill()
        owner.writer_died()
        assert reader.state is State.DEAD
        assert set(some(reader.latest()).copy()) == {5}
