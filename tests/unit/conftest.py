"""One ring, its writer and a reader of it, in this process."""

from collections.abc import Iterator

import pytest
from rings import SMALL, MakeRing

from shm import RingOwner, RingReader, RingWriter


@pytest.fixture
def owner(make_ring: MakeRing) -> RingOwner:
    """A ring of four slots."""
    return make_ring(SMALL, 4)


@pytest.fixture
def writer(owner: RingOwner) -> Iterator[RingWriter]:
    """Its writer."""
    with RingWriter(owner.name) as ring_writer:
        yield ring_writer


@pytest.fixture
def reader(owner: RingOwner) -> Iterator[RingReader]:
    """A reader of it."""
    with RingReader(owner.name) as ring_reader:
        yield ring_reader
