"""Poses drawn at once: in the order in which they came, once they come too fast, of one look."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from rings import MakeRing
from sessions import pose

from shm import POSE_FORMAT, RingReader, RingWriter, Stamp, image_format, now_ns
from shm.fallback import FallbackReader
from shm.publishing import Slot
from stages.avatar import stage
from stages.avatar.lanes import Drawing, Lanes, LanesOnDemand
from stages.avatar.options import AvatarOptions
from stages.avatar.stage import Avatar
from stages.meter import Meter
from stages.stage import Rings

DEADLINE_S = 20.0


class GatedPoser:
    """Draws its first pose value as soon as it is let."""

    picture = np.zeros((512, 512, 4), np.uint8)
    look = b"gated"
    notes = ()

    def __init__(self, *, is_open: bool = True) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.is_closed = False
        if is_open:
            self.gate.set()

    def set_picture(self, picture, given=None):
        """Take any."""

    def render(self, pose, out):
        """Wait for the gate."""
        self.begun.set()
        assert self.gate.wait(DEADLINE_S)
        if pose[0] < 0:
            raise ArithmeticError("a pose below zero")
        out[:] = pose[0]

    def counters(self):
        """Count nothing."""
        return {}

    def close(self):
        """Note it."""
        self.is_closed = True


def drawing(value: float) -> Drawing:
    given = np.full(45, value, np.float32)
    stamp = Stamp(int(abs(value)), 1, 1, pose=given.tobytes())
    return Drawing(stamp, Slot(0, 0, np.zeros((2, 2, 4), np.uint8)), 1, now_ns())


def taken(lanes: Lanes) -> Drawing:
    """Return the next drawing as soon as it is done."""
    end = now_ns() + int(DEADLINE_S * 1e9)
    while (found := lanes.take()) is None:
        assert now_ns() < end, "no drawing was done"
        lanes.done.bell.wait(lanes.done.value, 10_000_000)
    return found


@pytest.fixture
def two() -> Iterator[tuple[Lanes, list[GatedPoser]]]:
    posers = [GatedPoser(is_open=False), GatedPoser(is_open=False)]
    lanes = Lanes(posers)
    yield lanes, posers
    for poser in posers:
        poser.gate.set()
    lanes.close()


def test_a_later_pose_done_first_waits_for_the_earlier(two):
    lanes, posers = two
    first, second = drawing(1), drawing(2)
    lanes.begin(first)
    lanes.begin(second)
    assert lanes.free_ns() is None
    quick = posers[0]  # posers are taken from the end
    seen = lanes.done.value
    quick.gate.set()
    lanes.done.bell.wait(seen, int(DEADLINE_S * 1e9))
    assert lanes.done.value == seen + 1 and lanes.take() is None
    posers[1].gate.set()
    assert [taken(lanes), taken(lanes)] == [first, second]
    assert not lanes.busy


def test_lanes_are_begun_at_even_distances(two, monkeypatch):
    clock = SimpleNamespace(now=0)
    monkeypatch.setattr("stages.avatar.lanes.now_ns", lambda: clock.now)
    lanes, posers = two
    for poser in posers:
        poser.gate.set()
    assert lanes.free_ns() == 0
    lanes.begin(drawing(1)._replace(begun_ns=0))
    clock.now = 600
    taken(lanes)
    lanes.begin(drawing(2)._replace(begun_ns=700))
    assert lanes.free_ns() == 700 + 600 // 2


def test_what_a_poser_raises_is_raised_when_its_drawing_is_taken(two):
    lanes, posers = two
    posers[1].gate.set()
    lanes.begin(drawing(-1))
    with pytest.raises(ArithmeticError, match="below zero"):
        taken(lanes)


def test_lanes_open_once_poses_had_to_wait_in_succession():
    opened: list[GatedPoser] = []

    def open_one():
        opened.append(GatedPoser())
        return opened[-1]

    on_demand = LanesOnDemand(2, open_one)
    for had_to_wait in (True, True, False, True, True):
        assert on_demand.get(had_to_wait=had_to_wait) is None
    assert not opened
    end = now_ns() + int(DEADLINE_S * 1e9)
    while (lanes := on_demand.get(had_to_wait=True)) is None:
        assert now_ns() < end, "the lanes did not open"
    assert list(lanes.posers) == opened and len(opened) == 2
    on_demand.close()
    assert all(poser.is_closed for poser in opened)


def test_where_no_other_poser_opens_one_goes_on_alone_and_says_so(caplog):
    opened: list[GatedPoser] = []

    def open_one():
        if opened:
            raise MemoryError("no room for another")
        opened.append(GatedPoser())
        return opened[-1]

    on_demand = LanesOnDemand(2, open_one)
    for _ in range(5):
        assert on_demand.get(had_to_wait=True) is None
    on_demand.close()
    assert opened[0].is_closed
    assert on_demand.get(had_to_wait=True) is None
    assert "one at a time" in caplog.text and "no room for another" in caplog.text


class Bench:
    """An avatar with two lanes, between rings; its posers draw when they are let."""

    def __init__(self, make_ring: MakeRing, monkeypatch: pytest.MonkeyPatch) -> None:
        self.posers: list[GatedPoser] = []
        monkeypatch.setattr(stage, "open_poser", self._open_poser)
        names = make_ring(POSE_FORMAT, 16).name, make_ring(image_format(512, 512), 8).name
        self._poses, self.frames = RingWriter(names[0]), RingReader(names[1])
        self.avatar = Avatar(AvatarOptions(poser="tha3", lanes=2), 2, Meter())
        self.avatar.open()
        rings = Rings(poses=FallbackReader([names[0]]), gives_frames=RingWriter(names[1]))
        self.avatar.begin(rings)
        self.rings = rings
        self._sequence = 0

    def _open_poser(self, options, threads):
        self.posers.append(GatedPoser())
        return self.posers[-1]

    def give(self, value: float | None = None) -> int:
        """Give a pose; its number is drawn if `value` is not given."""
        self._sequence += 1
        given = pose()
        given[0] = self._sequence if value is None else value
        stamp = Stamp(self._sequence, now_ns(), now_ns(), pose=given.tobytes())
        with self._poses.slot(stamp) as array:
            array[:] = given
        return self._sequence

    def open_lanes(self) -> None:
        """Give poses that have to wait until there are lanes."""
        end = now_ns() + int(DEADLINE_S * 1e9)
        while self.avatar._lanes is None or not self.avatar._lanes.busy:
            assert now_ns() < end, "no lane was opened"
            self.give()
            self.avatar._done_ns = now_ns()  # as if another was drawn meanwhile
            self.avatar.step(0.0)
        self.settle()

    def settle(self) -> None:
        """Let the avatar publish all that is being drawn."""
        end = now_ns() + int(DEADLINE_S * 1e9)
        while self.avatar._lanes is not None and self.avatar._lanes.busy:
            assert now_ns() < end, "a drawing did not end"
            self.avatar.step(0.01)


@pytest.fixture
def bench(make_ring, monkeypatch) -> Iterator[Bench]:
    found = Bench(make_ring, monkeypatch)
    yield found
    for poser in found.posers:
        poser.gate.set()
    found.avatar.close()
    found.rings.close()


def drawn(frames: RingReader) -> list[int]:
    found = []
    while (frame := frames.next()) is not None:
        found.append(int(frame.array[0, 0, 0]))
    return found


def test_two_poses_are_drawn_at_once_and_published_in_order(bench):
    bench.open_lanes()
    drawn(bench.frames)
    lanes = bench.posers[1:]
    for poser in lanes:
        poser.gate.clear()
        poser.begun.clear()
    bench.avatar._lanes._takes_ns = 0
    expected = []
    for _ in lanes:
        expected.append(bench.give())
        bench.avatar._done_ns = now_ns()
        bench.avatar.step(0.0)
    assert all(poser.begun.wait(DEADLINE_S) for poser in lanes)
    assert not drawn(bench.frames)
    for poser in lanes:
        poser.gate.set()
    bench.settle()
    assert drawn(bench.frames) == expected


def test_a_pose_that_does_not_wait_is_drawn_by_all_threads(bench):
    bench.open_lanes()
    bench.posers[0].begun.clear()
    sequence = bench.give()
    bench.avatar.step(1.0)
    assert bench.posers[0].begun.is_set()
    assert drawn(bench.frames)[-1] == sequence


def test_another_character_comes_after_what_is_being_drawn(bench):
    bench.open_lanes()
    drawn(bench.frames)
    lanes = bench.posers[1:]
    last = bench.give()
    bench.avatar._done_ns = now_ns()
    bench.avatar.step(0.0)
    bench.avatar.set_options(AvatarOptions(poser="tha3", lanes=2, eyebrows=False))
    assert all(poser.is_closed for poser in lanes)
    assert drawn(bench.frames) == [last, last]  # as it was, and as it looks now
    bench.open_lanes()
    assert len(bench.posers) == 6


def test_a_poser_that_breaks_in_a_lane_ends_the_stage(bench):
    bench.open_lanes()
    bench.give(-1.0)
    bench.avatar._done_ns = now_ns()
    with pytest.raises(ArithmeticError):
        for _ in range(1000):
            bench.avatar.step(0.02)
