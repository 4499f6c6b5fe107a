"""Several rings as one stream that never goes back in time."""

from collections.abc import Callable, Iterator

import pytest

from shm import (
    FrameFormat,
    Kind,
    RingOwner,
    RingReader,
    RingWriter,
    SegmentMissing,
    Stamp,
    now_ns,
)
from shm.fallback import FallbackReader
from shm.merge import MergedReader

pytestmark = pytest.mark.usefixtures("helper_or_python")

MakeRing = Callable[..., RingOwner]
SMALL = FrameFormat(Kind.ENCODED, "uint8", (64,))


class Two:
    """Two rings, their writers, and a reader of both."""

    def __init__(self, owners: list[RingOwner]) -> None:
        self.owners = owners
        self.writers = [RingWriter(owner.name) for owner in owners]
        self.merged = MergedReader([owner.name for owner in owners])

    def publish(self, ring: int, pose: int) -> None:
        """Publish a frame of this pose."""
        writer = self.writers[ring]
        writer.publish(writer.loan(Stamp(pose_sequence=pose)))

    def pose(self) -> int | None:
        """The pose of the newest frame."""
        frame = self.merged.newest()
        return frame.stamp.pose_sequence if frame else None


@pytest.fixture
def two(make_ring: MakeRing) -> Iterator[Two]:
    """Two rings of one format."""
    both = Two([make_ring(SMALL), make_ring(SMALL)])
    yield both
    for closable in (*both.writers, both.merged):
        closable.close()


def test_frames_of_all_rings_come_in_the_order_of_their_poses(two: Two) -> None:
    shown = []
    for ring, pose in [(0, 1), (1, 2), (1, 3), (0, 4)]:
        two.publish(ring, pose)
        shown.append(two.pose())
    assert shown == [1, 2, 3, 4]
    assert two.merged.dropped == 0


def test_the_newest_of_several_is_chosen_and_the_others_are_counted(two: Two) -> None:
    two.publish(0, 7)
    two.publish(1, 8)
    assert two.pose() == 8
    assert two.merged.dropped == 1
    assert two.pose() is None


def test_newest_is_chosen_whichever_ring_holds_it(two: Two) -> None:
    two.publish(0, 8)
    two.publish(1, 7)
    assert two.pose() == 8
    assert two.merged.dropped == 1


def test_frame_of_an_older_pose_is_late_and_never_shown(two: Two) -> None:
    two.publish(0, 5)
    assert two.pose() == 5
    two.publish(1, 4)
    assert two.pose() is None
    assert two.merged.late == 1
    assert two.merged.dropped == 1


def test_same_pose_drawn_anew_is_shown(two: Two) -> None:
    two.publish(0, 5)
    assert two.pose() == 5
    two.publish(0, 5)  # another character in the pose that was held
    assert two.pose() == 5


def test_single_ring_is_read_as_it_is(make_ring: MakeRing) -> None:
    owner = make_ring(SMALL)
    with RingWriter(owner.name) as writer, MergedReader([owner.name]) as merged:
        for pose in (3, 2, 1):  # nobody compares poses where there is one writer
            writer.publish(writer.loan(Stamp(pose_sequence=pose)))
            frame = merged.newest()
            assert frame is not None
            assert frame.stamp.pose_sequence == pose


def test_rings_of_different_formats_are_refused_and_let_go(make_ring: MakeRing) -> None:
    names = [make_ring(SMALL).name, make_ring(SMALL._replace(shape=(32,))).name]
    with pytest.raises(ValueError, match="different formats"):
        MergedReader(names)


def test_waits_no_longer_than_asked(two: Two) -> None:
    before = now_ns()
    assert two.merged.newest(timeout_s=0.03) is None
    assert now_ns() - before >= 30_000_000


def test_end_of_all_rings_ends_the_wait(two: Two) -> None:
    two.owners[0].end()
    assert not two.merged.ended
    two.owners[1].end()
    assert two.merged.ended
    assert two.merged.newest(timeout_s=60) is None


def test_last_frames_are_read_before_the_end(two: Two) -> None:
    two.publish(0, 1)
    for owner in two.owners:
        owner.end()
    assert two.pose() == 1


def test_stream_is_dead_only_when_every_writer_is(two: Two) -> None:
    two.owners[0].writer_died()
    assert not two.merged.dead
    two.owners[1].writer_died()
    assert two.merged.dead


@pytest.mark.parametrize("kind", [MergedReader, FallbackReader])
def test_ring_that_is_missing_leaves_none_of_the_others_open(
    make_ring: MakeRing, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    closed: list[str] = []
    close = RingReader.close

    def record(reader: RingReader) -> None:
        closed.append(reader.name)
        close(reader)

    monkeypatch.setattr(RingReader, "close", record)
    there = [make_ring(SMALL).name for _ in range(2)]
    with pytest.raises(SegmentMissing):
        kind([*there, "aya-t-missing"])
    assert closed == there
