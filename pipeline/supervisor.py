"""Runs one session: a process per stage, the rings between them, a control endpoint; no frames."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, Protocol

import msgpack
import zmq

from pipeline.metrics import session_status
from pipeline.process import Phase, StageProcess, Warden, job_object
from pipeline.requests import Requests
from pipeline.schema import Config
from pipeline.session import SessionFolder
from pipeline.topology import Topology
from shm.clock import deadline_ns, now_ns
from shm.identity import start_time
from shm.owner import RingOwner, create_ring
from shm.segment import SegmentError
from shm.session import sessions_folder
from stages.complaints import Complaints
from stages.control import (
    MAX_MESSAGE_BYTES,
    Beat,
    Command,
    Done,
    Message,
    MessageRejected,
    Pause,
    Ready,
    Resume,
    StageReport,
    Stop,
    decode,
    encode,
)
from stages.meter import memory_bytes
from stages.runner import EXIT_START_FAILED
from stages.stage import StartFailed

EXIT_OK: Final = 0
EXIT_STAGE_FAILED: Final = 1
_TURN_MS: Final = 50  # the loop turns at least this often
_METRICS_S: Final = 0.5
_READERS_S: Final = 0.5  # readers that died while leasing are looked for this often
_GRACE_S: Final = 2.0  # for stages to stop by themselves
_SESSION_VERSION: Final = 1

log = logging.getLogger("ayatsuri")


class Display(Protocol):
    """Shows a running session to whoever started it."""

    def show(self, status: dict[str, Any]) -> None:
        """Show the newest status; called twice a second."""


class Supervisor:
    """Runs one session.

    A stage that exited is dead; one without a beat for its `hang_timeout_s` is hung and is killed.
    Either is started again after a growing pause, `max_restarts` times in `restart_window_s`; then
    the session stops, last stage first, and names the stage that ended it.
    """

    def __init__(
        self,
        config: Config,
        topology: Topology,
        display: Display,
        recompose: Callable[[], tuple[Config, Topology]],
    ) -> None:
        """`recompose` reads the config again, for a reload."""
        self.config = config
        self.topology = topology
        self.recompose = recompose
        self.paused = False
        self.signals: list[int] = []  # what came in; the loop looks, and a test may append
        self.stages = {
            plan.name: StageProcess(plan, number, config.supervisor)
            for number, plan in enumerate(topology.stages, start=1)
        }
        self._display = display
        self._rings: dict[str, RingOwner] = {}
        self._stopping = ""
        self._exit_code = EXIT_OK
        self._greeted = False
        self._started_ns = now_ns()
        self._pidfds: dict[str, int] = {}
        self._complaints = Complaints()
        self.malformed = 0  # messages that were none of a stage

    # --- from start to end

    def run(self) -> int:
        """Start everything; return the exit code when the session has ended.

        Raises `StartFailed` if the session cannot be: its name is taken, there is no room.
        """
        name = self.config.session.name
        with ExitStack() as stack:
            self._listen_to_signals(stack)
            self._job = job_object()
            # Before there is anything to clean up, and dismissed when nothing is left.
            segments = [ring.segment for ring in self.topology.rings]
            self._warden = Warden(sessions_folder() / name, segments)
            stack.callback(self._warden.dismiss)
            self.folder = stack.enter_context(SessionFolder(name))
            if self.folder.cleaned:
                log.info("removed the rings of a dead session: %s", ", ".join(self.folder.cleaned))
            self._make_rings(stack)
            self._bind(stack)
            self._tell_session()
            stack.callback(self._stop_stages)
            for stage in self.stages.values():
                self._start(stage)
            self._loop()
        return self._exit_code

    def _make_rings(self, stack: ExitStack) -> None:
        for ring in self.topology.rings:
            try:
                owner = create_ring(ring.segment, ring.format, ring.slots)
            except SegmentError as error:
                raise StartFailed(str(error)) from error
            self._rings[ring.segment] = stack.enter_context(owner)

    def _bind(self, stack: ExitStack) -> None:
        context = stack.enter_context(zmq.Context())
        self._context = context
        self._stage_socket = stack.enter_context(context.socket(zmq.ROUTER))
        self._tool_socket = stack.enter_context(context.socket(zmq.ROUTER))
        self._events = stack.enter_context(context.socket(zmq.PUB))
        self._events.setsockopt(zmq.SNDHWM, 100)
        self.endpoints = {}
        sockets = {
            "stages": self._stage_socket,
            "control": self._tool_socket,
            "events": self._events,
        }
        for name, socket in sockets.items():
            socket.setsockopt(zmq.LINGER, 200)
            # Somewhat too large is answered with a sentence; far too large is hung up on by libzmq.
            socket.setsockopt(zmq.MAXMSGSIZE, 2 * MAX_MESSAGE_BYTES)
            socket.bind(self.folder.endpoint(name))
            bound = socket.getsockopt(zmq.LAST_ENDPOINT)
            assert isinstance(bound, bytes)
            self.endpoints[name] = bound.rstrip(b"\0").decode()
        self._poller = zmq.Poller()
        self._poller.register(self._stage_socket, zmq.POLLIN)
        self._poller.register(self._tool_socket, zmq.POLLIN)
        self.requests = Requests(self, self._tool_socket)

    def _listen_to_signals(self, stack: ExitStack) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # a program that runs a session in a thread keeps its own signals

        def note(number: int, _frame: object) -> None:
            self.signals.append(number)

        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            # One that is ignored stays so: nohup means that a closed terminal ends nothing.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                stack.callback(signal.signal, number, signal.signal(number, note))

    def _loop(self) -> None:
        metrics_ns = readers_ns = 0
        while not self._stopping:
            self._poll(_TURN_MS)
            if self.signals:
                self.stop(signal.Signals(self.signals.pop()).name)
            self._watch_stages()
            self._warden.check()
            self.requests.give_up_old()
            if now_ns() > metrics_ns:
                metrics_ns = deadline_ns(_METRICS_S)
                self._tell_metrics()
            if now_ns() > readers_ns:
                readers_ns = deadline_ns(_READERS_S)
                for ring in self._rings.values():
                    ring.reap_readers()

    def _poll(self, timeout_ms: int) -> None:
        """Wait for messages or a stage's death; take all messages there are."""
        ready = dict(self._poller.poll(timeout_ms))
        if self._stage_socket in ready:
            self._hear_stages()
        if self._tool_socket in ready:
            self.requests.hear()

    def stop(self, why: str) -> None:
        """End the session with the loop's next turn."""
        self._stopping = self._stopping or why

    def _stop_stages(self) -> None:
        """Stop the last stage first; kill what does not stop in time."""
        log.info("stopping: %s", self._stopping or "error")
        self.tell_event("stopping", why=self._stopping)
        for stage in reversed(self.stages.values()):
            if stage.phase is Phase.STARTING:
                stage.kill()  # it does not listen yet
            self.send(stage, Stop())
        end = deadline_ns(_GRACE_S)
        while now_ns() < end and any(s.pid and s.exit_code() is None for s in self.stages.values()):
            self._poll(5)
        for stage in self.stages.values():
            if stage.pid and stage.exit_code() is None:
                log.warning("%s did not stop in %g s and is killed", stage.plan.name, _GRACE_S)
                stage.kill()
            self._unwatch(stage)
            stage.stopped()

    # --- stages

    def _start(self, stage: StageProcess) -> None:
        supervisor = self.config.supervisor
        stage.start(
            self.topology.session,
            self.endpoints["stages"],
            supervisor.beat_s,
            self.config.session.log_level,
            self.paused,
        )
        assert stage.pid is not None
        self._warden.watch(stage.pid)
        if hasattr(os, "pidfd_open"):
            # Linux: the loop wakes when the stage dies, not at its next turn.
            descriptor = os.pidfd_open(stage.pid)
            self._pidfds[stage.plan.name] = descriptor
            self._poller.register(descriptor, zmq.POLLIN)

    def _unwatch(self, stage: StageProcess) -> None:
        descriptor = self._pidfds.pop(stage.plan.name, None)
        if descriptor is not None:
            self._poller.unregister(descriptor)
            os.close(descriptor)
        if stage.pid is not None:
            self._warden.forget(stage.pid)

    def restart(self, stage: StageProcess) -> None:
        """Kill a stage; it is started again as after any death. One that was given up is tried."""
        stage.forgive()
        stage.kill()
        stage.try_again()

    def send(self, stage: StageProcess, request: Message, number: int = 0) -> None:
        """Send a stage a command; nothing happens if it is not there."""
        if stage.pid is None:
            return
        command = Command(number=number, request=request)  # type: ignore[arg-type]
        try:
            self._stage_socket.send_multipart([stage.identity, encode(command)], zmq.NOBLOCK)
        except zmq.ZMQError:
            log.debug("%s is not connected", stage.plan.name)

    def _watch_stages(self) -> None:
        for stage in self.stages.values():
            if stage.exit_code() is not None:
                self._bury(stage)
            elif (why := stage.why_kill()) is not None and not self.requests.waits_for(stage):
                log.warning("%s %s and is killed", stage.plan.name, why)
                self.tell_event("hung", stage=stage.plan.name, why=why)
                stage.kill()
            elif stage.phase is Phase.WAITING and now_ns() >= stage.start_at_ns:
                self._start(stage)

    def _bury(self, stage: StageProcess) -> None:
        """Tell readers and tools of a death; start the stage again, or end the session."""
        name, code = stage.plan.name, stage.exit_code()
        self._unwatch(stage)
        for segment in stage.rings:
            self._rings[segment].writer_died()
        again = stage.died()
        how = f"was killed by signal {-code}" if code and code < 0 else f"ended with code {code}"
        self.tell_event("died", stage=name, code=code, restarts=stage.restarts, again=again)
        if again:
            wait_s = max(0.0, (stage.start_at_ns - now_ns()) / 1e9)
            log.warning("%s %s; starting it again in %.1f s", name, how, wait_s)
            return
        if stage.plan.optional:
            log.warning("the session goes on without %s: %s", name, stage.last_error or f"it {how}")
            return
        could_not_start = code == EXIT_START_FAILED and not stage.was_ready
        self._exit_code = EXIT_START_FAILED if could_not_start else EXIT_STAGE_FAILED
        reason = stage.last_error if code and code > 0 and stage.last_error else f"it {how}"
        log.error("%s failed: %s", name, reason)
        self.stop(f"{name} failed: {reason}")

    def _hear_stages(self) -> None:
        while True:
            try:
                identity, data = self._stage_socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            except ValueError:  # not two parts: not from a stage
                self.malformed += 1
                self._complaints.say("stages", "a message that is not of two parts was dropped")
                continue
            try:
                report = decode(data, StageReport)
            except MessageRejected as error:
                self.malformed += 1
                self._complaints.say("stages", f"a message of {identity!r} was dropped: {error}")
                continue
            name = identity.partition(b"/")[0].decode(errors="replace")
            stage = self.stages.get(name)
            if stage is not None and identity == stage.identity:  # not a dead one's last words
                self._take_report(stage, report)

    def _take_report(self, stage: StageProcess, report: StageReport) -> None:
        match report:
            case Ready(endpoints=endpoints, settled=settled, notes=notes):
                stage.ready(endpoints, settled)
                # What was asked while it started has not reached it.
                self.send(stage, Pause() if self.paused else Resume())
                for note in notes:
                    log.info("%s: %s", stage.plan.name, note)
                log.info("%s is ready (pid %d)", stage.plan.name, report.pid)
                self.tell_event("ready", stage=stage.plan.name, pid=report.pid)
                self._tell_session()
                self._greet()
            case Beat():
                stage.heard(report)
            case Done():
                stage.answered()
                self.requests.stage_did(report)

    # --- what others are told

    def _greet(self) -> None:
        """Say once, when everything runs, how the session is used."""
        if self._greeted or any(s.phase is not Phase.RUNNING for s in self.stages.values()):
            return
        self._greeted = True
        addresses = [s.endpoints["poses"] for s in self.stages.values() if "poses" in s.endpoints]
        log.info("poses are taken on %s (examples/publish_poses.py)", ", ".join(addresses))
        log.info("frames are in the ring %s (examples/read_frames.py)", self.topology.output)

    def status(self) -> dict[str, Any]:
        """Return the session's status."""
        uptime_s = (now_ns() - self._started_ns) / 1e9
        malformed = self.malformed + self.requests.malformed
        return session_status(
            self.topology, self.stages.values(), uptime_s, memory_bytes(), malformed
        )

    def _tell_metrics(self) -> None:
        status = self.status()
        self._publish(b"metrics", status)
        self._display.show(status)

    def tell_event(self, name: str, **facts: Any) -> None:
        """Publish that something happened."""
        self._publish(b"event", {"event": name, **facts})

    def _publish(self, topic: bytes, content: dict[str, Any]) -> None:
        packed: bytes = msgpack.packb({"v": _SESSION_VERSION, "time_ns": now_ns(), **content})
        self._events.send_multipart([topic, packed], zmq.NOBLOCK)

    def _tell_session(self) -> None:
        topology = self.topology
        rings = {ring.segment: ring for ring in topology.rings}
        output = rings[topology.output]
        addresses = {
            name: address
            for stage in self.stages.values()
            for name, address in stage.endpoints.items()
        }
        self.folder.tell(
            {
                "version": _SESSION_VERSION,
                "session": topology.session,
                "pid": os.getpid(),
                "start": start_time(os.getpid()),
                "system": sys.platform,
                "output": {
                    "segment": topology.output,
                    "stage": topology.output_stage,
                    "shape": list(output.format.shape),
                    "pixels": "BGRA uint8, straight alpha, sRGB",
                },
                "endpoints": {
                    "control": self.endpoints["control"],
                    "events": self.endpoints["events"],
                    **addresses,
                },
                "stages": [
                    {
                        "name": stage.plan.name,
                        "kind": stage.plan.kind,
                        "number": stage.number,
                        "pid": stage.pid,
                    }
                    for stage in self.stages.values()
                ],
                "rings": [
                    {"segment": ring.segment, "stage": ring.stage, "port": ring.port}
                    for ring in topology.rings
                ],
            }
        )
