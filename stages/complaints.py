"""Says what is wrong with the input once, then now and then, however often it happens."""

import logging
from typing import Final

from shm.clock import now_ns

_QUIET_NS: Final = 10_000_000_000

log = logging.getLogger("stage")


class Complaints:
    """Logs each kind of complaint at once and then at most every ten seconds, with its count."""

    def __init__(self) -> None:
        self._quiet_until: dict[str, int] = {}
        self._unsaid: dict[str, int] = {}

    def say(self, kind: str, sentence: str) -> None:
        """Log `sentence`, unless one of its `kind` was logged in the last ten seconds."""
        now = now_ns()
        self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
        if now < self._quiet_until.get(kind, 0):
            return
        count = self._unsaid.pop(kind)
        self._quiet_until[kind] = now + _QUIET_NS
        log.warning("%s%s", sentence, f" ({count} times)" if count > 1 else "")
