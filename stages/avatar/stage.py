"""The avatar: a pose in, a picture of the character in that pose out."""

from collections import Counter
from typing import ClassVar, Final

import cv2
import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from shm.clock import now_ns
from shm.doorbell import wait_any
from shm.frame import Flag, Frame, Stamp
from stages.avatar.boxes import Box, FeaturesRejected, corrections_path, read_corrections
from stages.avatar.lanes import Drawing, Lanes, LanesOnDemand
from stages.avatar.look import look_of
from stages.avatar.options import AvatarOptions
from stages.avatar.picture import HEIGHT, WIDTH, PictureRejected, load, resolve
from stages.avatar.poser import BuiltIn, Poser, open_poser
from stages.pose import neutral
from stages.stage import CommandRefused, Rings, Stage, StartFailed

_A_WHILE_NS: Final = 1_000_000_000


class Avatar(Stage):
    """Draws the newest pose there is; poses that came meanwhile are dropped before any work."""

    options_type: ClassVar = AvatarOptions
    options: AvatarOptions

    def open(self) -> None:
        """Load the picture and draw it once."""
        cv2.setNumThreads(self.threads)
        self._poser = open_poser(_shared(self.options), self.threads)
        self.notes += self._poser.notes
        try:
            self._show(*_read(self.options, self._poser))
        except (PictureRejected, FeaturesRejected) as error:
            raise StartFailed(str(error)) from error
        _warm_up(self._poser)
        self._lanes: Lanes | None = None
        self._on_demand = self._lanes_on_demand()

    def _show(self, picture: NDArray[np.uint8], given: dict[str, Box]) -> None:
        """Pose another picture from now on; the first frame is marked as a new beginning.

        `given` are the boxes of the file beside the picture.
        """
        self._poser.set_picture(picture, given)
        self._look = look_of(picture, self._poser.look, given)
        self._flags = int(Flag.DISCONTINUITY)
        self._picture, self._given = picture, given

    def begin(self, rings: Rings) -> None:
        """Take the rings and say what the pixels will look like."""
        assert rings.poses is not None and rings.gives_frames is not None
        self._poses, self._ring = rings.poses, rings.gives_frames
        self._ring.look = self._look
        self._drawn: Stamp | None = None
        self._done_ns = 0  # when the last frame was

    def step(self, timeout_s: float) -> None:
        """Draw the newest pose, or go on with those that are being drawn."""
        lanes = self._lanes
        if lanes is None or not lanes.busy:
            frame = self._poses.newest(timeout_s)
            if frame is not None:
                self._answer(frame)
        elif not self._work(lanes):
            self._wait(lanes, timeout_s)

    def _answer(self, frame: Frame) -> None:
        """Draw a pose by all threads, unless poses come faster than that."""
        start, given_ns, stamp = now_ns(), frame.published_ns, frame.stamp
        had_to_wait = given_ns < self._done_ns
        self._lanes = self._on_demand.get(had_to_wait=had_to_wait)
        if self._lanes is not None and had_to_wait:
            self._begin(self._lanes, stamp, given_ns)
            return
        self._drawn = stamp
        self._draw(stamp)
        self._done_ns = now_ns()
        self.meter.published(stamp.captured_ns, given_ns)
        self.meter.work.add(self._done_ns - start)

    def _draw(self, stamp: Stamp) -> None:
        """Draw the pose of a stamp straight into the ring."""
        with self._ring.slot(self._marked(stamp)) as array:
            self._poser.render(np.frombuffer(stamp.pose, "<f4"), array)
        self._flags = 0
        self._count()

    def _marked(self, stamp: Stamp) -> Stamp:
        return stamp._replace(look=self._look, flags=stamp.flags | self._flags)

    def _count(self) -> None:
        counted = Counter(self._poser.counters())
        for poser in self._lanes.posers if self._lanes else ():
            counted.update(poser.counters())
        self.meter.counters.update(counted)

    def _begin(self, lanes: Lanes, stamp: Stamp, given_ns: int) -> None:
        """Have a pose drawn in a lane, straight into the ring."""
        self._drawn = stamp
        self.meter.count("drawn_in_lanes")
        slot = self._ring.loan(self._marked(stamp))
        self._flags = 0
        lanes.begin(Drawing(stamp, slot, given_ns, now_ns()))

    def _work(self, lanes: Lanes) -> bool:
        """Publish a frame or begin another; False if there is nothing to do."""
        done = lanes.take()
        if done is not None:
            self._ring.publish(done.slot)
            self._done_ns = now_ns()
            self.meter.published(done.stamp.captured_ns, done.given_ns)
            self.meter.work.add(self._done_ns - done.begun_ns)
            self._count()
            return True
        free_ns = lanes.free_ns()
        if free_ns is None or now_ns() < free_ns:
            return False
        frame = self._poses.newest()
        if frame is None:
            return False
        self._begin(lanes, frame.stamp, frame.published_ns)
        return True

    def _wait(self, lanes: Lanes, timeout_s: float) -> None:
        """Wait until a frame is done, or another may be begun."""
        free_ns, now = lanes.free_ns(), now_ns()
        awaited = self._poses.awaited() if free_ns is not None and free_ns <= now else []
        seen = [lanes.done.value, *(reader.head for reader in awaited)]
        if self._work(lanes):  # what came before we looked would not wake us
            return
        waiting_ns = int(timeout_s * 1e9)
        if free_ns is not None and free_ns > now:
            waiting_ns = min(waiting_ns, free_ns - now)
        wait_any([lanes.done.bell, *(reader.bell for reader in awaited)], seen, waiting_ns)

    def _lanes_on_demand(self) -> LanesOnDemand:
        # What needs no network is quick enough.
        count = 1 if isinstance(self._poser, BuiltIn) else self.options.lanes
        return LanesOnDemand(count, self._open_another)

    def _open_another(self) -> Poser:
        """Open a poser for a lane: of the same picture, with its share of the threads."""
        threads = max(1, self.threads // self.options.lanes)
        poser = open_poser(_shared(self.options), threads)
        poser.set_picture(self._picture, self._given)
        _warm_up(poser)
        return poser

    def _close_lanes(self) -> None:
        """Publish what is being drawn and give the lanes back."""
        lanes, self._lanes = self._lanes, None
        while lanes is not None and lanes.busy:
            seen = lanes.done.value
            if (done := lanes.take()) is not None:
                self._ring.publish(done.slot)
            elif lanes.done.value == seen:
                lanes.done.bell.wait(seen, _A_WHILE_NS)
        self._on_demand.close()

    def set_image(self, image: bytes) -> None:
        """Show another character; one that comes as bytes has no file beside it.

        A trained one makes room for it, unless it is what the avatar was configured to be.
        """
        options = self.options
        if options.character and options.poser != "tha4_student":
            options = structs.replace(options, character="")
        try:
            self._take(options, load(image), {})
        except PictureRejected as error:
            raise CommandRefused(str(error)) from error

    def set_options(self, options: AvatarOptions) -> None:
        """Take over another picture, other corrections of the same, or another poser.

        May take seconds; until all is loaded the avatar stays what it was.
        """
        try:
            self._take(options)
        except (PictureRejected, FeaturesRejected) as error:
            raise CommandRefused(str(error)) from error

    def _take(
        self,
        options: AvatarOptions,
        picture: NDArray[np.uint8] | None = None,
        given: dict[str, Box] | None = None,
    ) -> None:
        """Become what the options say, with another picture if one is given."""
        poser, before = self._poser, self._poser
        if structs.replace(options, picture=self.options.picture) != self.options:
            try:
                wanted = structs.replace(options, stand_in=False)
                poser = open_poser(_shared(wanted), self.threads)
            except StartFailed as error:
                raise CommandRefused(str(error)) from error
        self._close_lanes()
        self._poser = poser
        try:
            self._show(*(_read(options, poser) if picture is None else (picture, given or {})))
        except BaseException:
            self._poser = before
            self._on_demand = self._lanes_on_demand()
            if poser is not before:
                poser.close()
            raise
        if poser is not before:
            before.close()
            _warm_up(poser)
        self.options = options
        self._on_demand = self._lanes_on_demand()
        self._change()

    def _change(self) -> None:
        """Tell of another look, and show it at once: no pose may come while the session pauses."""
        self._ring.look = self._look
        if self._drawn is not None:
            self._draw(self._drawn)

    def close(self) -> None:
        """Give the networks' device back."""
        if hasattr(self, "_on_demand"):
            self._on_demand.close()
        if hasattr(self, "_poser"):
            self._poser.close()


def _shared(options: AvatarOptions) -> AvatarOptions:
    """Return the options of one poser, where each lane has one."""
    posers = 1 if options.lanes == 1 else options.lanes + 1
    return structs.replace(options, cache_gb=options.cache_gb / posers)


def _read(options: AvatarOptions, poser: Poser) -> tuple[NDArray[np.uint8], dict[str, Box]]:
    """Return the picture to draw and the boxes of the file beside it."""
    if poser.picture is not None:
        return poser.picture, {}
    path = resolve(options.picture)
    return load(path), read_corrections(corrections_path(path))


def _warm_up(poser: Poser) -> None:
    """Draw once, so that the first frame is no slower than the others."""
    poser.render(neutral(), np.empty((HEIGHT, WIDTH, 4), np.uint8))
