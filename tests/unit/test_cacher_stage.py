"""The cacher between real rings: what it answers, in which order, and what it keeps."""

from pathlib import Path

import pytest
from cacher_bench import (
    FAR,
    HALF,
    HEIGHT,
    LOOK,
    NEAR,
    REST,
    STRICT,
    WIDTH,
    Bench,
    Make,
    known,
    stamps,
)
from sessions import pose

from shm import Flag
from stages.cacher.key import read_key
from stages.cacher.options import CacherOptions
from stages.stage import CommandRefused, StartFailed


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
    (first, second) = (frame for frame in stamps(bench))
    assert first.pose == second.pose == pose(head_x=0.5).tobytes()


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
    shown = stamps(bench)[-1]
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
    assert stamps(second)[-1].pose == REST.tobytes()


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


def test_pictures_in_between_do_not_push_out_drawn_ones(make: Make) -> None:
    # Room for some twenty pictures, of which half are the avatar's own.
    bench = make(steps=2, ram_gb=20 * HEIGHT * WIDTH * 4 / 2**30)
    for given in (REST, FAR):
        bench.give(given)
        bench.draw()
    before, stamp = stamps(bench)
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
