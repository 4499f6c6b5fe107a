"""Wake-ups: nobody sleeps past a ring, nobody spins, every bell keeps the same promises."""

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import shm.doorbell as doorbell
from shm import FrameFormat, Kind, RingOwner, RingReader, RingWriter, Stamp, now_ns
from shm.doorbell import FutexBell, PollingBell, open_doorbell, wait_any

MakeRing = Callable[..., RingOwner]
SMALL = FrameFormat(Kind.ENCODED, "uint8", (64,))
LONG_NS = 30_000_000_000
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the futex is Linux's")
pytestmark = pytest.mark.usefixtures("helper_or_python")


@pytest.fixture(params=["system", "polling"])
def bells(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let rings use this system's bell, or the fallback."""
    if request.param == "polling":
        monkeypatch.setattr(
            "shm.attached.open_doorbell", lambda name, address, load: PollingBell(load)
        )
    return str(request.param)


@pytest.fixture
def pair(make_ring: MakeRing, bells: str) -> Iterator[tuple[RingWriter, RingReader]]:
    """Writer and reader of a ring."""
    owner = make_ring(SMALL)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        yield writer, reader


def _asleep(thread: threading.Thread) -> bool:
    """Whether a thread of this process sleeps in the kernel."""
    with open(f"/proc/self/task/{thread.native_id}/stat", encoding="ascii") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] == "S"


def _until_asleep(thread: threading.Thread) -> None:
    end = now_ns() + LONG_NS
    while not _asleep(thread):
        assert now_ns() < end, "the waiter never slept"


@linux_only
def test_sleeping_reader_is_woken_by_the_next_frame(pair: tuple[RingWriter, RingReader]) -> None:
    writer, reader = pair
    got: list[int] = []

    def wait() -> None:
        frame = reader.newest(timeout_s=30)
        got.append(frame.sequence if frame else 0)

    thread = threading.Thread(target=wait)
    thread.start()
    _until_asleep(thread)
    writer.publish(writer.loan(Stamp()))
    thread.join(30)
    assert got == [1]


@linux_only
def test_every_sleeping_reader_is_woken(make_ring: MakeRing, bells: str) -> None:
    owner = make_ring(SMALL)
    readers = [RingReader(owner.name) for _ in range(6)]
    got: list[bool] = []
    threads = [
        threading.Thread(target=lambda r=reader: got.append(r.newest(30) is not None))
        for reader in readers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        _until_asleep(thread)
    with RingWriter(owner.name) as writer:
        writer.publish(writer.loan(Stamp()))
    for thread in threads:
        thread.join(30)
    for reader in readers:
        reader.close()
    assert got == [True] * 6


def test_waiter_that_saw_an_older_head_does_not_sleep(pair: tuple[RingWriter, RingReader]) -> None:
    writer, reader = pair
    seen = reader.head
    writer.publish(writer.loan(Stamp()))
    before = now_ns()
    reader.bell.wait(seen, LONG_NS)
    assert now_ns() - before < LONG_NS


def test_wait_ends_with_its_time(pair: tuple[RingWriter, RingReader]) -> None:
    _, reader = pair
    before = now_ns()
    reader.bell.wait(reader.head, 20_000_000)
    assert now_ns() - before >= 15_000_000


@linux_only
def test_end_of_a_ring_wakes_who_waits_for_a_frame(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL)
    with RingReader(owner.name) as reader:
        thread = threading.Thread(target=lambda: reader.newest(timeout_s=30))
        thread.start()
        _until_asleep(thread)
        owner.end()
        thread.join(10)
        assert not thread.is_alive()


@linux_only
def test_reader_closed_under_a_waiting_thread_raises_there_and_crashes_nothing(
    make_ring: MakeRing,
) -> None:
    owner = make_ring(SMALL)
    raised: list[str] = []

    def wait(reader: RingReader) -> None:
        try:
            reader.newest(timeout_s=30)
        except ValueError as error:
            raised.append(str(error))

    reader = RingReader(owner.name)
    thread = threading.Thread(target=wait, args=(reader,))
    thread.start()
    _until_asleep(thread)
    reader.close()
    owner.end()
    thread.join(10)
    assert len(raised) == 1
    assert "released" in raised[0]


def test_waiter_uses_next_to_no_processor(pair: tuple[RingWriter, RingReader]) -> None:
    _, reader = pair
    before = time.thread_time_ns()
    assert reader.newest(timeout_s=1.0) is None
    limit = 20_000_000 if isinstance(reader.bell, FutexBell) else 200_000_000
    assert time.thread_time_ns() - before < limit


@linux_only
def test_ring_of_one_bell_ends_the_wait_for_several(make_ring: MakeRing) -> None:
    owners = [make_ring(SMALL) for _ in range(3)]
    readers = [RingReader(owner.name) for owner in owners]
    seen = [reader.head for reader in readers]
    bells = [reader.bell for reader in readers]
    thread = threading.Thread(target=lambda: wait_any(bells, seen, LONG_NS))
    thread.start()
    _until_asleep(thread)
    with RingWriter(owners[2].name) as writer:
        writer.publish(writer.loan(Stamp()))
    thread.join(10)
    assert not thread.is_alive()
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("waitv", [True, False])
def test_wait_for_several_ends_with_its_time(
    make_ring: MakeRing, monkeypatch: pytest.MonkeyPatch, waitv: bool
) -> None:
    if not waitv:
        monkeypatch.setattr(doorbell, "_futex_waitv", lambda *_: False)
    readers = [RingReader(make_ring(SMALL).name) for _ in range(2)]
    end = now_ns() + 20_000_000
    while (left := end - now_ns()) > 0:
        wait_any([reader.bell for reader in readers], [0, 0], left)
    for reader in readers:
        reader.close()


def test_wait_for_several_does_not_sleep_when_one_has_moved_on(make_ring: MakeRing) -> None:
    owners = [make_ring(SMALL) for _ in range(2)]
    readers = [RingReader(owner.name) for owner in owners]
    with RingWriter(owners[1].name) as writer:
        writer.publish(writer.loan(Stamp()))
    before = now_ns()
    wait_any([reader.bell for reader in readers], [0, 0], LONG_NS)
    assert now_ns() - before < LONG_NS
    for reader in readers:
        reader.close()


def test_machine_without_a_known_futex_gets_the_polling_bell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert isinstance(open_doorbell("x", 0, lambda: 0), PollingBell)
