"""Sessions that the tests of one file share, and what is connected to them."""

import shutil

import pytest
from sessions import PIPELINE, QUICK_RESTARTS, Publisher, running_session

SHORT_TIMES = (
    "stages.ingest.options.idle_after_s=0.5",
    "stages.ingest.options.ease_s=0.6",
)


@pytest.fixture(scope="module")
def session():
    """A session that tests leave as they found it."""
    with running_session(*SHORT_TIMES, *QUICK_RESTARTS) as running:
        yield running


@pytest.fixture
def ring(session):
    """The output of the shared session."""
    with session.reader() as reader:
        yield reader


@pytest.fixture
def publisher(session):
    """A publisher of poses to the shared session."""
    with Publisher(session) as made:
        yield made


@pytest.fixture(scope="module")
def changeable(tmp_path_factory):
    """A session with a config file of its own, and that file."""
    path = tmp_path_factory.mktemp("config") / "my.toml"
    shutil.copy(PIPELINE, path)
    with running_session(*QUICK_RESTARTS, config=path) as running:
        yield running, path
