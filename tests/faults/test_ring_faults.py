"""Rings when a process dies, a name is taken, memory is full or a header is damaged."""

import contextlib
import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shm.segment
from shm import (
    FormatError,
    Frame,
    FrameFormat,
    FrameLost,
    Kind,
    MemoryFull,
    NameTaken,
    RingOwner,
    RingReader,
    RingWriter,
    SegmentMissing,
    Stamp,
    State,
    WriterAlive,
    create_ring,
    image_format,
    layout,
    now_ns,
    remove_stale_rings,
    segment,
)
from shm.attached import LayoutMismatch
from shm.reader import read_word

MakeRing = Callable[..., RingOwner]
Start = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
SMALL = FrameFormat(Kind.ENCODED, "uint8", (64,))
HEADER = layout.offsets(layout.HEADER)
DEADLINE_NS = 30_000_000_000
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/shm; Linux runs this")


def some(frame: Frame | None) -> Frame:
    """Return the frame that must be there."""
    assert frame is not None
    return frame


def until(true: Callable[[], bool], what: str) -> None:
    """Look until something is true; fail after the deadline."""
    end = now_ns() + DEADLINE_NS
    while not true():
        assert now_ns() < end, f"never happened: {what}"


# --- writers that die

KILLS = 60
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


# --- readers that die, sleep or leave


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


# --- names


@linux_only
def test_name_of_a_living_creator_is_refused_with_its_process(
    make_ring: MakeRing, name: str
) -> None:
    make_ring(SMALL, 3, name)
    with pytest.raises(NameTaken, match=str(os.getpid())):
        create_ring(name, SMALL, 3)
    with RingReader(name) as reader:
        assert reader.state is State.NONE


@contextlib.contextmanager
def foreign_segment(name: str, content: bytes, age_s: float = 0.0) -> Iterator[Path]:
    """A file in /dev/shm that is no whole ring, as old as wanted."""
    path = segment.SHM_FOLDER / name
    path.write_bytes(content)
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


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


# --- headers that cannot be believed


@contextlib.contextmanager
def damaged(name: str, changes: dict[int, bytes], length: int | None = None) -> Iterator[None]:
    """A ring whose bytes were changed at some offsets, cut to a length if given."""
    with create_ring(f"{name}-good", SMALL, 3) as owner:
        path = segment.SHM_FOLDER / owner.name
        content = bytearray(path.read_bytes())
    for offset, change in changes.items():
        content[offset : offset + len(change)] = change
    with foreign_segment(name, bytes(content[:length])):
        yield


def _try(name: str) -> None:
    """Open as a reader and as a writer and read; only the errors of the contract may come."""
    for kind in (RingReader, RingWriter):
        with contextlib.suppress(FormatError, SegmentMissing), kind(name) as ring:
            assert all(np.asarray(array).sum() >= 0 for array in ring._ring.arrays)


FIXED = [field for field in layout.HEADER if not field.meaning.startswith("live")]


@linux_only
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(field=st.sampled_from(FIXED), data=st.data())
def test_damaged_field_is_refused_or_harmless(name: str, field: Any, data: Any) -> None:
    size = layout.SIZES[field.type] * field.length
    change = data.draw(st.binary(min_size=size, max_size=size))
    with damaged(name, {field.offset: change}):
        _try(name)


@linux_only
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.dictionaries(st.integers(8, 0x400), st.binary(min_size=1, max_size=16)))
def test_damage_anywhere_in_the_header_is_refused_or_harmless(
    name: str, changes: dict[int, bytes]
) -> None:
    with damaged(name, changes):
        _try(name)


@linux_only
@pytest.mark.parametrize("length", [4096, 4097, 8191, 8192])
def test_ring_cut_short_is_refused(name: str, length: int) -> None:
    with damaged(name, {}, length), pytest.raises(LayoutMismatch):
        RingReader(name)


U32, U64 = struct.Struct("<I"), struct.Struct("<Q")


