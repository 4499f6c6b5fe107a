"""Straight and premultiplied alpha, against the definition calculated slowly."""

import numpy as np
import pytest
from drawn import figure
from numpy.typing import NDArray

from stages.premultiplied import AlphaEdge


def every_pair() -> NDArray[np.uint8]:
    """All 256 alphas across, all 256 values of blue down."""
    blue, alpha = np.indices((256, 256))
    planes = [blue, 255 - blue, np.full_like(blue, 100), alpha]
    return np.ascontiguousarray(np.dstack(planes).astype(np.uint8))


def test_premultiplied_is_colour_times_alpha_rounded() -> None:
    frame, out = every_pair(), np.full((256, 256, 4), 77, np.uint8)
    AlphaEdge(256, 256).premultiply(frame, out)
    expected = frame[..., :3].astype(float) * frame[..., 3:] / 255
    assert np.abs(out[..., :3] - expected).max() <= 0.5 + 1e-4
    assert np.array_equal(out[..., 3], frame[..., 3])
    assert (out[..., :3] <= out[..., 3:]).all()


def test_straight_again_is_as_near_as_eight_bits_allow() -> None:
    frame, out = every_pair(), np.empty((256, 256, 4), np.uint8)
    edge = AlphaEdge(256, 256)
    edge.premultiply(frame, out)
    edge.straighten(out)
    seen = frame[..., 3] > 0
    error = np.abs(out[..., :3].astype(float) - frame[..., :3])[seen]
    allowed = (0.5 * 255 / frame[..., 3].astype(float).clip(1) + 0.5)[seen]
    assert (error <= allowed[:, np.newaxis] + 1e-3).all()
    assert not out[~seen].any()


def test_hard_pixels_pass_bit_by_bit() -> None:
    frame, out = figure(), np.empty((512, 512, 4), np.uint8)
    hard = (frame[..., 3] == 0) | (frame[..., 3] == 255)
    AlphaEdge(512, 512).premultiply(frame, out)
    assert np.array_equal(out[hard], frame[hard])
    assert np.array_equal(frame, figure())


def test_colours_under_alpha_0_are_left_behind() -> None:
    frame = np.full((16, 16, 4), (9, 9, 9, 0), np.uint8)
    out = np.full((16, 16, 4), 77, np.uint8)
    AlphaEdge(16, 16).premultiply(frame, out)
    assert not out.any()


@pytest.mark.parametrize("alpha", [0, 255])
def test_a_frame_without_soft_pixels_is_no_special_case(alpha: int) -> None:
    frame = np.zeros((8, 8, 4), np.uint8)
    frame[..., 3] = alpha
    AlphaEdge(8, 8).straighten(frame)
    assert (frame[..., 3] == alpha).all()
