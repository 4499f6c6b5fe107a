"""How a reader waits for a frame: with the compiled helper in one call, or in Python.

What is executed between waking up and returning counts, for after a sleep each line of code and
each object that is touched costs up to some microseconds (cold caches).
"""

from collections.abc import Callable
from functools import partial

from shm import layout
from shm.attached import AttachedRing
from shm.cadence import Cadence
from shm.clock import now_ns
from shm.frame import State

Wait = Callable[[int, int], int]

_HEADER = {name: offset // 8 for name, offset in layout.offsets(layout.HEADER).items()}
_HEAD, _STATE = _HEADER["head"], _HEADER["state"]
_PUBLISHED = layout.offsets(layout.SLOT)["published_ns"] // 8
_LOOK_AGAIN_NS = 1_000_000_000  # a sleeping reader looks at the state at least this often


def waiting(ring: AttachedRing, *, predict: bool) -> Wait:
    """Return wait(cursor, timeout_ns) -> the head once it is past the cursor, 0 if it never was."""
    sleeping = _sleeping(ring)
    return _predicting(ring, sleeping) if predict else sleeping


def _sleeping(ring: AttachedRing) -> Wait:
    if ring.live:
        return partial(ring.live.wait, ring.segment.words)
    load, sleep, now, ended = ring.order.load_acquire, ring.bell.wait, now_ns, int(State.ENDED)

    def wait(cursor: int, timeout_ns: int) -> int:
        head = load(_HEAD)
        if head >> 8 > cursor or timeout_ns <= 0:
            return head if head >> 8 > cursor else 0
        end = now() + timeout_ns
        while head >> 8 <= cursor:
            left = end - now()
            if left <= 0 or load(_STATE) == ended:
                return 0
            sleep(head, left if left < _LOOK_AGAIN_NS else _LOOK_AGAIN_NS)
            head = load(_HEAD)
        return head

    return wait


def _predicting(ring: AttachedRing, sleeping: Wait) -> Wait:
    load, sleep, now = ring.order.load_acquire, ring.bell.wait, now_ns
    cadence = _cadence(ring)

    def wait(cursor: int, timeout_ns: int) -> int:
        head = load(_HEAD)
        if head >> 8 > cursor or timeout_ns <= 0:
            return head if head >> 8 > cursor else 0
        end = now() + timeout_ns
        # Learnt before the wait and not after it, where the reader has better things to do.
        cadence.learn(head)
        if cadence.expects(end):
            head = cadence.watch(sleep, head)
            if head >> 8 > cursor:
                return head
        return sleeping(cursor, end - now())

    return wait


def _cadence(ring: AttachedRing) -> Cadence:
    """Return a cadence that knows where the ring's head and the times of its frames are."""
    load, locks = ring.order.load_acquire, ring.locks

    def published_ns(head: int) -> int:
        """Return when a frame was published, 0 if its slot has been taken again."""
        lock = locks[head & 0xFF]
        at = load(lock + _PUBLISHED)
        return at if load(lock) == head >> 8 << 1 else 0

    return Cadence(lambda: load(_HEAD), published_ns)
