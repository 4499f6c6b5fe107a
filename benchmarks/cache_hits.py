"""Hits against error, for every way of telling poses apart: `python -m benchmarks.cache_hits`.

* trace: a recorded face, 250 s at 20 poses a second, then the same once more, sampled up to a tenth
  of an interval later: what a repeated take gives. (Sampled exactly the same, every way finds all
  that its store can hold.)
* idle: three periods of the idle motion, 30 poses a second, each taken with 2 ms of jitter.

A hit is a pose answered from the store, with room for all; `repeat` the share of poses that show
the same picture as the pose before, which is motion lost. The error is between the picture shown
and that of the exact pose, by the built-in poser, laid on grey: root of the mean square over the
frame, in 8-bit levels, at some of the poses. A JPEG of quality 85 is off by about 2.

Prints a table and writes `benchmarks/results/cache_hits.json`.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.perception import SHARED, Render, builtin, over_grey, rms
from stages.cacher.key import key_of, read_key
from stages.cacher.neighbours import SMALL, Neighbours
from stages.cacher.perception import levels_for
from stages.cacher.quantiser import GridQuantiser, SimplifyQuantiser
from stages.ingest.idle import PERIOD_S, IdleMotion
from stages.ingest.trace import load_trace
from stages.pose import neutral

PACKAGES = ("numpy", "opencv-python-headless")
EXCERPT = Path(__file__).parents[1] / "configs" / "traces" / "face_10s.json"
IDLE_HZ, IDLE_JITTER_S = 30, 0.002

Pose = NDArray[np.float32]


class Rule(Protocol):
    """Turns a pose into the one that is drawn."""

    def quantise(self, pose: Pose) -> Pose:
        """Return the pose to draw."""


class Hysteresis:
    """Rounds, but keeps to the step of the pose before until it is left by a margin."""

    def __init__(self, levels: "int | NDArray[np.float64]", margin: float) -> None:
        self._levels, self._margin = levels, margin
        self._before: NDArray[np.float64] | None = None

    def quantise(self, pose: Pose) -> Pose:
        values = pose.astype(np.float64) * self._levels
        steps = np.rint(values)
        if self._before is not None:
            steps = np.where(
                np.abs(values - self._before) <= 0.5 + self._margin, self._before, steps
            )
        self._before = steps
        return np.asarray(steps / self._levels + 0.0, np.float32)


class Way(NamedTuple):
    """One way of telling poses apart."""

    name: str
    rule: Rule
    within: float = 0.0  # a stored neighbour as near as this is a hit
    repeats: bool = False  # also when it is the picture just shown


def ways() -> Iterator[Way]:
    """All that are compared."""
    for levels in (100, 50, 20, 10):
        yield Way(f"uniform {levels}", GridQuantiser(levels))
    for level in (0, 1, 2, 3, 4, 6, 8):
        yield Way(f"easyvtuber {level}", SimplifyQuantiser(level))
    for error in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0):
        yield Way(f"perceptual {error:g}", GridQuantiser(levels_for(error)))
    for margin in (0.25, 0.5):
        yield Way(f"uniform 50, hysteresis {margin:g}", Hysteresis(50, margin))
        yield Way(f"perceptual 0.5, hysteresis {margin:g}", Hysteresis(levels_for(0.5), margin))
    for within in (1.5, 3.0):
        name = f"perceptual 0.125, within {within:g}, repeats too"
        yield Way(name, GridQuantiser(levels_for(0.125)), within, repeats=True)
    for within in (0.5, 1.0, 1.5, 2.0, 3.0, 4.0):
        yield Way(f"perceptual 0.125, within {within:g}", GridQuantiser(levels_for(0.125)), within)


class Played(NamedTuple):
    """What became of a row of poses."""

    shown: list[Pose]
    hit: NDArray[np.bool_]
    repeat: NDArray[np.bool_]


def play(way: Way, poses: Iterable[Pose]) -> Played:
    """Answer poses one after the other from a store that evicts nothing."""
    stored: set[bytes] = set()
    near = Neighbours()
    shown, hits, repeats = [], [], []
    before = b""
    for pose in poses:
        key = key_of(way.rule.quantise(pose).tobytes(), 1, 85)
        hit = key in stored
        if not hit and way.within:
            found = near.nearest(pose, way.within, SMALL)
            if found is not None and (way.repeats or found != before):
                key, hit = found, True
        if not hit:
            stored.add(key)
            near.add(key)
        shown.append(read_key(key).parameters)
        hits.append(hit)
        repeats.append(key == before)
        before = key
    return Played(shown, np.array(hits), np.array(repeats))


def errors(
    render: Render, exact: Sequence[Pose], shown: Sequence[Pose], places: Iterable[int]
) -> dict[str, float]:
    """Mean and 95th percentile of the pictures' error."""
    found = [
        rms(over_grey(render(exact[place])), over_grey(render(shown[place]))) for place in places
    ]
    return {
        "error_mean": round(float(np.mean(found)), 2),
        "error_p95": round(float(np.percentile(found, 95)), 2),
    }


def recorded() -> tuple[list[Pose], list[Pose]]:
    """The trace, and a second take of it."""
    whole = SHARED / "pose_20fps.json"
    trace = load_trace(whole if whole.is_file() else EXCERPT)
    chance = np.random.default_rng(0)
    share = chance.uniform(0, 0.1, (len(trace), 1)).astype(np.float32)
    following = np.concatenate([trace[1:], trace[-1:]])
    return list(trace), list(trace * (1 - share) + following * share)


def idle() -> list[Pose]:
    """Three periods of the idle motion, not quite evenly taken."""
    motion, chance, poses = IdleMotion(), np.random.default_rng(0), []
    for number in range(3 * int(PERIOD_S) * IDLE_HZ):
        pose = neutral()
        motion.pose_at(number / IDLE_HZ + chance.normal(0, IDLE_JITTER_S), pose)
        poses.append(pose)
    return poses


def row(way: Way, render: Render, samples: int) -> dict[str, Any]:
    """All figures of one way."""
    first, second = recorded()
    taken = play(way, [*first, *second])
    resting = idle()
    still = play(way, resting)
    period = len(resting) // 3
    both = [*first, *second]
    return {
        "way": way.name,
        "trace": {
            "first_pass": _share(taken.hit[: len(first)]),
            "second_take": _share(taken.hit[len(first) :]),
            "repeat": _share(taken.repeat[: len(first)]),
            **errors(render, both, taken.shown, _spread(len(first), len(both), samples)),
        },
        "idle": {
            "first_period": _share(still.hit[:period]),
            "second_period": _share(still.hit[period : 2 * period]),
            "third_period": _share(still.hit[2 * period :]),
            "repeat": _share(still.repeat),
            **errors(render, resting, still.shown, _spread(period, 3 * period, samples)),
        },
    }


def _share(flags: NDArray[np.bool_]) -> float:
    return round(float(flags.mean()), 4)


def _spread(start: int, end: int, count: int) -> list[int]:
    return [int(place) for place in np.linspace(start, end - 1, count)]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=80, help="pictures per row (default: 80)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    render = builtin("ito")
    rows = []
    for way in ways():
        rows.append(row(way, render, arguments.samples))
        print(f"{way.name} ...", flush=True)
    heads = [f"{part} {what}" for part in ("trace", "idle") for what in rows[0][part]]
    report.table(
        "Shares of all poses; errors in levels",
        ["way", *heads],
        [[r["way"], *r["trace"].values(), *r["idle"].values()] for r in rows],
    )
    report.save("cache_hits", {"machine": report.machine(PACKAGES), "ways": rows})


if __name__ == "__main__":
    main()
