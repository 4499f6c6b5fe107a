"""One ring, its writer and a reader of it, in this process."""

from collections.abc import Iterator

import pytest
from cacher_bench import STRICT, Bench, Make
from rings import SMALL, MakeRing

from shm import RingOwner, RingReader, RingWriter
from stages.cacher.options import CacherOptions


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


@pytest.fixture
def make(make_ring: MakeRing) -> Iterator[Make]:
    """Return what makes benches.

    At quality 100, so that a hit must be its miss exactly; by default without neighbours.
    """
    made: list[Bench] = []

    def begin(**options: object) -> Bench:
        made.append(Bench(make_ring, CacherOptions(**{**STRICT, **options})))
        return made[-1]

    yield begin
    for bench in made:
        bench.close()