@linux_only
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("major", struct.pack("<H", 2)),
        ("slot_count", U32.pack(0)),
        ("slot_count", U32.pack(2)),
        ("slot_count", U32.pack(64)),
        ("slot_count", U32.pack(2**32 - 1)),
        ("slot_header_bytes", U32.pack(0)),
        ("slot_table", U64.pack(0)),
        ("slot_table", U64.pack(2**63)),
        ("payload_offset", U64.pack(0)),
        ("payload_offset", U64.pack(2**63)),
        ("payload_stride", U64.pack(0)),
        ("payload_stride", U64.pack(2**40)),
        ("kind", U32.pack(0)),
        ("dtype", U32.pack(9)),
        ("rank", U32.pack(0)),
        ("rank", U32.pack(5)),
        ("shape", U32.pack(0)),
        ("shape", U32.pack(65)),
    ],
)
@pytest.mark.parametrize("kind", [RingReader, RingWriter])
def test_header_that_contradicts_its_segment_is_refused(
    name: str, kind: type, field: str, value: bytes
) -> None:
    with damaged(name, {HEADER[field]: value}), pytest.raises(FormatError):
        kind(name)


@linux_only
def test_slot_number_out_of_range_is_damage(name: str) -> None:
    head = b"\xff" * 8
    changes = {HEADER["head"]: head, HEADER["history"]: head * layout.HISTORY_COUNT}
    with damaged(name, changes), RingReader(name) as reader:
        for read in (reader.latest, reader.newest, reader.next, lambda: reader.history(3)):
            with pytest.raises(LayoutMismatch, match="damaged"):
                read()


@linux_only
def test_newest_frame_that_is_not_in_its_slot_is_damage_and_no_endless_look(name: str) -> None:
    with damaged(name, {HEADER["head"]: U64.pack(9 << 8 | 1)}), RingReader(name) as reader:
        with pytest.raises(LayoutMismatch, match="damaged"):
            reader.latest()
        assert not some(reader.newest()).valid
        assert reader.newest() is None


# --- full memory


@linux_only
def test_full_memory_is_an_error_with_a_mend_and_leaves_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(MemoryFull, match="--shm-size"):
        create_ring(name, image_format(), 8)
    assert segment.names(name) == []


@linux_only
def test_ring_larger_than_any_memory_is_refused(name: str) -> None:
    with pytest.raises(MemoryFull):
        create_ring(name, image_format(200_000, 200_000), 64)
    assert segment.names(name) == []


IN_SMALL_MEMORY = """
import os, sys
sys.path.insert(0, {root!r})
from shm import MemoryFull, RingReader, RingWriter, Stamp, create_ring, image_format
from shm.segment import names
with create_ring("aya-fits", image_format(256, 256), 8) as owner:
    try:
        create_ring("aya-does-not", image_format(512, 512), 8)
    except MemoryFull as reason:
        print(reason)
    else:
        sys.exit("it was made")
    assert names("aya-") == ["aya-fits"], names("aya-")
    # The one that was made has all its pages: filling every slot is no SIGBUS.
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        for number in range(1, 20):
            with writer.slot(Stamp()) as array:
                array[:] = number
            assert (reader.newest().copy() == number).all()
assert names("aya-") == []
"""


@linux_only
def test_small_dev_shm_holds_what_fits_and_refuses_the_rest(tmp_path: Path) -> None:
    script = tmp_path / "small.py"
    script.write_text(textwrap.dedent(IN_SMALL_MEMORY).format(root=str(ROOT)), encoding="utf-8")
    mount = "mount -t tmpfs -o size=4m tmpfs /dev/shm"
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare; Linux with util-linux runs this")
    as_root = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    inside = [unshare, *as_root, "--mount", "sh", "-c"]
    allowed = subprocess.run([*inside, mount], capture_output=True, text=True, check=False)
    if allowed.returncode:
        pytest.skip(f"no mount namespace here ({allowed.stderr.strip()}); root runs this")
    command = [*inside, f"{mount} && exec '{sys.executable}' '{script}'"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "--shm-size" in result.stdout


@linux_only
def test_reserved_pages_are_there_before_the_first_frame(make_ring: MakeRing) -> None:
    owner = make_ring(image_format(), 3)
    blocks = (shm.segment.SHM_FOLDER / owner.name).stat().st_blocks
    assert blocks * 512 >= owner.nbytes
    assert owner.nbytes % mmap.PAGESIZE == 0


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
