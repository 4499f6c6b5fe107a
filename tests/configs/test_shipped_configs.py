"""Every config that we ship can be read and started."""

import pytest

from pipeline import config, topology


@pytest.mark.parametrize("name", config.shipped())
def test_shipped_config_gives_a_topology(name):
    found, fitted = topology.compose(name)
    assert fitted.session == found.session.name


@pytest.mark.parametrize("name", config.shipped())
def test_shipped_config_says_at_its_top_what_it_is_for(name):
    assert config.find(name).read_text("utf-8").startswith("# ")


def test_shipped_configs_are_those_the_manual_names():
    assert {"cached", "default", "direct", "smooth", "trace"} <= set(config.shipped())


def test_default_config_states_the_defaults_of_the_options():
    found, _ = topology.compose("default")
    assert all(stage.options == type(stage.options)() for stage in found.stages)
