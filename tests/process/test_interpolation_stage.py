"""The stage between two rings: what it gives for what it reads, and when."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from rings import MakeRing

from shm import RingReader, RingWriter, Stamp
from shm.frame import Flag, image_format
from shm.merge import MergedReader
from stages.backends.choice import open_backend
from stages.between import KNOWN, between
from stages.interpolation import stage as stage_module
from stages.interpolation.options import InterpolationOptions
from stages.interpolation.rife import RifeInterpolator
from stages.interpolation.stage import Interpolation
from stages.meter import Meter
from stages.networks.rife_pack import find_rife
from stages.stage import CommandRefused, Rings
from tests.rife_packs import write_pack

MS = 1_000_000
Frame = np.ndarray


class Bench:
    """The stage with the rings around it, stepped by hand."""

    def __init__(self, make_ring: MakeRing, options: InterpolationOptions, inputs: int) -> None:
        owners = [make_ring(image_format(), 6) for _ in range(inputs)]
        self.writers = [RingWriter(owner.name) for owner in owners]
        output = make_ring(image_format(), 8)
        self.reader = RingReader(output.name)
        frames = MergedReader([owner.name for owner in owners])
        self.rings = Rings(frames=frames, gives_frames=RingWriter(output.name))
        self.stage = Interpolation(options, 1, Meter())
        self.stage.open()
        self.stage.begin(self.rings)
        self.made: list[tuple[int, int]] = []  # what the flow was asked for: pairs, frames
        self.stamp = Stamp(look=5)

    def close(self) -> None:
        self.stage.close()
        self.rings.close()
        self.reader.close()
        for writer in self.writers:
            writer.close()

    def give(self, x: int, *, after_ms: int = 50, ring: int = 0, **changes: int) -> None:
        """Publish a frame with a figure at x."""
        self.stamp = self.next_stamp(after_ms)._replace(**changes)
        self.put(self.stamp, x, ring)

    def next_stamp(self, after_ms: int = 50) -> Stamp:
        return self.stamp._replace(
            pose_sequence=self.stamp.pose_sequence + 1,
            captured_ns=self.stamp.captured_ns + after_ms * MS,
            flags=0,
        )

    def put(self, stamp: Stamp, x: int, ring: int = 0) -> None:
        with self.writers[ring].slot(stamp) as array:
            array[:] = figure(x)

    def step(self) -> list[tuple[Stamp, int]]:
        """Step once; return the stamps given and where the figure is in their frames."""
        self.stage.step(0.0)
        found = []
        while (frame := self.reader.next()) is not None:
            columns = np.flatnonzero((frame.array[..., 3] > 127).any(axis=0))
            found.append((frame.stamp, int(columns[0])))
        return found


def figure(x: int) -> Frame:
    frame = np.zeros((512, 512, 4), np.uint8)
    frame[100:400, x : x + 150] = (30, 20, 60, 255)  # no middle grey, which is the ground
    frame[150:200, x + 20 : x + 130] = (200, 220, 90, 255)
    return frame


@pytest.fixture
def bench(make_ring: MakeRing) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(inputs: int = 1, **options: object) -> Bench:
        options = {"method": "flow", "pacing": "lowest_latency"} | options
        made.append(Bench(make_ring, InterpolationOptions(**options), inputs))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def counted(bench: Bench) -> dict[str, int]:
    names = ("interpolated", "repeated", "from_cache")
    return {name: bench.stage.meter.counters.get(name, 0) for name in names}


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_frames_in_between_come_first_in_order_and_the_read_one_last(
    bench: Callable[..., Bench], scale: int
) -> None:
    one = bench(scale=scale)
    one.give(100)
    assert [x for _, x in one.step()] == [100]
    one.give(112)
    given = one.step()
    places = [x for _, x in given]
    assert len(given) == scale and places == sorted(places) and places[-1] == 112
    for part, (stamp, _) in enumerate(given[:-1], 1):
        assert stamp.flags == Flag.INTERPOLATED
        assert (stamp.phase_numerator, stamp.phase_denominator) == (part, scale)
    last = given[-1][0]
    assert last.flags == 0 and last.phase_denominator == 0


def test_scale_changes_while_it_runs_and_1_is_off(bench: Callable[..., Bench]) -> None:
    one = bench(scale=2)
    counts = []
    for n, scale in enumerate((2, 4, 1, 3)):
        one.stage.set_options(
            InterpolationOptions(method="flow", pacing="lowest_latency", scale=scale)
        )
        one.give(100 + 8 * n)
        counts.append(len(one.step()))
    assert counts == [1, 4, 1, 3]
    with pytest.raises(CommandRefused, match="loaded only when"):
        one.stage.set_options(InterpolationOptions(method="rife"))


def test_a_still_picture_is_repeated_and_costs_no_flow(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bench(scale=3)
    one.give(100)
    one.step()
    monkeypatch.setattr(stage_module.Method, "each", None)
    one.give(100)
    given = one.step()
    assert [x for _, x in given] == [100] * 3
    assert [stamp.flags for stamp, _ in given] == [Flag.INTERPOLATED | Flag.REPEATED] * 2 + [0]
    assert counted(one) == {"interpolated": 0, "repeated": 2, "from_cache": 0}


@pytest.mark.parametrize(
    "jump",
    [{"after_ms": 600}, {"flags": int(Flag.DISCONTINUITY)}, {"look": 9}],
    ids=["a pause", "a cut", "another character"],
)
def test_a_jump_is_not_smeared(bench: Callable[..., Bench], jump: dict[str, int]) -> None:
    one = bench(scale=4)
    one.give(100)
    one.step()
    one.give(250, **jump)
    assert [x for _, x in one.step()] == [250]
    one.give(258, look=one.stamp.look)
    assert len(one.step()) == 4, "after the jump it goes on"


def test_frames_that_the_cacher_has_are_taken_and_the_gaps_filled_between_neighbours(
    bench: Callable[..., Bench],
) -> None:
    one = bench(inputs=2, scale=4)
    one.give(100, ring=1)
    one.step()
    now = one.next_stamp()
    way = between(one.stamp, now, 2, 4)
    # Not where flow would put it: so it is seen whose it is, and that its neighbours follow it.
    one.put(way._replace(flags=way.flags | KNOWN), 116, ring=0)
    assert one.step() == [], "it is no frame to go to"
    one.stamp = now
    one.put(now, 124, ring=1)
    places = [x for _, x in one.step()]
    assert places[1] == 116 and places[3] == 124
    assert 105 <= places[0] <= 111 and 118 <= places[2] <= 122
    assert counted(one) == {"interpolated": 2, "repeated": 0, "from_cache": 1}


def test_frames_on_another_way_are_not_taken(bench: Callable[..., Bench]) -> None:
    one = bench(inputs=2, scale=2)
    one.give(100, ring=1)
    one.step()
    now = one.next_stamp()
    way = between(one.stamp._replace(captured_ns=one.stamp.captured_ns - MS), now, 1, 2)
    one.put(way._replace(flags=way.flags | KNOWN), 300, ring=0)
    one.step()
    one.stamp = now
    one.put(now, 110, ring=1)
    assert next(x for _, x in one.step()) < 120
    assert counted(one)["from_cache"] == 0


def test_when_rendering_stalls_the_last_frame_holds(bench: Callable[..., Bench]) -> None:
    one = bench(scale=2)
    one.give(100)
    one.give(110)
    one.step()
    head = one.reader.head
    for _ in range(5):
        assert one.step() == []
    assert one.reader.head == head


def test_the_network_makes_them_where_it_is_asked_for(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="runs where the extra `convert` is installed")
    pack = write_pack(tmp_path / "pack", (512, 512), scales=(2,))
    one = bench(scale=2, method="rife", models=str(pack))
    one.give(100)
    one.step()
    one.give(110)
    one.stage.step(0.0)
    with open_backend(threads=1) as backend:
        alone = RifeInterpolator(find_rife(pack, "", "fp32", (512, 512)), backend)
        expected = np.zeros((512, 512, 4), np.uint8)
        alone.between(figure(100), figure(110), [0.5], [expected])
    given = one.reader.history(2)[0]
    assert given.stamp.flags == Flag.INTERPOLATED
    assert np.array_equal(given.array, expected)
    assert one.stage.meter.counters["by_rife"] == 1


def test_the_ring_says_how_frames_are_made_now(make_ring: MakeRing) -> None:
    bench = Bench(make_ring, InterpolationOptions(method="flow", scale=2), 1)
    try:
        of_two = bench.reader.look
        bench.stage.set_options(InterpolationOptions(method="flow", scale=4))
        assert len({0, of_two, bench.reader.look}) == 3
    finally:
        bench.close()
