"""A file of RIFE weights is recognised by its names and shapes, or refused in words."""

import numpy as np
import pytest

from stages.networks import rife_versions
from stages.networks.parameters import WeightsMismatch
from stages.networks.rife_versions import VERSIONS, expected, plain_names, recognise
from tests.rife_reference import published_state

NAMES = ["v4.6", "v4.22.lite", "v4.25.lite", "v4.26"]


@pytest.fixture(scope="module")
def lite() -> dict[str, np.ndarray]:
    return published_state("v4.25.lite")


@pytest.mark.parametrize("name", NAMES)
def test_each_version_is_recognised(name: str) -> None:
    published = published_state(name)
    assert recognise(plain_names(published)).name == name
    assert set(plain_names(published)) == set(expected(VERSIONS[name]))


def test_names_without_the_prefix_are_taken_too(lite: dict[str, np.ndarray]) -> None:
    bare = {name.removeprefix("module."): values for name, values in lite.items()}
    assert recognise(plain_names(bare)).name == "v4.25.lite"


def test_what_only_training_needs_is_left_out(lite: dict[str, np.ndarray]) -> None:
    more = {"module.teacher.block0.beta": np.zeros(3), "module.caltime.0.weight": np.zeros(2)}
    assert plain_names(lite | more).keys() == plain_names(lite).keys()


def test_a_version_that_is_not_known_is_refused_with_the_nearest() -> None:
    state = plain_names(published_state("v4.6"))
    state["block0.conv0.0.0.weight"] = np.zeros((96, 8, 3, 3), np.float32)
    with pytest.raises(
        WeightsMismatch, match=r"nearest to v4\.6.*\(96, 8, 3, 3\), must be \(96, 7"
    ):
        recognise(state)


def test_a_missing_parameter_is_named(lite: dict[str, np.ndarray]) -> None:
    state = plain_names(lite)
    del state["block3.convblock.5.beta"]
    with pytest.raises(WeightsMismatch, match=r"missing block3\.convblock\.5\.beta"):
        recognise(state)


def test_anything_else_is_refused() -> None:
    with pytest.raises(WeightsMismatch, match=r"not the weights of v4\.6"):
        recognise({"something.weight": np.zeros((3, 3), np.float32)})


@pytest.mark.parametrize(
    ("values", "said"),
    [(np.full(192, np.nan, np.float32), "NaN"), (np.zeros(192, np.float64), "float32 or float16")],
)
def test_values_that_are_no_weights_are_refused(
    lite: dict[str, np.ndarray], values: np.ndarray, said: str
) -> None:
    state = plain_names(lite) | {"block0.conv0.1.0.bias": values}
    with pytest.raises(WeightsMismatch, match=said):
        recognise(state)


def test_the_two_versions_of_one_shape_differ_in_name_alone() -> None:
    assert VERSIONS["v4.25"]._replace(name="v4.26") == VERSIONS["v4.26"]
    assert rife_versions.expected(VERSIONS["v4.25"]) == expected(VERSIONS["v4.26"])
