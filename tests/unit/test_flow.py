"""Frames between frames: nearer to the truth than what is free, and clean at the edges."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import figure, over_grey, psnr
from numpy.typing import NDArray

from stages.avatar.warp import WarpPoser
from stages.interpolation.flow import FlowInterpolator, _Prepared
from stages.pose import INDEX, neutral

REAL_FRAMES = Path(__file__).parents[3] / "shared" / "data" / "avatar_frames"
POSER = WarpPoser(figure())


def rendered(**values: float) -> NDArray[np.uint8]:
    pose, out = neutral(), np.empty((512, 512, 4), np.uint8)
    for name, value in values.items():
        pose[INDEX[name]] = value
    POSER.render(pose, out)
    return out


def middle(
    previous: NDArray[np.uint8], current: NDArray[np.uint8], phase: float = 0.5
) -> NDArray[np.uint8]:
    out = np.full(previous.shape, 77, np.uint8)
    FlowInterpolator(*previous.shape[:2]).between(previous, current, [phase], [out])
    return out


# Measured on the drawn figure: flow 45.0 to 54.3 dB, blending 30.7 to 38.3, repetition 26.0 to
# 34.8.
@pytest.mark.parametrize(
    "motion",
    [
        {"head_x": 0.5},
        {"head_y": 0.8},
        {"neck_z": 0.5},
        {"body_z": 0.4},
        {"head_y": -0.5, "neck_z": 0.4, "body_y": -0.5, "body_z": 0.3, "breathing": 0.8},
    ],
)
def test_the_middle_is_nearer_to_the_truth_than_blending_and_repeating(
    motion: dict[str, float],
) -> None:
    previous, current = rendered(), rendered(**motion)
    truth = rendered(**{name: value / 2 for name, value in motion.items()})
    made = psnr(middle(previous, current), truth)
    blended = over_grey(previous) / 2 + over_grey(current) / 2
    blending = 10 * np.log10(255**2 / np.mean((blended - over_grey(truth)) ** 2))
    assert made > blending + 8.0
    assert made > psnr(previous, truth) + 12.0


def test_phases_lie_in_order_between_the_frames() -> None:
    previous, current = rendered(neck_z=-0.3), rendered(neck_z=0.3)
    outs = [np.empty_like(previous) for _ in range(3)]
    FlowInterpolator(512, 512).between(previous, current, [0.25, 0.5, 0.75], outs)

    def head_centre(frame: NDArray[np.uint8]) -> float:
        return float(np.average(np.arange(512), weights=frame[60:100, :, 3].sum(axis=0)))

    places = [head_centre(frame) for frame in (previous, *outs, current)]
    steps = [after - before for before, after in pairwise(places)]
    assert steps == pytest.approx([np.mean(steps)] * 4, rel=0.25)


def test_equal_frames_are_copied() -> None:
    frame = rendered(neck_z=0.3)
    assert np.array_equal(middle(frame, frame.copy()), frame)


def test_every_pixel_is_written_and_no_colour_is_left_where_nothing_is() -> None:
    frame = middle(rendered(), rendered(body_z=0.5))
    assert not frame[frame[..., 3] == 0].any()
    assert not frame[:20, :20].any()


def test_soft_edges_keep_their_colour() -> None:
    frames = [rendered(), rendered(neck_z=0.4)]
    for frame in frames:
        frame[..., :3] = (40, 120, 200)
        frame[frame[..., 3] == 0] = 0
    made = middle(frames[0], frames[1])
    edge = made[(made[..., 3] >= 64) & (made[..., 3] < 255)].astype(int)
    assert len(edge) > 100
    # Premultiplied in 8 bits: at alpha 64 a level of rounding, twice, is up to eight of colour.
    assert np.abs(edge[:, :3] - (40, 120, 200)).max() <= 8


def test_colours_under_alpha_0_change_nothing() -> None:
    clean = [rendered(), rendered(head_y=0.5)]
    dirty = [frame.copy() for frame in clean]
    for frame in dirty:
        frame[frame[..., 3] == 0] = (10, 250, 90, 0)
    assert np.array_equal(middle(dirty[0], dirty[1]), middle(clean[0], clean[1]))


def test_a_run_of_frames_prepares_each_frame_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    take = _Prepared.take
    monkeypatch.setattr(
        _Prepared, "take", lambda self, *given: (taken.append(1), take(self, *given))[1]
    )
    frames = [rendered(head_y=turn) for turn in (0.0, 0.2, 0.4, 0.6)]
    interpolator, out = FlowInterpolator(512, 512), np.empty((512, 512, 4), np.uint8)
    results: list[NDArray[np.uint8]] = []
    slot = np.empty((512, 512, 4), np.uint8)  # one array, as the slot of a ring is
    interpolator.prepare(frames[0])
    for previous, current in pairwise(frames):
        np.copyto(slot, current)
        interpolator.between(previous, slot, [0.5], [out])
        results.append(out.copy())
    assert len(taken) == len(frames)
    for result, (previous, current) in zip(results, pairwise(frames), strict=True):
        assert np.array_equal(result, middle(previous, current))


def test_what_is_kept_never_changes_the_outcome() -> None:
    a, b, c = rendered(), rendered(head_y=0.4), rendered(neck_z=-0.4)
    interpolator, out = FlowInterpolator(512, 512), np.empty((512, 512, 4), np.uint8)
    for previous, current in ((a, b), (b, c), (c, b), (a, c), (c, a), (b, a)):
        interpolator.between(previous, current, [0.5], [out])
        assert np.array_equal(out, middle(previous, current))


def test_inputs_are_left_alone() -> None:
    previous, current = rendered(), rendered(head_y=0.4)
    middle(previous, current)
    assert np.array_equal(previous, rendered())
    assert np.array_equal(current, rendered(head_y=0.4))


@pytest.mark.parametrize("shape", [(64, 64), (72, 1024), (1024, 1024), (256, 640)])
def test_other_sizes_work(shape: tuple[int, int]) -> None:
    height, width = shape
    frames = [np.zeros((height, width, 4), np.uint8) for _ in range(2)]
    for frame, x in zip(frames, (width // 2, width // 2 + 4), strict=True):
        cv2.circle(frame, (x, height // 2), 20, (30, 60, 200, 255), -1)
    made = middle(frames[0], frames[1])
    centre = np.average(np.arange(width), weights=made[..., 3].sum(axis=0))
    assert centre == pytest.approx(width // 2 + 2, abs=1.0)


def test_a_figure_that_vanishes_is_faded_out() -> None:
    made = middle(rendered(), np.zeros((512, 512, 4), np.uint8))
    assert 100 < made[320, 256, 3] < 155


def test_frames_of_nothing_give_nothing() -> None:
    nothing = np.zeros((512, 512, 4), np.uint8)
    barely = nothing.copy()
    barely[0, 0] = (1, 1, 1, 1)
    assert middle(nothing, barely)[..., 3].max() <= 1


@pytest.mark.parametrize("phase", [0.0, 1.0, -0.1, float("nan")])
def test_a_phase_that_is_not_between_is_refused(phase: float) -> None:
    with pytest.raises(ValueError, match="phases"):
        middle(rendered(), rendered(head_y=0.1), phase)


@pytest.mark.parametrize("shape", [(512, 510), (32, 512)])
def test_a_size_that_cannot_be_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be interpolated"):
        FlowInterpolator(*shape)


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="a frame here is"):
        FlowInterpolator(512, 512).prepare(np.zeros((256, 256, 4), np.uint8))


@pytest.mark.skipif(not REAL_FRAMES.is_dir(), reason="runs where the shared frames lie")
def test_between_real_frames_the_figure_stays_whole() -> None:
    previous, current = (
        cv2.imread(str(REAL_FRAMES / f"lambda_00_00{number}.png"), cv2.IMREAD_UNCHANGED)
        for number in (600, 601)
    )
    made = middle(previous, current)
    # Solid in both frames, with room for the motion: solid in between.
    solid = cv2.erode(np.minimum(previous[..., 3], current[..., 3]), np.ones((9, 9), np.uint8))
    assert made[solid == 255][:, 3].min() >= 250
    assert psnr(made, previous) > psnr(current, previous)
