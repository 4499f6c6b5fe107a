"""The cacher between real rings: what it answers, in which order, and what it keeps.

The test is the ingest before it, the avatar behind it and the reader of its frames.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rings import MakeRing
from sessions import pose

from shm import POSE_FORMAT, Flag, RingReader, RingWriter, Stamp, image_format, now_ns
from shm.fallback import FallbackReader
from shm.merge import MergedReader
from stages.between import KNOWN, between
from stages.cacher.key import read_key
from stages.cacher.options import CacherOptions
from stages.cacher.stage import Cacher
from stages.meter import Meter
from stages.stage import CommandRefused, Rings, StartFailed

Pose = NDArray[np.float32]
HEIGHT = WIDTH = 64
LOOK = 0xA1
FLOW, RIFE = 0xF1, 0xF2  # how frames in between are made
STRICT = {"quality": 100, "quantiser": "uniform", "snap_within": 0.0, "pacing": "lowest_latency"}
REST, NEAR, FAR = pose(), pose(head_x=0.02), pose(head_x=0.9)


class Bench:
    """A cacher and the rings around it."""

    def __init__(self, make_ring: MakeRing, options: CacherOptions) -> None:
        picture = image_format(HEIGHT, WIDTH)
        names = {
            name: make_ring(form, 16).name
            for name, form in (
                ("poses", POSE_FORMAT),
                ("misses", POSE_FORMAT),
                ("made", picture),
                ("hits", picture),
                ("between", picture),
            )
        }
        self.poses, self.made = RingWriter(names["poses"]), RingWriter(names["made"])
        self.made.look = LOOK
        self.between = RingWriter(names["between"])
        self.between.look = FLOW
        self.asked = RingReader(names["misses"], timeout_s=1.0)
        self.shown = MergedReader([names["hits"], names["made"]])
        self.cacher = Cacher(options, 1, Meter())
        self.cacher.open()
        self._rings = Rings(
            poses=FallbackReader([names["poses"]]),
            watched=RingReader(names["made"]),
            watched_between=RingReader(names["between"]),
            gives_poses=RingWriter(names["misses"]),
            gives_frames=RingWriter(names["hits"]),
        )
        self.cacher.begin(self._rings)
        self._sequence = 0
        self.drawn = 0

    def give(self, given: NDArray[np.float32]) -> int:
        """Give a pose and let the cacher work; return its sequence."""
        self._sequence += 1
        now = now_ns()
        with self.poses.slot(Stamp(self._sequence, now, now, pose=given.tobytes())) as array:
            array[:] = given
        self.work()
        return self._sequence

    def work(self) -> None:
        """Let the cacher do all there is to do."""
        for _ in range(20):
            self.cacher.step(0.0)

    def draw(self) -> bool:
        """Be the avatar: draw the newest pose asked for, then let the cacher work."""
        frame = self.asked.newest()
        if frame is None:
            return False
        stamp = frame.stamp
        with self.made.slot(stamp._replace(look=self.made.look)) as array:
            array[:] = picture_of(stamp.pose)
        self.drawn += 1
        self.work()
        return True

    def interpolate(self, before: Stamp, stamp: Stamp, **changes: int) -> bytes:
        """Be the interpolation: make the frame half way between two, and return its pose."""
        way = between(before, stamp, 1, 2)
        with self.between.slot(way._replace(**changes)) as array:
            array[:] = picture_of(way.pose)
        self.work()
        return way.pose

    def frames(self) -> list[tuple[int, bool]]:
        """Return pose sequence, and whether it came from the store, of all frames to be shown."""
        found = []
        while (frame := self.shown.next()) is not None:
            stamp = frame.stamp
            assert np.array_equal(frame.array, picture_of(stamp.pose))
            found.append((stamp.pose_sequence, bool(stamp.flags & Flag.CACHED)))
        return found

    def counter(self, name: str) -> int:
        return self.cacher.meter.counters.get(name, 0)

    def close(self) -> None:
        self.cacher.close()
        self._rings.close()
        for ring in (self.poses, self.made, self.between, self.asked, self.shown):
            ring.close()


def picture_of(pose_bytes: bytes) -> NDArray[np.uint8]:
    """A picture that no other pose has, in which every bit counts."""
    chance = np.random.default_rng(list(pose_bytes))
    return chance.integers(0, 256, (HEIGHT, WIDTH, 4)).astype(np.uint8)


Make = Callable[..., Bench]


@pytest.fixture
def make(make_ring: MakeRing) -> Iterator[Make]:
    """Return what makes benches.

    At quality 100, so that a hit must be its miss exactly; by default without neighbours.
    """
    made: list[Bench] = []

    def begin(**options: object) -> Bench:
        made.append(Bench(make_ring, CacherOptions(**{**STRICT, **options})))
        return made[-1]

    yield begin
    for bench in made:
        bench.close()


def test_a_pose_is_drawn_once_and_then_answered_with_the_same_picture(make: Make) -> None:
    bench = make()
    bench.give(REST)
    assert bench.draw()
    for _ in range(3):
        bench.give(REST)
    assert not bench.draw()
    assert bench.frames() == [(1, False), (2, True), (3, True), (4, True)]
    assert (bench.counter("hits"), bench.counter("misses")) == (3, 1)


def test_what_is_drawn_is_the_quantised_pose(make: Make) -> None:
    bench = make(levels=10)
    bench.give(pose(head_x=0.52))
    bench.draw()
    bench.give(pose(head_x=0.48))
    (first, second) = (frame for frame in _stamps(bench))
    assert first.pose == second.pose == pose(head_x=0.5).tobytes()


def _stamps(bench: Bench) -> list[Stamp]:
    found = []
    while (frame := bench.shown.next()) is not None:
        found.append(frame.stamp)
    return found


def test_a_hit_never_overtakes_a_miss_before_it(make: Make) -> None:
    bench = make()
    bench.give(REST)
    bench.draw()
    bench.frames()
    miss, hit = bench.give(FAR), bench.give(REST)
    assert bench.frames() == []  # the picture is there, and waits
    bench.draw()
    assert bench.frames() == [(miss, False), (hit, True)]


def test_a_hit_that_waits_gives_way_to_a_newer_pose(make: Make) -> None:
    bench = make()
    bench.give(REST)
    bench.draw()
    bench.frames()
    bench.give(FAR)
    bench.give(REST)
    newest = bench.give(REST)
    bench.draw()
    assert bench.frames()[-1] == (newest, True)
    assert bench.counter("hits") == 1


def test_a_run_of_hits_is_given_one_for_one_in_order(make: Make) -> None:
    bench = make()
    moved = [pose(head_y=step / 20) for step in range(20)]
    for given in moved:
        bench.give(given)
        bench.draw()
    bench.frames()
    sequences = [bench.give(given) for given in moved[:12]]
    assert bench.frames() == [(sequence, True) for sequence in sequences]


def test_another_look_never_shows_an_old_picture(make: Make) -> None:
    bench = make()
    bench.give(REST)
    bench.draw()
    bench.made.look = LOOK + 1
    bench.give(REST)
    assert bench.draw()
    bench.made.look = LOOK
    bench.give(REST)
    assert not bench.draw()  # the first character's pictures are still there
    assert [cached for _, cached in bench.frames()] == [False, False, True]


def test_the_nearest_picture_is_shown_while_the_exact_one_is_drawn(make: Make) -> None:
    bench = make(stale_within=3.0)
    for given in (REST, FAR):
        bench.give(given)
        bench.draw()
    bench.frames()
    sequence = bench.give(NEAR)
    assert bench.frames() == [(sequence, True)]  # and it says of itself that it shows REST
    bench.draw()
    assert bench.frames() == [(sequence, False)]
    assert (bench.counter("stale"), bench.counter("hits")) == (1, 0)


def test_a_pose_near_a_stored_one_is_answered_with_that(make: Make) -> None:
    bench = make(snap_within=3.0)
    for given in (REST, FAR):
        bench.give(given)
        bench.draw()
    bench.give(NEAR)
    assert not bench.draw()
    shown = _stamps(bench)[-1]
    assert shown.flags & Flag.CACHED
    assert shown.pose == REST.tobytes()  # it says which pose it shows
    assert (bench.counter("hits"), bench.counter("snapped")) == (1, 1)


def test_the_picture_just_shown_does_not_stand_for_a_pose_nearby(make: Make) -> None:
    bench = make(snap_within=3.0)
    bench.give(REST)
    bench.draw()
    bench.give(NEAR)
    assert bench.draw()  # a slow motion goes on


def test_an_evicted_neighbour_is_a_miss_once_and_then_forgotten(make: Make) -> None:
    bench = make(snap_within=3.0)
    for given in (REST, FAR):
        bench.give(given)
        bench.draw()
    key = bench.cacher._store.keys(10)[-1]
    assert read_key(key).pose == REST.tobytes()
    bench.cacher._store.remove(key)
    bench.give(NEAR)
    assert bench.draw()
    assert bench.cacher._neighbours.nearest(REST, 0.5) is None


def test_neighbours_are_known_from_the_database(make: Make, tmp_path: Path) -> None:
    path = str(tmp_path / "frames.db")
    first = make(database=path, database_gb=0.1)
    first.give(REST)
    first.draw()
    first.cacher.close()
    second = make(database=path, database_gb=0.1, snap_within=3.0)
    second.give(NEAR)
    assert not second.draw()
    assert _stamps(second)[-1].pose == REST.tobytes()


def test_no_stale_picture_beyond_the_bound_or_without_the_option(make: Make) -> None:
    for bench, given in ((make(stale_within=3.0), FAR), (make(), NEAR)):
        bench.give(REST)
        bench.draw()
        bench.frames()
        bench.give(given)
        assert bench.frames() == []


def test_a_stale_picture_does_not_overtake_an_earlier_miss(make: Make) -> None:
    bench = make(stale_within=3.0)
    bench.give(REST)
    bench.draw()
    bench.frames()
    bench.give(FAR)
    near = bench.give(NEAR)
    assert bench.frames() == []
    # The avatar takes the newest pose only: once that is drawn nothing stale is shown for it.
    bench.draw()
    assert bench.frames() == [(near, False)]


def test_pictures_outlive_the_session_in_a_database(make: Make, tmp_path: Path) -> None:
    path = str(tmp_path / "frames.db")
    first = make(database=path, database_gb=0.1)
    for step in range(30):
        first.give(pose(head_x=step / 50))
        first.draw()
    first.cacher.close()
    second = make(database=path, database_gb=0.1)
    for step in range(30):
        second.give(pose(head_x=step / 50))
    assert not second.draw()
    assert second.counter("hits") == 30
    assert second.counter("misses") == 0


def test_a_picture_damaged_in_the_database_is_drawn_anew(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "frames.db"
    first = make(database=str(path), database_gb=0.1)
    first.give(REST)
    first.draw()
    first.cacher.close()
    content = bytearray(path.read_bytes())
    # Somewhere in the middle of the one picture that fills most of the file.
    content[len(content) - 4000] ^= 1
    path.write_bytes(content)
    second = make(database=str(path), database_gb=0.1)
    for _ in range(2):
        second.give(REST)
        second.draw()
    assert second.drawn == 1
    assert [cached for _, cached in second.frames()] == [False, True]


def test_a_foreign_database_fails_the_start_by_name(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "letters.txt"
    path.write_text("dear diary " * 100)
    with pytest.raises(StartFailed, match=r"letters\.txt is not a database of pictures"):
        make(database=str(path))
    assert path.read_text() == "dear diary " * 100


def test_options_change_while_it_runs_except_where_pictures_are_kept(make: Make) -> None:
    bench = make()
    bench.give(REST)
    bench.draw()
    changed = {**STRICT, "quality": 99, "levels": 10}
    bench.cacher.set_options(CacherOptions(**changed))
    bench.give(REST)
    assert bench.draw()  # of another quality, so it is another picture
    with pytest.raises(CommandRefused):
        bench.cacher.set_options(CacherOptions(**changed, ram_gb=1.0))


def test_counters_say_what_is_kept(make: Make) -> None:
    bench = make()
    for step in range(5):
        bench.give(pose(head_x=step / 50))
        bench.draw()
    assert bench.counter("entries") == 5
    assert bench.counter("bytes") > 5 * HEIGHT * WIDTH * 4 * 0.9
    bench.give(REST)
    beat = bench.cacher.meter.beat("cacher", paused=False)
    assert beat.times_ms["encode"][0] > 0 and beat.times_ms["decode"][0] > 0


HALF = pose(head_x=0.45)


def on_the_way(bench: Bench, sequence: int) -> list[Stamp]:
    """The stamps of the pictures that were shown as steps of the way to a pose."""
    stamps = [frame.stamp for frame in bench.shown.readers[0].history(16)]
    return [
        stamp
        for stamp in stamps
        if stamp.flags & KNOWN == KNOWN and stamp.pose_sequence == sequence
    ]


def known(make: Make, *poses: NDArray[np.float32], **options: object) -> Bench:
    """A cacher that has drawn these poses."""
    bench = make(**options)
    for given in poses:
        bench.give(given)
        assert bench.draw()
    return bench


@pytest.mark.parametrize("last", [FAR, pose(head_x=0.9, neck_z=0.01)], ids=["hit", "miss"])
def test_stored_steps_of_the_way_are_shown_before_the_frame(
    make: Make, last: NDArray[np.float32]
) -> None:
    bench = known(make, HALF, FAR, REST, steps=2)
    before = bench.cacher._newest
    assert before is not None
    (stamp,) = on_the_way(bench, bench.give(last))
    assert (stamp.phase_numerator, stamp.phase_denominator) == (1, 2)
    assert abs(np.frombuffer(stamp.pose, "<f4") - HALF).max() < 0.02
    assert before[0].captured_ns < stamp.captured_ns < now_ns()


def test_nothing_is_shown_of_a_way_that_is_not_stored_or_not_wanted(make: Make) -> None:
    for bench in (known(make, FAR, REST, steps=2), known(make, HALF, FAR, REST)):
        assert on_the_way(bench, bench.give(FAR)) == []


def test_a_step_that_rounds_to_an_end_is_not_shown(make: Make) -> None:
    bench = known(make, FAR, REST, steps=2)
    assert on_the_way(bench, bench.give(pose(head_x=0.02))) == []


def test_no_step_is_shown_before_a_miss_is_drawn(make: Make) -> None:
    bench = known(make, HALF, FAR, steps=2)
    bench.give(REST)  # nobody draws it
    assert on_the_way(bench, bench.give(FAR)) == []


def interpolated(make: Make, first: Pose = REST, last: Pose = FAR, **changes: int) -> Bench:
    """A cacher before an interpolation that has made the frame half way from `first` to `last`."""
    bench = make(steps=2)
    for given in (first, last):
        bench.give(given)
        bench.draw()
    before, stamp = _stamps(bench)
    bench.interpolate(before, stamp, **changes)
    bench.give(first)
    return bench


def test_a_frame_made_in_between_is_shown_on_the_same_way_again(make: Make) -> None:
    bench = interpolated(make)
    (way,) = on_the_way(bench, bench.give(FAR))
    assert np.frombuffer(way.pose, "<f4") == pytest.approx(pose(head_x=0.45), abs=1e-6)
    frame = next(f for f in bench.shown.readers[0].history(16) if f.stamp == way)
    assert np.array_equal(frame.array, picture_of(way.pose))
    assert (bench.counter("kept_between"), bench.counter("on_the_way")) == (1, 2)  # back as well


def test_so_are_the_steps_of_a_motion_smaller_than_one_of_the_quantiser(make: Make) -> None:
    bench = interpolated(make, REST, NEAR)
    assert len(on_the_way(bench, bench.give(NEAR))) == 1


def test_a_frame_made_in_between_never_stands_for_its_pose(make: Make) -> None:
    bench = interpolated(make)
    bench.give(HALF)
    assert bench.draw()


def test_a_drawn_picture_comes_before_one_made_in_between(make: Make) -> None:
    bench = interpolated(make)
    bench.give(HALF)
    bench.draw()
    bench.give(REST)
    (way,) = on_the_way(bench, bench.give(FAR))
    assert way.pose == bench.cacher._quantiser.quantise(HALF).tobytes()


def test_a_frame_made_in_another_way_is_not_shown(make: Make) -> None:
    bench = interpolated(make)
    bench.between.look = RIFE
    assert on_the_way(bench, bench.give(FAR)) == []
    bench.between.look = FLOW
    assert len(on_the_way(bench, bench.give(REST))) == 1


def test_a_frame_left_from_before_a_change_is_not_taken_for_one_after_it(make: Make) -> None:
    bench = interpolated(make)
    before, stamp = bench.cacher._before, bench.cacher._newest
    assert before is not None and stamp is not None
    # It is in the ring, nobody has looked at it, and then the method changes.
    with bench.between.slot(between(before, stamp[0]._replace(pose=HALF.tobytes()), 1, 2)):
        pass
    bench.between.look = RIFE
    bench.work()
    assert bench.counter("kept_between") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": int(Flag.INTERPOLATED | Flag.REPEATED)},  # of a still picture
        {"flags": 0},  # passed on as it came
        {"pose_sequence": 999},  # of a pose that did not come through the cacher
        {"look": 0},
    ],
)
def test_only_frames_that_were_made_between_known_poses_are_kept(
    make: Make, changes: dict[str, int]
) -> None:
    assert interpolated(make, **changes).counter("kept_between") == 0


def test_what_came_from_the_store_is_not_kept_again(make: Make) -> None:
    bench = known(make, HALF, REST, FAR, steps=2)
    *_, before, stamp = _stamps(bench)
    bench.interpolate(before, stamp)
    assert bench.counter("kept_between") == 0
    bench = interpolated(make)
    bench.give(FAR)
    *_, before, stamp = _stamps(bench)
    bench.interpolate(before, stamp)
    assert bench.counter("kept_between") == 1


def test_with_a_scale_of_one_nothing_in_between_is_looked_at(make: Make) -> None:
    bench = interpolated(make)
    bench.cacher.set_options(CacherOptions(**STRICT, steps=1))
    assert on_the_way(bench, bench.give(FAR)) == []
    assert bench.cacher._ways.awaited == ()


def test_pictures_in_between_do_not_push_out_drawn_ones(make: Make) -> None:
    # Room for some twenty pictures, of which half are the avatar's own.
    bench = make(steps=2, ram_gb=20 * HEIGHT * WIDTH * 4 / 2**30)
    for given in (REST, FAR):
        bench.give(given)
        bench.draw()
    before, stamp = _stamps(bench)
    for number in range(40):
        other = pose(head_x=number / 50)
        bench.interpolate(before, stamp._replace(pose=other.tobytes()))
    assert bench.counter("kept_between") == 40
    assert bench.counter("between_evictions") > 15
    assert (bench.counter("drawn_entries"), bench.counter("drawn_evictions")) == (2, 0)
    assert bench.counter("bytes") == bench.counter("drawn_bytes") + bench.counter("between_bytes")
    bench.give(REST)
    assert not bench.draw()


def test_two_characters_share_one_budget(make: Make) -> None:
    bench = make(ram_gb=8 * HEIGHT * WIDTH * 4 / 2**30)
    for look in (LOOK, LOOK + 1):
        bench.made.look = look
        for step in range(3):
            bench.give(pose(head_x=step / 50))
            bench.draw()
        if look == LOOK:
            assert bench.counter("entries") == 3
    assert bench.counter("entries") == 6
    for step in range(3, 10):
        bench.give(pose(head_x=step / 50))
        bench.draw()
    # The first one's pictures were used longest ago.
    assert 6 <= bench.counter("entries") < 8
    bench.made.look = LOOK
    bench.give(pose(head_x=2 / 50))
    assert bench.draw()


def slowly_drawn(make: Make, pacing: str) -> Bench:
    """A cacher that has drawn two poses and believes that drawing takes an hour."""
    bench = known(make, REST, FAR, pacing=pacing)
    bench.frames()
    bench.cacher._pace._took.extend([3_600_000_000_000] * 9)
    bench.give(HALF)
    bench.draw()
    bench.frames()
    return bench


def test_a_hit_after_a_miss_waits_for_its_time_but_holds_no_newer_pose_up(make: Make) -> None:
    bench = slowly_drawn(make, "even")
    first = bench.give(REST)
    assert bench.frames() == []
    second = bench.give(FAR)
    assert bench.frames() == [(first, True)]
    third = bench.give(pose(head_x=0.7))
    assert bench.frames() == [(second, True)]
    bench.draw()
    assert bench.frames() == [(third, False)]


def test_with_lowest_latency_a_hit_waits_for_nothing(make: Make) -> None:
    bench = slowly_drawn(make, "lowest_latency")
    sequence = bench.give(REST)
    assert bench.frames() == [(sequence, True)]


def test_a_hit_that_waits_for_its_time_does_not_outlive_its_character(make: Make) -> None:
    bench = slowly_drawn(make, "even")
    sequence = bench.give(REST)
    bench.made.look = LOOK + 1
    bench.work()
    bench.draw()
    assert bench.frames() == [(sequence, False)]
