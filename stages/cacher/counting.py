"""What a store holds, as counters of the stage."""

from typing import Final

from stages.cacher.key import Maker
from stages.cacher.store import Store
from stages.meter import Meter

_NAMES: Final = {
    Maker.POSER: "drawn",
    Maker.INTERPOLATION: "between",
    Maker.UPSCALING: "larger",
}


def count_kept(store: Store, meter: Meter) -> None:
    """Have the counters say what the store says: of all pictures, and of each maker's."""
    found = store.statistics()
    meter.counters.update(
        entries=found.entries,
        bytes=found.used_bytes,
        evictions=found.evictions,
        unwritten=found.unwritten,
    )
    for maker, held in found.makers.items():
        name = _NAMES[Maker(maker)]
        meter.counters[f"{name}_entries"] = held.entries
        meter.counters[f"{name}_bytes"] = held.used_bytes
        meter.counters[f"{name}_evictions"] = held.evictions
