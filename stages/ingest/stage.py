"""Poses come in: from publishers over ZeroMQ, or from a trace or idle motion while none publish."""

from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import zmq
from numpy.typing import NDArray

from shm.clock import now_ns
from shm.frame import Stamp
from stages.complaints import Complaints
from stages.ingest.idle import IdleMotion, ease
from stages.ingest.messages import PoseRejected, parse, source_number
from stages.ingest.options import IngestOptions
from stages.ingest.trace import TraceRejected, load_trace
from stages.pose import SIZE, neutral
from stages.stage import CommandRefused, Rings, Stage, StartFailed

USUAL_ENDPOINT: Final = "tcp://127.0.0.1:5571"
_ANY_PORT: Final = "tcp://127.0.0.1:*"
_WAITING_MESSAGES: Final = 64  # libzmq keeps so many of each publisher, and drops those after them
_HUGE_BYTES: Final = 1 << 20  # libzmq hangs up on who sends more
_OLDEST_NS: Final = 10_000_000_000  # a time stamp further back than this is of another clock
_AHEAD_NS: Final = 5_000_000


class Ingest(Stage):
    """The source of all poses. Newest wins: of what has arrived, the last valid one is given."""

    options_type: ClassVar = IngestOptions
    options: IngestOptions

    def open(self) -> None:
        """Bind the endpoint, load the trace."""
        self._complaints = Complaints()
        self._motion = self._load_motion(self.options)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, _WAITING_MESSAGES)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _HUGE_BYTES)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.subscribe(b"")
        self.endpoints["poses"] = self._bind(self.options.endpoint)
        self.settled["endpoint"] = self.endpoints["poses"]  # where publishers look again

    def _load_motion(self, options: IngestOptions) -> "Motion | None":
        if options.trace is not None:
            try:
                poses = load_trace(Path(options.trace))
            except TraceRejected as error:
                raise StartFailed(str(error)) from error
            return TraceMotion(poses, options.trace_hz, options.trace_loop)
        return Idling(options.rate_hz) if options.idle else None

    def _bind(self, endpoint: str) -> str:
        """Bind and return the address; the automatic one moves to a free port if it must."""
        wanted = USUAL_ENDPOINT if endpoint == "auto" else endpoint
        try:
            self._socket.bind(wanted.replace(":0", ":*") if wanted.endswith(":0") else wanted)
        except zmq.ZMQError as error:
            if endpoint != "auto":
                raise StartFailed(
                    f"cannot accept poses on {endpoint} ({error.strerror}): another program has "
                    'it; give stages.ingest.options.endpoint another one, or "auto"'
                ) from error
            self._socket.bind(_ANY_PORT)
            self.notes.append(f"{USUAL_ENDPOINT} is taken, a free port was chosen")
        bound = self._socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(bound, bytes)
        return bound.rstrip(b"\0").decode()

    def begin(self, rings: Rings) -> None:
        """Go on from the last pose in the ring: a restarted ingest does not jump."""
        assert rings.gives_poses is not None
        self._ring = rings.gives_poses
        self._pose = neutral()
        self._sequence = 0
        stamp = self._ring.newest_stamp()
        if stamp is not None:
            self._pose[:] = np.frombuffer(stamp.pose, "<f4")
            self._sequence = stamp.pose_sequence
        self._paused = False
        self._left_pose = self._pose.copy()  # where a motion began: eased away from there
        self._motion_since_ns = now_ns()
        self._live_until_ns = 0  # while live poses rule
        self._eased_until_ns = 0  # while a live pose is still eased in
        self._next_tick_ns = now_ns()

    def step(self, timeout_s: float) -> None:
        """Give the newest of the poses that have arrived, or the next one of the motion."""
        if self._wait(timeout_s):
            self._take_newest()
        now = now_ns()
        if self._motion is None or self._paused or now < self._next_tick_ns:
            return
        if now >= self._live_until_ns:
            self._play(now)
        interval = int(1e9 / self._motion.rate_hz)
        # Behind by more than a tick: the machine slept or we were paused; do not catch up.
        late = now - self._next_tick_ns > interval
        self._next_tick_ns = now + interval if late else self._next_tick_ns + interval

    def _wait(self, timeout_s: float) -> bool:
        """Wait for a message, until the next tick at most; whether there is one."""
        left_ns = int(timeout_s * 1e9)
        if self._motion is not None and not self._paused:
            left_ns = min(left_ns, max(0, self._next_tick_ns - now_ns()))
        # libzmq waits whole milliseconds and may be early by one: the rest is looked at again.
        return bool(self._socket.poll(-(-left_ns // 1_000_000)))

    def _take_newest(self) -> None:
        newest, data = None, None
        for _ in range(_WAITING_MESSAGES):
            try:
                data = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            self.meter.count("poses_in")
            try:
                message = parse(data)
            except PoseRejected as error:
                self.meter.count("malformed")
                self._complaints.say("malformed", f"{error}; it was dropped")
                continue
            if self.options.source not in (None, message.source):
                self.meter.count("foreign")
                continue
            if newest is not None:
                self.meter.count("superseded")
            newest = message
        if newest is None or self._paused:
            return
        now = now_ns()
        self._accept_live(newest.pose, now)
        self._give(self._measured_ns(newest.time_ns, now), now, source_number(newest.source))

    def _accept_live(self, pose: NDArray[np.float32], now: int) -> None:
        """Follow a live pose; the first ones after a motion are eased in."""
        ease_ns = int(self.options.ease_s * 1e9)
        if now >= self._live_until_ns and self._motion is not None:
            self._left_pose[:] = self._pose
            self._eased_until_ns = now + ease_ns
        self._live_until_ns = now + int(self.options.idle_after_s * 1e9)
        left_ns = self._eased_until_ns - now
        if left_ns > 0:
            # Not ease_ns alone: it may have become 0 by a reload just now.
            ease(self._left_pose, pose, 1.0 - left_ns / max(1, ease_ns), out=self._pose)
        else:
            self._pose[:] = pose
        self._motion_since_ns = 0

    def _measured_ns(self, time_ns: int | None, now: int) -> int:
        """Return the sender's time if it can be of our clock, else now."""
        if time_ns is None:
            return now
        if now - _OLDEST_NS < time_ns < now + _AHEAD_NS:
            return min(time_ns, now)
        self.meter.count("foreign_clock")
        self._complaints.say(
            "clock", "time_ns of poses is not of this machine's monotonic clock; arrival counts"
        )
        return now

    def _play(self, now: int) -> None:
        assert self._motion is not None
        if not self._motion_since_ns:
            self._motion_since_ns = now
            self._left_pose[:] = self._pose
        self._motion.next(self._pose)
        ease_ns = int(self.options.ease_s * 1e9)
        since = now - self._motion_since_ns
        if since < ease_ns:
            ease(self._left_pose, self._pose, since / ease_ns, out=self._pose)
        self._give(now, now, 0)

    def _give(self, captured_ns: int, received_ns: int, source: int) -> None:
        self._sequence += 1
        stamp = Stamp(
            pose_sequence=self._sequence,
            captured_ns=captured_ns,
            received_ns=received_ns,
            source=source,
            pose=self._pose.tobytes(),
        )
        with self._ring.slot(stamp) as array:
            array[:] = self._pose
        self.meter.published(captured_ns, received_ns)

    def set_options(self, options: IngestOptions) -> None:
        """Take over everything but the endpoint."""
        if options.endpoint not in (self.options.endpoint, self.endpoints["poses"]):
            raise CommandRefused("the endpoint is bound at start")
        try:
            self._motion = self._load_motion(options)
        except StartFailed as error:
            raise CommandRefused(str(error)) from error
        self.options = options
        self._motion_since_ns = 0  # the new motion begins anew, and is eased into

    def set_paused(self, paused: bool) -> None:
        """Hold the last pose; what arrives meanwhile is counted and dropped."""
        self._paused = paused
        self._next_tick_ns = now_ns()

    def close(self) -> None:
        """Unbind."""
        if hasattr(self, "_socket"):
            self._socket.close()
            self._context.term()


class Motion:
    """Poses that need no publisher, one per tick."""

    rate_hz: float

    def next(self, out: NDArray[np.float32]) -> None:
        """Write the next pose."""
        raise AssertionError("a motion gives poses")


class Idling(Motion):
    """The built-in idle motion. Counted in ticks, not in time, so that its loop repeats exactly."""

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self._idle = IdleMotion()
        self._tick = 0

    def next(self, out: NDArray[np.float32]) -> None:
        """Write the next pose."""
        self._idle.pose_at(self._tick / self.rate_hz, out)
        self._tick += 1


class TraceMotion(Motion):
    """A recorded trace: (n, 45) poses, one after the other."""

    def __init__(self, poses: NDArray[np.float32], rate_hz: float, loop: bool) -> None:
        assert poses.shape[1] == SIZE
        self.rate_hz = rate_hz
        self._poses = poses
        self._loop = loop
        self._row = 0

    def next(self, out: NDArray[np.float32]) -> None:
        """Write the next pose."""
        out[:] = self._poses[self._row]
        self._row += 1
        if self._row == len(self._poses):
            self._row = 0 if self._loop else self._row - 1
