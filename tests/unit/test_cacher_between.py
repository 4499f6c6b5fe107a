"""The cacher between real rings: pictures in between, shown and kept."""

import numpy as np
import pytest
from cacher_bench import (
    FAR,
    FLOW,
    HALF,
    NEAR,
    REST,
    RIFE,
    STRICT,
    Bench,
    Make,
    Pose,
    known,
    picture_of,
    stamps,
)
from numpy.typing import NDArray
from sessions import pose

from shm import Flag, Stamp, now_ns
from stages.between import KNOWN, between
from stages.cacher.options import CacherOptions


def on_the_way(bench: Bench, sequence: int) -> list[Stamp]:
    """The stamps of the pictures that were shown as steps of the way to a pose."""
    stamps = [frame.stamp for frame in bench.shown.readers[0].history(16)]
    return [
        stamp
        for stamp in stamps
        if stamp.flags & KNOWN == KNOWN and stamp.pose_sequence == sequence
    ]


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
    before, stamp = stamps(bench)
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
    *_, before, stamp = stamps(bench)
    bench.interpolate(before, stamp)
    assert bench.counter("kept_between") == 0
    bench = interpolated(make)
    bench.give(FAR)
    *_, before, stamp = stamps(bench)
    bench.interpolate(before, stamp)
    assert bench.counter("kept_between") == 1


def test_with_a_scale_of_one_nothing_in_between_is_looked_at(make: Make) -> None:
    bench = interpolated(make)
    bench.cacher.set_options(CacherOptions(**STRICT, steps=1))
    assert on_the_way(bench, bench.give(FAR)) == []
    assert bench.cacher._ways.awaited == ()
