"""The join: several frame rings into one, for readers outside, who open one ring."""

from typing import ClassVar

import numpy as np

from shm.clock import now_ns
from shm.frame import Flag
from stages.join.options import JoinOptions
from stages.stage import Rings, Stage


class Join(Stage):
    """Copies each frame once, in the order of the poses."""

    options_type: ClassVar = JoinOptions

    def begin(self, rings: Rings) -> None:
        """Take the rings."""
        assert rings.frames is not None and rings.gives_frames is not None
        self._frames, self._ring = rings.frames, rings.gives_frames
        self._look = 0

    def step(self, timeout_s: float) -> None:
        """Copy the newest frame."""
        frame = self._frames.newest(timeout_s)
        if frame is None:
            return
        start, stamp, given_ns = now_ns(), frame.stamp, frame.published_ns
        if self._look not in (0, stamp.look):
            # The frame that was marked so may be one that we passed over.
            stamp = stamp._replace(flags=stamp.flags | Flag.DISCONTINUITY)
        self._look = stamp.look
        with self._ring.slot(stamp) as array:
            np.copyto(array, frame.array)
            frame.check()
        self.meter.published(stamp.captured_ns, given_ns)
        self.meter.work.add(now_ns() - start)
