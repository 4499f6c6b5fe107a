"""Memory order: what makes a plain store of Python a release, and a plain load an acquire.

On x86-64 stores become visible in program order and loads are not reordered with loads (TSO), so a
`memoryview` item is already an acquire load and a release store. Only "store, then load something
else" (mark a slot, then look at the leases) may be reordered; a locked instruction forbids it, and
taking a `threading.Lock` is one.

On ARM plain accesses pass each other freely. There every live store goes through the compiled
helper or, without it, through libatomic with release order, and every live load with acquire order.
Where both are missing the ring is refused rather than trusted.
"""

import ctypes
import platform
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from shm.compiled import LIVE

_RELAXED_MACHINES_NEED = ("libatomic.so.1", "libatomic.so")
_ACQUIRE, _RELEASE, _SEQ_CST = 2, 3, 5


class OrderUnknown(RuntimeError):
    """This machine reorders memory accesses and nothing here can forbid it."""


class Order(NamedTuple):
    """How to store, load and fence on this machine; `words` is the segment as 8-byte words.

    `store_release(index, value)` makes everything written before visible before `value`;
    `load_acquire(index)` sees everything that was written before the value it returns;
    `load_last(index)` loads only after everything before it has been loaded (the second look of a
    reader); `fence()` lets no access pass in either direction.
    """

    store_release: Callable[[int, int], None]
    load_acquire: Callable[[int], int]
    load_last: Callable[[int], int]
    fence: Callable[[], None]


def _full_fence_of_x86() -> Callable[[], None]:
    lock = threading.Lock()
    acquire, release = lock.acquire, lock.release

    def fence() -> None:
        acquire()
        release()

    return fence


def _libatomic() -> ctypes.PyDLL:
    for name in _RELAXED_MACHINES_NEED:
        try:
            return ctypes.PyDLL(name)
        except OSError:
            continue
    raise OrderUnknown(
        f"{platform.machine()} reorders memory accesses, the compiled helper is not there and "
        "libatomic is not installed: install a C compiler and ayatsuri again, or the package "
        "libatomic1 (Debian, Ubuntu) or libatomic (Fedora)"
    )


def _atomic_order(words: memoryview, address: int) -> Order:
    library = _libatomic()
    store = library.__getattr__("__atomic_store_8")
    store.argtypes, store.restype = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int), None
    load = library.__getattr__("__atomic_load_8")
    load.argtypes, load.restype = (ctypes.c_void_p, ctypes.c_int), ctypes.c_uint64
    thread_fence = library.atomic_thread_fence
    thread_fence.argtypes, thread_fence.restype = (ctypes.c_int,), None

    # `words[index]` raises once the segment is closed, where the bare address would be a crash.
    def store_release(index: int, value: int) -> None:
        words[index]
        store(address + 8 * index, value, _RELEASE)

    def load_acquire(index: int) -> int:
        words[index]
        return int(load(address + 8 * index, _ACQUIRE))

    def load_last(index: int) -> int:
        thread_fence(_ACQUIRE)
        return load_acquire(index)

    return Order(store_release, load_acquire, load_last, lambda: thread_fence(_SEQ_CST))


def order_of(words: memoryview, address: int, machine: str = "") -> Order:
    """Return the accessors for `words`, a "Q" view of memory at `address`.

    `machine` overrides the machine's name for tests. Raises `OrderUnknown`.
    """
    if sys.byteorder != "little":
        raise OrderUnknown(f"rings are little-endian; this machine is {sys.byteorder}-endian")
    if (machine or platform.machine()).lower() in {"x86_64", "amd64"}:
        load = words.__getitem__
        return Order(words.__setitem__, load, load, _full_fence_of_x86())
    live = LIVE.load()
    if live is None:
        return _atomic_order(words, address)
    return Order(
        partial(live.store, words),
        partial(live.load, words),
        partial(live.load_last, words),
        live.fence,
    )
