"""Helpers that are compiled at installation: used where they are there, needed nowhere.

Whatever a helper does its callers can do without it. `AYATSURI_PURE=1` leaves all of them aside.
"""

import importlib
import os
from types import ModuleType
from typing import Final, NamedTuple

PURE: Final = "AYATSURI_PURE"
_AGAIN: Final = "install ayatsuri again, with a C compiler"


class Found(NamedTuple):
    """A helper as it was found: its module if it is to be used, what to say of it, the mend."""

    module: ModuleType | None
    state: str
    mend: str = ""


class Helper(NamedTuple):
    """An extension module that may be there; its constant VERSION is that of its source."""

    module: str
    version: int
    gain: str  # what is better with it, for people

    def find(self) -> Found:
        """Look for the module; a fresh look each time, so not for a hot path."""
        if os.environ.get(PURE, "0") not in ("", "0"):
            return Found(None, f"switched off by {PURE}", f"unset {PURE}")
        try:
            module = importlib.import_module(self.module)
        except ModuleNotFoundError:
            return Found(None, "was not built", _AGAIN)
        except ImportError as error:
            return Found(None, f"does not load: {error}", _AGAIN)
        if (built := module.VERSION) != self.version:
            # The sources of an editable installation went on: functions may take other arguments.
            wanted = f"version {built} of its source, and that is now {self.version}"
            return Found(None, f"was built from {wanted}", _AGAIN)
        return Found(module, "in use")

    def load(self) -> ModuleType | None:
        """Return the module if it is to be used."""
        return self.find().module


LIVE: Final = Helper("shm._live", 1, "frames reach their readers in three quarters of the time")
