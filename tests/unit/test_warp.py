"""The built-in poser: what moves, what stays, and that nothing tears."""

import itertools

import numpy as np
import pytest
from drawn import figure, over_grey
from numpy.typing import NDArray

from stages.avatar.warp import WarpPoser
from stages.pose import INDEX, neutral

MOVING = ("head_x", "head_y", "neck_z", "body_y", "body_z")


@pytest.fixture(scope="module")
def poser() -> WarpPoser:
    return WarpPoser(figure())


def posed(**values: float) -> NDArray[np.float32]:
    pose = neutral()
    for name, value in values.items():
        pose[INDEX[name]] = value
    return pose


def rendered(poser: WarpPoser, **values: float) -> NDArray[np.uint8]:
    out = np.full((512, 512, 4), 77, np.uint8)
    poser.render(posed(**values), out)
    return out


def coordinates() -> NDArray[np.uint8]:
    """An opaque picture whose blue is x / 2 and whose green is y / 2."""
    rows, columns = np.indices((512, 512))
    planes = [columns // 2, rows // 2, np.zeros_like(rows), np.full_like(rows, 255)]
    return np.dstack(planes).astype(np.uint8)


def shift(poser: WarpPoser, x: int, y: int, **values: float) -> tuple[float, float]:
    """How far the picture point (x, y) moves, by searching for it in the coordinate picture."""
    frame = rendered(poser, **values)[..., :2].astype(np.int64)
    distance = np.abs(frame - [x // 2, y // 2]).sum(axis=2)
    rows, columns = np.nonzero(distance == distance.min())
    return float(columns.mean() - x), float(rows.mean() - y)


def test_neutral_pose_returns_the_picture_exactly(poser: WarpPoser) -> None:
    assert np.array_equal(rendered(poser), figure())


def test_every_pixel_of_the_slot_is_written(poser: WarpPoser) -> None:
    first = np.full((512, 512, 4), 0, np.uint8)
    second = np.full((512, 512, 4), 255, np.uint8)
    for out in (first, second):
        poser.render(posed(head_y=0.7, body_z=-0.4), out)
    assert np.array_equal(first, second)


def test_render_leaves_pose_and_picture_alone() -> None:
    picture, pose = figure(), posed(head_y=3.0)
    WarpPoser(picture).render(pose, np.empty((512, 512, 4), np.uint8))
    assert np.array_equal(picture, figure())
    assert pose[INDEX["head_y"]] == 3.0


def test_values_out_of_range_count_as_the_bound(poser: WarpPoser) -> None:
    assert np.array_equal(rendered(poser, head_x=-7.0), rendered(poser, head_x=-1.0))


@pytest.mark.parametrize("name", [*MOVING, "breathing"])
def test_no_colour_where_nothing_is(poser: WarpPoser, name: str) -> None:
    frame = rendered(poser, **{name: 1.0})
    assert not frame[frame[..., 3] == 0].any()
    assert not np.array_equal(frame, figure())


# Measured movements of two trained characters (the design's table); 3.5 px covers both of them and
# the 2 px steps of the coordinate picture.
@pytest.mark.parametrize(
    ("values", "point", "expected"),
    [
        ({"head_x": 1.0}, (256, 136), (0, -11.5)),
        ({"head_x": -1.0}, (256, 136), (0, 15.5)),
        ({"head_x": 1.0}, (196, 226), (0, 0)),
        ({"head_y": 1.0}, (256, 136), (-8, 0)),
        ({"head_y": -1.0}, (256, 136), (8, 0)),
        ({"head_y": 1.0}, (336, 136), (0, 0)),
        # A rigid turn lowers the top of the head by 2; the trained posers raise it by 2.
        ({"neck_z": 1.0}, (256, 70), (-23.5, 1.9)),
        ({"neck_z": 1.0}, (220, 150), (-8.5, 5.8)),
        ({"body_y": 1.0}, (256, 270), (-3.6, 0)),
        ({"body_y": 1.0}, (256, 136), (-2.5, 0)),
        ({"body_z": 1.0}, (256, 136), (-21, -1)),
        ({"body_z": -1.0}, (256, 480), (-8, 1)),
        ({"breathing": 1.0}, (256, 270), (0, -1.8)),
    ],
)
def test_points_move_as_trained_posers_move_them(
    values: dict[str, float], point: tuple[int, int], expected: tuple[float, float]
) -> None:
    moved = shift(WarpPoser(coordinates()), *point, **values)
    assert moved == pytest.approx(expected, abs=3.5)


@pytest.mark.parametrize("corner", list(itertools.product((-1.0, 1.0), repeat=len(MOVING))))
def test_nothing_folds_or_tears_at_any_extreme(corner: tuple[float, ...]) -> None:
    frame = rendered(
        WarpPoser(coordinates()), breathing=1.0, **dict(zip(MOVING, corner, strict=True))
    ).astype(np.int64)[48:464, 64:448]  # without the margin that shows what lies outside
    across = frame[:, 8:, 0] - frame[:, :-8, 0]
    down = frame[8:, :, 1] - frame[:-8, :, 1]
    # Eight pixels on is four levels on. One is a stretch by four, none or less a fold; eleven are
    # a squeeze to a good third, as where the chin goes over the neck.
    assert across.min() >= 1 and down.min() >= 1
    assert across.max() <= 11 and down.max() <= 11


@pytest.mark.parametrize("name", [*MOVING, "breathing"])
def test_a_small_change_of_pose_is_a_small_change_of_frame(poser: WarpPoser, name: str) -> None:
    values = [0.0, 0.002, 0.498, 0.5, 0.998, 1.0]
    frames = [over_grey(rendered(poser, **{name: value})) for value in values]
    for before, after in zip(frames[::2], frames[1::2], strict=True):
        # 0.002 of the largest movement is 0.1 px: the strongest edge here changes by a tenth.
        assert np.abs(before - after).max() < 30


def test_a_lean_shows_no_gap_where_the_picture_cuts_the_figure(poser: WarpPoser) -> None:
    bottom = rendered(poser, body_z=1.0)[511, 230:300, 3]
    assert bottom.min() == 255


def test_soft_edges_keep_their_colour() -> None:
    picture = figure()
    picture[..., :3] = (40, 120, 200)
    picture[picture[..., 3] == 0] = 0
    frame = rendered(WarpPoser(picture), neck_z=0.6, body_z=0.3)
    edge = frame[(frame[..., 3] >= 64) & (frame[..., 3] < 255)].astype(int)
    # Premultiplied in 8 bits: at alpha 64 one level of rounding is four of colour.
    assert len(edge) > 100
    assert np.abs(edge[:, :3] - (40, 120, 200)).max() <= 5


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="512"):
        WarpPoser(np.zeros((256, 256, 4), np.uint8))
