"""One clock for all processes of a machine."""

import sys
import time
from typing import Final

# perf_counter is CLOCK_MONOTONIC on Linux, QueryPerformanceCounter on Windows and mach time on
# macOS: each is common to all processes. time.monotonic is 15.6 ms coarse on Windows before 3.13
# (python/cpython#88494).
now_ns = time.perf_counter_ns

CLOCK: Final = {"linux": 1, "win32": 2, "darwin": 3}.get(sys.platform, 1)


def deadline_ns(timeout_s: float) -> int:
    """Return the moment `timeout_s` from now."""
    return now_ns() + int(timeout_s * 1e9)
