"""Model packs out of published weights: find the files, build the graphs, check, write.

A family of networks is a module here with `convert` and `check_pack`; its line in `FAMILIES` is all
that the command line knows of it.
"""

import importlib
from types import ModuleType
from typing import Final

from stages.networks.pack import PackRejected

# Family: the variants that `--only` takes.
FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "tha3": ("separable", "standard"),
    "tha4_student": (),
    "rife": ("v4.6", "v4.22.lite", "v4.25", "v4.25.lite", "v4.26"),
}


def family(name: str) -> ModuleType:
    """Import a family's module: `convert(source, destination, choice, step)` and `check_pack`.

    Raises `PackRejected` for a name that is none of them: it may come out of a pack.
    """
    if name not in FAMILIES:
        raise PackRejected(f"packs of {name!r} are not known, only those of {', '.join(FAMILIES)}")
    return importlib.import_module(f"pipeline.models.{name}")
