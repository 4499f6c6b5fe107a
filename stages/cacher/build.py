"""From options to what a cacher works with: its quantiser and its store."""

from pathlib import Path

from stages.cacher.key import Maker
from stages.cacher.options import CacherOptions
from stages.cacher.perception import levels_for
from stages.cacher.quantiser import GridQuantiser, Quantiser, SimplifyQuantiser
from stages.cacher.store import RamStore, Shares, Store

GIGABYTE = 2**30


def make_quantiser(options: CacherOptions) -> Quantiser:
    """Return the quantiser that the options name."""
    if options.quantiser == "easyvtuber":
        return SimplifyQuantiser(options.simplify)
    if options.quantiser == "uniform":
        return GridQuantiser(options.levels)
    return GridQuantiser(levels_for(options.error))


def shares_of(options: CacherOptions) -> Shares:
    """Return which part of memory and database nobody can push whose pictures out of."""
    between, larger = options.between_share, options.larger_share
    return {
        Maker.POSER: 1.0 - between - larger,
        Maker.INTERPOLATION: between,
        Maker.UPSCALING: larger,
    }


def open_store(options: CacherOptions) -> Store:
    """Return the store that the options describe. Raises `DatabaseRejected`."""
    shares = shares_of(options)
    ram = RamStore(int(options.ram_gb * GIGABYTE), shares)
    if options.database is None:
        return ram
    # Only here: without a database a cacher that was killed is back 20 ms sooner.
    from stages.cacher.database import DatabaseStore
    from stages.cacher.layers import LayeredStore

    budget_bytes = int(options.database_gb * GIGABYTE)
    database = DatabaseStore(Path(options.database), budget_bytes, shares)
    return LayeredStore(ram, database)
