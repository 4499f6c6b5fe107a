"""The matrices by which RIFE's coarse flows are enlarged and reduced."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.networks.rife_sampling import enlarging, middle_rows, padded, reducing

SCALES = st.sampled_from([2, 4, 8, 16, 32])
LENGTHS = st.integers(1, 9)


@given(LENGTHS, SCALES)
def test_a_ramp_stays_a_ramp_between_the_outermost_centres(length: int, scale: int) -> None:
    found = enlarging(length, scale) @ (np.arange(length) + 0.5)
    places = (np.arange(length * scale) + 0.5) / scale
    assert found == pytest.approx(np.clip(places, 0.5, length - 0.5))


@given(LENGTHS, SCALES)
def test_reducing_takes_the_two_middle_rows_of_each_cell(length: int, scale: int) -> None:
    values = np.random.default_rng(1).random(length * scale)
    rows = middle_rows(length * scale, scale)
    assert len(rows) == 2 * length
    found = reducing(length * scale, scale) @ values
    assert found == pytest.approx(values[rows].reshape(-1, 2).mean(axis=1))
    # That is what a bilinear resize without antialiasing reads: the place between the two.
    assert (rows[::2] + 0.5) == pytest.approx((np.arange(length) + 0.5) * scale - 0.5)


@given(LENGTHS, SCALES, SCALES)
def test_enlarging_and_reducing_is_one_enlarging(length: int, coarse: int, fine: int) -> None:
    if coarse <= fine:
        return
    found = reducing(length * coarse, fine) @ enlarging(length, coarse)
    assert found == pytest.approx(enlarging(length, coarse // fine))


@given(st.integers(1, 2000), st.sampled_from([32, 64, 128]))
def test_padding_is_the_least_that_does(length: int, multiple: int) -> None:
    assert padded(length, multiple) % multiple == 0
    assert 0 <= padded(length, multiple) - length < multiple
