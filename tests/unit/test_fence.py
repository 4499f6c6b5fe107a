"""Memory order: both ways of keeping it carry the whole protocol of a ring."""

import functools
import platform
from collections.abc import Callable

import numpy as np
import pytest

import shm.attached
import shm.fence
import shm.owner
from shm import FrameFormat, FrameLost, Kind, RingOwner, RingReader, RingWriter, Stamp
from shm.fence import OrderUnknown, order_of

MakeRing = Callable[..., RingOwner]
SMALL = FrameFormat(Kind.ENCODED, "uint8", (64,))
MACHINES = ("x86_64", "aarch64")
pytestmark = pytest.mark.usefixtures("helper_or_python")


def _order(machine: str) -> tuple[shm.fence.Order, "np.ndarray"]:
    words = np.zeros(16, np.uint64)
    try:
        address = words.__array_interface__["data"][0]
        return order_of(words.data.cast("B").cast("Q"), address, machine), words
    except OrderUnknown as reason:
        pytest.skip(f"{reason}; a machine with libatomic runs this")


@pytest.fixture(params=MACHINES)
def order_everywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make every ring of this process keep the order of one kind of machine."""
    machine = str(request.param)
    if machine == "x86_64" and platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("plain stores are releases on x86-64 only")
    _order(machine)
    forced = functools.partial(order_of, machine=machine)
    monkeypatch.setattr(shm.attached, "order_of", forced)
    monkeypatch.setattr(shm.owner, "order_of", forced)
    return machine


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("value", [0, 1, 2**63, 2**64 - 1])
def test_a_stored_word_is_loaded_whole(machine: str, value: int) -> None:
    order, words = _order(machine)
    order.store_release(3, value)
    order.fence()
    assert order.load_acquire(3) == order.load_last(3) == value
    assert [int(word) for word in words] == [0, 0, 0, value, *[0] * 12]


@pytest.mark.usefixtures("order_everywhere")
def test_use_after_close_raises_and_crashes_nothing(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL, 3)
    writer, reader = RingWriter(owner.name), RingReader(owner.name)
    writer.close()
    reader.close()
    for use in (reader.latest, lambda: writer.look, lambda: writer.loan(Stamp())):
        with pytest.raises(ValueError, match="released"):
            use()


def test_machine_without_known_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYATSURI_PURE", "1")
    monkeypatch.setattr(shm.fence, "_RELAXED_MACHINES_NEED", ("libabsent.so",))
    words = memoryview(bytearray(64)).cast("Q")
    with pytest.raises(OrderUnknown, match="libatomic"):
        order_of(words, 0, "aarch64")


def test_big_endian_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.byteorder", "big")
    with pytest.raises(OrderUnknown, match="big-endian"):
        order_of(memoryview(bytearray(64)).cast("Q"), 0, "s390x")


@pytest.mark.usefixtures("order_everywhere")
def test_whole_protocol_of_a_ring_works(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL, 3)
    with RingWriter(owner.name) as writer, RingReader(owner.name, leases=1) as reader:
        for number in range(1, 200):
            with writer.slot(Stamp(pose_sequence=number)) as array:
                array[:] = number
            frame = reader.newest()
            assert frame is not None
            assert frame.stamp.pose_sequence == number
            assert set(frame.copy()) == {number}
            with reader.lease(frame) as held:
                assert held.valid
        assert reader.dropped == 0
    with RingWriter(owner.name) as successor:
        assert successor.epoch == 2


@pytest.mark.usefixtures("order_everywhere")
def test_overwritten_frame_is_noticed(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL, 3)
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        writer.publish(writer.loan(Stamp()))
        frame = reader.latest()
        assert frame is not None
        for _ in range(3):
            writer.publish(writer.loan(Stamp()))
        with pytest.raises(FrameLost):
            frame.copy()
