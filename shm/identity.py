"""Who a process is: its id and its start time, since ids are used again."""

import os
import sys
from pathlib import Path


def start_time(pid: int) -> int:
    """Return when `pid` started in the system's own unit, or 0 where that cannot be known."""
    if sys.platform != "linux":
        return 0
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    # The name (field 2) may hold spaces and brackets: count the fields after its last bracket.
    # Field 22 of proc(5) is the start time in clock ticks since boot.
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def alive(pid: int, start: int) -> bool:
    """Return whether the process that had this id and start time still runs."""
    if pid <= 0:
        return False
    if sys.platform == "linux":
        found = start_time(pid)
        return found != 0 and (start in (0, found)) and not _zombie(pid)
    if sys.platform == "win32":
        return _alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return stat[stat.rindex(b")") + 2 :].split()[0] == b"Z"


def _alive_on_windows(pid: int) -> bool:
    import ctypes

    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    query_limited_information, still_active = 0x1000, 259
    handle = kernel.OpenProcess(query_limited_information, False, pid)
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == still_active
