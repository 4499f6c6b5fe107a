"""One of any number of readers of a ring. It costs the writer nothing and cannot hold it up."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shm import layout
from shm.attached import LayoutMismatch, attach
from shm.doorbell import Doorbell
from shm.frame import Frame, FrameFormat, FrameLost, Place, State
from shm.leases import LEASE, PID, LeaseRefused, claim
from shm.waiting import Wait, waiting

_HEADER = {name: offset // 8 for name, offset in layout.offsets(layout.HEADER).items()}
_HEAD, _STATE, _HISTORY = _HEADER["head"], _HEADER["state"], _HEADER["history"]
_POSE_SEQUENCE = layout.offsets(layout.SLOT)["pose_sequence"] // 8


class RingReader:
    """Reads a ring: the newest frame, or every frame in order, or the last few.

    `predict=True` makes waits look for the next frame shortly before it is due instead of sleeping
    until the writer wakes us: several times quicker at a steady rate for one to three per cent of a
    core, and an ordinary wait when the rate is unsteady. `leases` claims so many entries of the
    reader table (16 in a ring), each of which can hold one frame; such a reader maps the ring
    writable.

    `newest(timeout_s=0.0)` returns the newest frame not yet seen, waiting for one; None when the
    time is over or the ring has ended. Frames passed over are counted as dropped.
    """

    newest: Callable[..., Frame | None]

    def __init__(
        self, name: str, *, timeout_s: float = 0.0, predict: bool = False, leases: int = 0
    ) -> None:
        """Wait for the ring. Raises `SegmentMissing`, `LayoutMismatch`, `LeaseRefused`."""
        ring = attach(name, writable=leases > 0, timeout_s=timeout_s)
        self.name = name
        self.format: FrameFormat = ring.format
        self.dropped = 0  # frames this reader never saw
        self._ring = ring
        self._load = ring.order.load_acquire
        self._locks = ring.locks
        for array in ring.arrays:  # writable where the mapping is, for the leases
            array.setflags(write=False)
        self._places = [
            Place(array, header, ring.order.load_last, lock, slot)
            for slot, (array, header, lock) in enumerate(
                zip(ring.arrays, ring.headers, ring.locks, strict=True)
            )
        ]
        self._wait = waiting(ring, predict=predict)
        self.newest = _newest(self, self._places, self._wait)
        # The first frame is the newest one there is, not all that came before us.
        self.cursor = max(0, (self._load(_HEAD) >> 8) - 1)
        self._free_leases: list[int] = []
        if leases:
            try:
                self._free_leases = claim(ring, leases)
            except BaseException:
                ring.close()
                raise
        self._lease_entries = list(self._free_leases)

    # --- what there is

    @property
    def slots(self) -> int:
        """How many slots the ring has."""
        return self._ring.slot_count

    @property
    def state(self) -> State:
        """What the ring says of its writer."""
        return State(self._load(_STATE))

    @property
    def ended(self) -> bool:
        """Whether no frame will follow any more."""
        return self._load(_STATE) == State.ENDED

    @property
    def epoch(self) -> int:
        """How many writers the ring has had."""
        return self._ring.word("epoch")

    @property
    def look(self) -> int:
        """What shapes the pixels of coming frames besides the pose, as the writer says."""
        return self._ring.word("look")

    @property
    def head(self) -> int:
        """The live head word: sequence << 8 | slot."""
        return self._load(_HEAD)

    @property
    def bell(self) -> Doorbell:
        """What wakes this ring's readers; for waiting on several rings at once."""
        return self._ring.bell

    def pose_of(self, frame: Frame) -> int:
        """Return the pose sequence of a frame; not validated."""
        return self._load(self._locks[frame.slot] + _POSE_SEQUENCE)

    def newest_pose(self) -> int:
        """Return the pose sequence of the newest frame, 0 if there is none; not validated."""
        head = self._load(_HEAD)
        return self._load(self._locks[head & 0xFF] + _POSE_SEQUENCE) if head else 0

    def begun_pose(self) -> int:
        """Return the newest pose of any frame, also of one that is being made; not validated."""
        load = self._load
        return max((load(lock + _POSE_SEQUENCE) for lock in self._locks if load(lock)), default=0)

    # --- reading

    def skip(self) -> None:
        """Go to the newest frame there is, without counting those before it as dropped."""
        self.cursor = max(self.cursor, (self._load(_HEAD) >> 8) - 1)

    def latest(self) -> Frame | None:
        """Return the newest frame, again and again the same if there is no newer; None if none."""
        while True:
            head = self._load(_HEAD)
            if not head:
                return None
            frame = self._frame(head, 0)
            if frame is not None:
                return frame
            # A writer takes the newest frame's slot only after it has published a newer one. Where
            # none came the ring is damaged, and looking again would never end.
            if self._load(_HEAD) == head:
                raise self._damaged(head)

    def next(self, timeout_s: float = 0.0) -> Frame | None:
        """Return the oldest frame not yet seen that is still whole, waiting for one.

        None when the time is over or the ring has ended. `Frame.dropped` says how many before it
        were lost.
        """
        head = self._wait(self.cursor, int(timeout_s * 1e9))
        if not head:
            return None
        first = self.cursor + 1
        sequence = max(first, (head >> 8) - min(self._ring.slot_count, layout.HISTORY_COUNT) + 1)
        while sequence <= self._load(_HEAD) >> 8:
            frame = self._past(sequence, sequence - first)
            if frame is not None:
                self.cursor = sequence
                self.dropped += frame.dropped
                return frame
            sequence += 1
        return None

    def history(self, count: int) -> list[Frame]:
        """Return up to `count` of the newest frames that are still whole, oldest first."""
        last = self._load(_HEAD) >> 8
        span = min(count, self._ring.slot_count, layout.HISTORY_COUNT, last)
        frames = (self._past(sequence, 0) for sequence in range(last - span + 1, last + 1))
        return [frame for frame in frames if frame is not None]

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in order until the ring has ended."""
        while True:
            frame = self.next(timeout_s=1.0)
            if frame is not None:
                yield frame
            elif self.ended:
                return

    def _past(self, sequence: int, dropped: int) -> Frame | None:
        entry = self._load(_HISTORY + sequence % layout.HISTORY_COUNT)
        return self._frame(entry, dropped) if entry >> 8 == sequence else None

    def _frame(self, head: int, dropped: int) -> Frame | None:
        """Return the frame of a head value if its slot still holds it."""
        sequence = head >> 8
        try:
            place = self._places[head & 0xFF]
        except IndexError:
            raise self._damaged(head) from None
        return Frame(place, sequence, dropped) if self._load(place[3]) == sequence << 1 else None

    def _damaged(self, head: int) -> LayoutMismatch:
        return LayoutMismatch(
            f"{self.name!r} is damaged: it says frame {head >> 8} is in slot {head & 0xFF} of "
            f"{self._ring.slot_count}, and it is not"
        )

    # --- holding on

    @contextmanager
    def lease(self, frame: Frame) -> Iterator[Frame]:
        """Keep the writer from taking this frame's slot while the block runs.

        The writer revokes the oldest lease rather than wait when every slot is leased, so check
        the frame at the end all the same. Raises `LeaseRefused` without a free entry, `FrameLost`
        if the slot was taken before.
        """
        if not self._free_leases:
            raise LeaseRefused(
                f"this reader of {self.name!r} holds {len(self._lease_entries)} leases already: "
                "open it with leases=N for more"
            )
        entry = self._free_leases.pop()
        lease, order = entry + LEASE, self._ring.order
        try:
            order.store_release(lease, frame.sequence << 8 | frame.slot)
            order.fence()  # our lease before our look: the writer marks before it looks at leases
            if self._load(self._locks[frame.slot]) != frame.sequence << 1:
                raise FrameLost(f"frame {frame.sequence} was overwritten before it could be leased")
            yield frame
        finally:
            if self._lease_entries:  # else the reader was closed meanwhile, and its leases with it
                order.store_release(lease, 0)
                self._free_leases.append(entry)

    def close(self) -> None:
        """Give leases back and let the ring go."""
        for entry in self._lease_entries:
            self._ring.order.store_release(entry + LEASE, 0)
            self._ring.order.store_release(entry + PID, 0)
        self._lease_entries.clear()
        if self._ring.arrays:
            self._places.clear()
            self._ring.close()

    def __enter__(self) -> "RingReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _newest(reader: RingReader, places: list[Place], wait: Wait) -> Callable[..., Frame | None]:
    """Return `newest` as a closure with as few steps between wake-up and view as can be.

    After a sleep each object touched first costs up to some microseconds (cold caches). So the slot
    is not looked at here: the check that everybody makes after use says whether it still held the
    frame. For the same reason the frame is filled in here and not by its `__init__`.
    """
    new = object.__new__

    def newest(timeout_s: float = 0.0) -> Frame | None:
        cursor = reader.cursor
        frame = new(Frame)  # before the sleep: memory that was at hand then is cold after it
        head = wait(cursor, int(timeout_s * 1e9))
        if not head:
            return None
        try:
            place = places[head & 0xFF]
        except IndexError:
            raise reader._damaged(head) from None
        frame.array = place[0]
        frame._place = place
        frame.sequence = reader.cursor = sequence = head >> 8
        frame.dropped = dropped = sequence - cursor - 1
        if dropped:
            reader.dropped += dropped
        return frame

    return newest


def open_readers(names: Sequence[str], timeout_s: float) -> list[RingReader]:
    """Open all of these rings, or none. Raises `SegmentMissing`, `LayoutMismatch`."""
    readers: list[RingReader] = []
    try:
        for name in names:
            readers.append(RingReader(name, timeout_s=timeout_s))
    except BaseException:
        for reader in readers:
            reader.close()
        raise
    return readers


def read_word(reader: RingReader, index: int) -> Any:
    """Load the live word at 8-byte index `index`; for tools that show a ring's inside."""
    return reader._load(index)
