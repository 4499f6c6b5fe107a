"""Interpolation: frames in between two frames, evenly spaced in time."""

from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from shm.clock import now_ns
from shm.frame import Flag, Frame, Stamp
from shm.publishing import Slot
from stages.interpolation.flow import FlowInterpolator
from stages.interpolation.options import InterpolationOptions
from stages.interpolation.pacing import Pacer, sleep_until
from stages.stage import Rings, Stage


class Interpolation(Stage):
    """Gives `scale` frames per frame read: those in between first, the read one last."""

    options_type: ClassVar = InterpolationOptions
    options: InterpolationOptions

    def open(self) -> None:
        """Prepare for the size of the frames when the first one comes."""
        cv2.setNumThreads(self.threads)
        self._flow: FlowInterpolator | None = None
        self._pacer = Pacer()

    def begin(self, rings: Rings) -> None:
        """Take the rings."""
        assert rings.frames is not None and rings.gives_frames is not None
        self._frames, self._ring = rings.frames, rings.gives_frames
        # The last frame given, in our own ring: nobody but us takes its slot again, and we do not
        # before the next frame is out, because the newest slot is never lent.
        self._before: tuple[Stamp, NDArray[np.uint8]] | None = None
        height, width, _ = self._ring.format.shape
        self._flow = FlowInterpolator(height, width)

    def step(self, timeout_s: float) -> None:
        """Give the frames up to and with the newest one."""
        every = self.options.reading == "every"
        frame = self._frames.next(timeout_s) if every else self._frames.newest(timeout_s)
        if frame is None:
            return
        start = now_ns()
        stamp, given_ns = frame.stamp, frame.published_ns
        self._pacer.arrive(given_ns, frame.dropped)
        if self._before is not None and self._before[0].look != stamp.look:
            # The frame that was marked so may be one that we passed over.
            stamp = stamp._replace(flags=stamp.flags | Flag.DISCONTINUITY)
        shown = self._copy(frame, stamp)
        between = self._make_between(shown, stamp)
        made = now_ns()
        self._pacer.made(made - given_ns)
        self.meter.work.add(made - start)
        count = len(between) + 1
        for part, slot in enumerate((*between, shown)):
            if self.options.pacing == "even" and count > 1:
                due = self._pacer.due_ns(part, count)
                sleep_until(due)
                self.meter.lateness.add(max(0, now_ns() - due))
            self._ring.publish(slot)
            self.meter.published(stamp.captured_ns, given_ns)
        self._before = stamp, shown.array

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

    def _make_between(self, shown: Slot, stamp: Stamp) -> list[Slot]:
        """Make the frames between the last one given and this one; none across a cut or pause."""
        scale = self.options.scale
        if self._before is None or scale == 1 or self._flow is None:
            return []
        before, picture = self._before
        if _is_cut(before, stamp, self.options.pause_s):
            return []
        parts = range(1, scale)
        slots = [self._ring.loan(_between(before, stamp, part, scale)) for part in parts]
        try:
            self._flow.between(
                picture, shown.array, [part / scale for part in parts], [s.array for s in slots]
            )
        except BaseException:
            for slot in (*slots, shown):
                self._ring.abandon(slot)
            raise
        self.meter.count("interpolated", len(slots))
        return slots

    def set_options(self, options: InterpolationOptions) -> None:
        """Take over scale and pacing with the next frame."""
        self.options = options


def _is_cut(before: Stamp, stamp: Stamp, pause_s: float) -> bool:
    """Whether two frames do not belong to one movement: another character, a cut, a pause."""
    return (
        bool(stamp.flags & Flag.DISCONTINUITY)
        or stamp.captured_ns - before.captured_ns > pause_s * 1e9
    )


def _between(before: Stamp, stamp: Stamp, part: int, parts: int) -> Stamp:
    """Return the stamp of the frame `part` of `parts` of the way from one frame to the next."""
    share = np.float32(part / parts)
    poses = np.frombuffer(before.pose, "<f4"), np.frombuffer(stamp.pose, "<f4")
    pose = poses[0] * (1 - share) + poses[1] * share
    captured = before.captured_ns + (stamp.captured_ns - before.captured_ns) * part // parts
    return stamp._replace(
        captured_ns=captured,
        flags=(stamp.flags | Flag.INTERPOLATED) & ~Flag.CACHED,
        phase_numerator=part,
        phase_denominator=parts,
        pose=pose.astype("<f4").tobytes(),
    )
