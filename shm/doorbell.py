"""How a writer wakes readers that wait for the next frame: one class per system, one fallback.

A doorbell belongs to a ring and counts nothing: whoever wakes looks at the ring's words. A waiter
gives the head it has seen and sleeps only while that is still the newest, so no ring is missed.

| system  | class         | how                                            | reader's mapping |
| ------- | ------------- | ---------------------------------------------- | ---------------- |
| Linux   | FutexBell     | futex on the low half of `head`, shared        | read-only will do |
| Windows | EventPairBell | two named events, set and reset in turn        | read-only will do |
| macOS   | OsSyncBell    | os_sync_wait_on_address, shared (macOS 14.4)   | writable         |
| others  | PollingBell   | looks every millisecond                        | read-only will do |

Only the first and the last were run by us; the other two follow their systems' documentation.
"""

import ctypes
import platform
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

_EVERYBODY = 0x7FFFFFFF
_FUTEX_WAIT, _FUTEX_WAKE = 0, 1  # without FUTEX_PRIVATE_FLAG: between processes
_SYS_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98}
_SYS_FUTEX_WAITV = 449  # Linux 5.16, the same number everywhere
_FUTEX_32 = 2
_CLOCK_MONOTONIC = 1
_POLL_NS = 1_000_000


class Doorbell(ABC):
    """Wakes and waits. `seen` is the ring's head as last read."""

    KIND: int  # the bit of the header's `wake` word

    @abstractmethod
    def ring(self, sequence: int) -> None:
        """Wake everybody who waits; `sequence` is that of the frame just published."""

    @abstractmethod
    def wait(self, seen: int, timeout_ns: int) -> None:
        """Sleep until the ring is rung, the head is not `seen`, or the time is over."""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Give the system's handles back."""


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _FutexWaiter(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


class FutexBell(Doorbell):
    """Linux: one system call wakes every reader, needs no registration and forgets dead waiters."""

    KIND = 1

    def __init__(self, head_address: int) -> None:
        self.address = head_address
        number = _SYS_FUTEX[platform.machine()]
        # Waking keeps the GIL (it returns at once); waiting lets it go.
        wake = ctypes.PyDLL(None).syscall
        wake.argtypes = (ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
        wake.restype = None
        wait = ctypes.CDLL(None).syscall
        wait.argtypes = (
            ctypes.c_long,
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.c_uint32,
            ctypes.c_void_p,
        )
        wait.restype = None  # whoever wakes looks at the ring's words, whatever woke it
        timeout = _Timespec()
        timeout_address = ctypes.addressof(timeout)

        def wait_for(seen: int, timeout_ns: int) -> None:
            timeout.seconds, timeout.nanoseconds = divmod(timeout_ns, 1_000_000_000)
            wait(number, head_address, _FUTEX_WAIT, seen & 0xFFFFFFFF, timeout_address)

        # No Python frame between publishing and waking: `ring(sequence)` is the system call, which
        # takes the sequence for a time-out, and a wake has none.
        self.ring = partial(  # type: ignore[method-assign]
            wake, number, head_address, _FUTEX_WAKE, _EVERYBODY
        )
        self.wait = wait_for  # type: ignore[method-assign]

    def ring(self, sequence: int) -> None:
        """See `Doorbell`; replaced by the system call at construction."""

    def wait(self, seen: int, timeout_ns: int) -> None:
        """See `Doorbell`; replaced by a closure at construction."""


class PollingBell(Doorbell):
    """Any system: looks at the head every millisecond."""

    KIND = 0

    def __init__(self, load_head: Callable[[], int]) -> None:
        self._load_head = load_head

    def ring(self, sequence: int) -> None:
        """Do nothing: the waiters look by themselves."""

    def wait(self, seen: int, timeout_ns: int) -> None:
        """See `Doorbell`."""
        end = time.perf_counter_ns() + timeout_ns
        while self._load_head() == seen:
            left = end - time.perf_counter_ns()
            if left <= 0:
                return
            time.sleep(min(left, _POLL_NS) / 1e9)


class EventPairBell(Doorbell):
    """Windows: WaitOnAddress works only within a process, so two named manual-reset events.

    Publishing frame n sets event n % 2 and resets the other. Who has seen n waits on the event of
    n + 1, which stays set until n + 2 is out, so that many readers wake without being registered.
    A reader that falls asleep just as two frames pass sleeps one frame longer.
    """

    KIND = 2

    def __init__(self, name: str) -> None:
        self._kernel: Any = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
        self._kernel.CreateEventW.restype = ctypes.c_void_p
        self.events = [
            ctypes.c_void_p(self._kernel.CreateEventW(None, True, False, f"Local\\{name}-{parity}"))
            for parity in (0, 1)
        ]

    def ring(self, sequence: int) -> None:
        """See `Doorbell`."""
        self._kernel.SetEvent(self.events[sequence & 1])
        self._kernel.ResetEvent(self.events[(sequence + 1) & 1])

    def wait(self, seen: int, timeout_ns: int) -> None:
        """See `Doorbell`."""
        event = self.events[((seen >> 8) + 1) & 1]
        self._kernel.WaitForSingleObject(event, max(1, timeout_ns // 1_000_000))

    def close(self) -> None:
        """See `Doorbell`."""
        for event in self.events:
            self._kernel.CloseHandle(event)


class OsSyncBell(Doorbell):
    """macOS 14.4: the futex of that system, with its flag for memory shared between processes."""

    KIND = 4
    _SHARED = 1
    _MACH_ABSOLUTE_TIME = 32

    def __init__(self, head_address: int) -> None:
        library = ctypes.CDLL(None)
        self._wake = library.os_sync_wake_by_address_all
        self._wake.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32)
        self._wait = library.os_sync_wait_on_address_with_timeout
        self._wait.argtypes = (
            ctypes.c_void_p,
            ctypes.c_uint64,
            ctypes.c_size_t,
            ctypes.c_uint32,
            ctypes.c_uint32,
            ctypes.c_uint64,
        )
        self.address = head_address

    def ring(self, sequence: int) -> None:
        """See `Doorbell`."""
        self._wake(self.address, 8, self._SHARED)

    def wait(self, seen: int, timeout_ns: int) -> None:
        """See `Doorbell`."""
        self._wait(self.address, seen, 8, self._SHARED, self._MACH_ABSOLUTE_TIME, timeout_ns)


def open_doorbell(name: str, head_address: int, load_head: Callable[[], int]) -> Doorbell:
    """Return this system's doorbell for the ring `name`, the polling one where there is none."""
    if sys.platform == "linux" and platform.machine() in _SYS_FUTEX:
        return FutexBell(head_address)
    if sys.platform == "win32":
        return EventPairBell(name)
    if sys.platform == "darwin" and hasattr(ctypes.CDLL(None), "os_sync_wake_by_address_all"):
        return OsSyncBell(head_address)
    return PollingBell(load_head)


class Counter:
    """A count with a doorbell for the threads of one process, for `wait_any` beside rings."""

    def __init__(self) -> None:
        self._word = ctypes.c_uint64(0)
        self._adding = threading.Lock()
        self.bell: Doorbell = PollingBell(lambda: self.value)
        if sys.platform == "linux" and platform.machine() in _SYS_FUTEX:
            self.bell = FutexBell(ctypes.addressof(self._word))

    @property
    def value(self) -> int:
        """How often `add` was called."""
        return self._word.value

    def add(self) -> None:
        """Count one up and wake who waits."""
        with self._adding:
            self._word.value += 1
        self.bell.ring(self._word.value)


def wait_any(bells: Sequence[Doorbell], seen: Sequence[int], timeout_ns: int) -> None:
    """Sleep until one of several rings is rung (or has moved on), or the time is over."""
    if len(bells) == 1:
        bells[0].wait(seen[0], timeout_ns)
        return
    futexes = [bell for bell in bells if isinstance(bell, FutexBell)]
    if len(futexes) == len(bells) and _futex_waitv(futexes, seen, timeout_ns):
        return
    # No way to wait for several here: sleep on the first in short naps and look at the rest.
    bells[0].wait(seen[0], min(timeout_ns, _POLL_NS))


def _futex_waitv(bells: Sequence[FutexBell], seen: Sequence[int], timeout_ns: int) -> bool:
    waiters = (_FutexWaiter * len(bells))(
        *(
            _FutexWaiter(head & 0xFFFFFFFF, bell.address, _FUTEX_32, 0)
            for bell, head in zip(bells, seen, strict=True)
        )
    )
    end = _Timespec(*divmod(time.clock_gettime_ns(_CLOCK_MONOTONIC) + timeout_ns, 1_000_000_000))
    libc = _libc()
    ctypes.set_errno(0)
    libc.syscall(
        ctypes.c_long(_SYS_FUTEX_WAITV),
        ctypes.byref(waiters),
        ctypes.c_uint(len(bells)),
        ctypes.c_uint(0),
        ctypes.byref(end),
        ctypes.c_int(_CLOCK_MONOTONIC),
    )
    # ENOSYS: an old kernel. EPERM: a sandbox that does not know the call.
    return ctypes.get_errno() not in (1, 38)


def _libc() -> ctypes.CDLL:
    global _libc_handle
    if _libc_handle is None:
        _libc_handle = ctypes.CDLL(None, use_errno=True)
    return _libc_handle


_libc_handle: ctypes.CDLL | None = None
