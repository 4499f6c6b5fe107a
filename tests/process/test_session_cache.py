"""A session with a cache and a join: hits are what the misses were, in one order."""

import contextlib
import json
import time

import numpy as np
import pytest
from sessions import pose, running_session, stamps, wait_until

from shm import Flag, FrameLost


@pytest.fixture(scope="module")
def looped(tmp_path_factory):
    """A session that plays 24 poses over and over, its pictures stored without loss."""
    path = tmp_path_factory.mktemp("trace") / "short.json"
    rows = [pose(head_y=step / 12 - 1, mouth_aaa=step / 24).tolist() for step in range(24)]
    path.write_text(json.dumps(rows))
    with running_session(
        f"stages.ingest.options.trace={path}",
        "stages.ingest.options.trace_hz=40.0",
        "stages.ingest.options.ease_s=0.0",
        "stages.cacher.options.quality=100",
        config="cached",
    ) as running:
        yield running


def test_second_pass_of_a_trace_is_answered_from_memory(looped):
    hits = looped.status()["cache"]["hits"]
    wait_until(lambda: looped.status()["cache"]["hits"] > hits + 40, what="hits")


def test_hit_shows_exactly_what_the_miss_showed_at_quality_100(looped):
    # The cacher forgets with its process: after a restart each pose is drawn anew.
    looped.command("restart", "cacher")
    pictures = {}
    compared = 0
    with looped.reader() as ring:
        end = time.monotonic() + 15
        while compared < 10 and time.monotonic() < end:
            frame = ring.next(0.2)
            if frame is None:
                continue
            with contextlib.suppress(FrameLost):
                stamp, picture = frame.stamp, frame.copy()
                if not stamp.flags & Flag.CACHED:
                    pictures.setdefault(stamp.pose, picture)
                elif stamp.pose in pictures:
                    assert np.array_equal(picture, pictures[stamp.pose])
                    compared += 1
    assert compared == 10


def test_join_gives_hits_and_misses_in_one_ring_in_order(looped):
    looped.command("restart", "cacher")
    looped.wait_running()
    with looped.reader() as ring:
        found = stamps(ring, 150)
    sequences = [stamp.pose_sequence for stamp in found]
    assert sequences == sorted(set(sequences))
    assert looped.content()["output"]["stage"] == "join"
    assert {bool(stamp.flags & Flag.CACHED) for stamp in found} == {True, False}
