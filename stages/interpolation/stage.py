"""Interpolation: frames in between two frames, evenly spaced in time."""

import logging
from collections.abc import Iterator
from itertools import repeat
from typing import ClassVar, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from shm.clock import now_ns
from shm.frame import Flag, Frame, Stamp, image_format
from shm.publishing import Slot
from stages.between import between, is_known
from stages.gaps import gaps
from stages.interpolation import known
from stages.interpolation.equal import equal
from stages.interpolation.method import Method
from stages.interpolation.options import InterpolationOptions
from stages.interpolation.pacing import Alarm, Pacer
from stages.stage import CommandRefused, Rings, Stage

_FLOW_THREADS: Final = 2

log = logging.getLogger("interpolation")


class _Times(NamedTuple):
    """When the pose of a frame was measured, the frame given to us, and work on it begun."""

    captured_ns: int
    given_ns: int
    start_ns: int


class Interpolation(Stage):
    """Gives `scale` frames per frame read: those in between first, the read one last."""

    options_type: ClassVar = InterpolationOptions
    options: InterpolationOptions

    def open(self) -> None:
        """Load and try the network if one is asked for."""
        # Cores are given for the network: where flow stands in, it leaves most of them alone.
        cv2.setNumThreads(min(_FLOW_THREADS, self.threads))
        height, width, _ = image_format().shape
        self._method = Method(self.options, self.threads, height, width)
        self.notes += self._method.notes
        self._pacer, self._alarm = Pacer(), Alarm()
        self._given = self.options.scale  # frames for the last one read

    def begin(self, rings: Rings) -> None:
        """Take the rings."""
        assert rings.frames is not None and rings.gives_frames is not None
        self._frames, self._ring = rings.frames, rings.gives_frames
        # The last frame given, in our own ring: nobody but us takes its slot again, and we do not
        # before the next frame is out, because the newest slot is never lent.
        self._before: tuple[Stamp, NDArray[np.uint8]] | None = None
        self._ring.look = self._method.how

    def step(self, timeout_s: float) -> None:
        """Give the frames up to and with the newest one."""
        every = self.options.reading == "every"
        frame = self._frames.next(timeout_s) if every else self._frames.newest(timeout_s)
        if frame is None:
            return
        start = now_ns()
        stamp, given_ns = frame.stamp, frame.published_ns
        if is_known(stamp):
            return  # it is looked up when the frame comes that it leads to
        scale = self._scale()
        cached, passed = self._known(stamp, scale)
        self._pacer.arrive(given_ns, max(0, frame.dropped - passed))
        if self._before is not None and self._before[0].look != stamp.look:
            # The frame that was marked so may be one that we passed over.
            stamp = stamp._replace(flags=stamp.flags | Flag.DISCONTINUITY)
        shown = self._copy(frame, stamp)
        still = self._before is not None and equal(self._before[1], shown.array)
        slots = self._loan_between(stamp, shown, scale, still)
        try:
            ready = self._fill(slots, shown, still, cached)
            self._show([*slots, shown], ready, still, _Times(stamp.captured_ns, given_ns, start))
        except BaseException:
            for slot in (*slots, shown):
                self._ring.abandon(slot)  # what was published is no longer on loan
            raise
        self._before = stamp, shown.array
        if not slots and self.options.scale > 1:
            self._method.prepare(shown.array)  # the next one does not have to
        self.meter.counters["by_rife"] = int(self._method.kind == "rife")
        # After all frames that were made before: whoever stores them takes their method from it.
        self._ring.look = self._method.how

    def _scale(self) -> int:
        """Return how many frames to give for the next one read: as many as are in time.

        Who asks for the network by name gets all of its frames, at the rate that it can.
        """
        wanted = self.options.scale
        if self.options.pacing != "even" or wanted == 1 or self.options.method == "rife":
            return wanted
        scale = self._pacer.parts(wanted)
        if scale != self._given:
            said = log.warning if scale < self._given else log.info
            said("%s: %d frames are shown for each one read", self._pacer.reason, scale)
            self._given = scale
        self.meter.count("left_out", wanted - scale)
        return scale

    def _known(self, stamp: Stamp, scale: int) -> tuple[dict[int, Frame], int]:
        """Return what the cacher has of the way to a frame, and how many such it has given."""
        # One ring is no gate's: nothing to be found there.
        if self._before is None or len(self._frames.readers) == 1:
            return {}, 0
        before, _ = self._before
        return known.find(self._frames.readers, before, stamp, scale)

    def _show(self, slots: list[Slot], ready: Iterator[None], still: bool, times: "_Times") -> None:
        """Publish each slot as soon as it is filled and due, the read frame last."""
        captured_ns, given_ns, start = times
        worked, count = 0, len(slots)
        for part, slot in enumerate(slots):
            next(ready, None)
            made = now_ns()
            worked += made - start
            if part == 0 and not still:
                self._pacer.made(made)
                if count > 1:
                    self._method.watch(worked, self._pacer.period_ns)
            if self.options.pacing == "even" and count > 1:
                due = self._pacer.due_ns(part, count)
                self._alarm.sleep_until(due)
                self.meter.lateness.add(max(0, now_ns() - due))
            start = now_ns()
            self._ring.publish(slot)
            self.meter.published(captured_ns, given_ns)
        self.meter.work.add(worked)
        if not still:
            self._pacer.worked(worked)

    def _copy(self, frame: Frame, stamp: Stamp) -> Slot:
        """Lay the read frame into our ring: the one copy of it."""
        slot = self._ring.loan(stamp)
        try:
            np.copyto(slot.array, frame.array)
            frame.check()
        except BaseException:
            self._ring.abandon(slot)
            raise
        return slot

    def _loan_between(self, stamp: Stamp, shown: Slot, scale: int, still: bool) -> list[Slot]:
        """Lend slots for the frames between the last one and this; none across a cut or pause."""
        if self._before is None or scale == 1:
            return []
        before, _ = self._before
        if _is_cut(before, stamp, self.options.pause_s):
            return []
        repeated = int(Flag.REPEATED) if still else 0
        slots: list[Slot] = []
        try:
            for part in range(1, scale):
                way = between(before, stamp, part, scale)
                slots.append(self._ring.loan(way._replace(flags=way.flags | repeated)))
        except BaseException:
            for slot in (*slots, shown):
                self._ring.abandon(slot)
            raise
        return slots

    def _fill(
        self, slots: list[Slot], shown: Slot, still: bool, cached: dict[int, Frame]
    ) -> Iterator[None]:
        """Fill the slots in order, stopping after each: between neighbours where some are cached.

        Of a still picture nothing is made.
        """
        if not slots:
            return
        assert self._before is not None
        way = [self._before[1], *(slot.array for slot in slots), shown.array]
        if still:
            for slot in slots:
                np.copyto(slot.array, shown.array)
                self.meter.count("repeated")
                yield
            return
        there = [True, *[False] * len(slots), True]
        for part, frame in cached.items():
            np.copyto(way[part], frame.array)
            there[part] = frame.valid
        self.meter.count("from_cache", sum(there) - 2)
        place = 1
        for first, last in gaps(there):
            yield from repeat(None, first - place)  # those before it are there
            for _ in self._method.each(way[first - 1], way[last + 1], way[first : last + 1]):
                self.meter.count("interpolated")
                yield
            place = last + 1
        yield from repeat(None, len(slots) + 1 - place)

    def set_options(self, options: InterpolationOptions) -> None:
        """Take over scale, pacing, and a method that is loaded, with the next frame."""
        if not self._method.use(options):
            raise CommandRefused("a network is loaded only when the interpolation starts")
        self.options = options
        self._ring.look = self._method.how

    def close(self) -> None:
        """Give the network's device back."""
        if hasattr(self, "_method"):
            self._method.close()


def _is_cut(before: Stamp, stamp: Stamp, pause_s: float) -> bool:
    """Whether two frames do not belong to one movement: another character, a cut, a pause."""
    return (
        bool(stamp.flags & Flag.DISCONTINUITY)
        or stamp.captured_ns - before.captured_ns > pause_s * 1e9
    )
