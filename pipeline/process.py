"""One stage's process: started, heard, hung, dead, started again; no policy of others."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from enum import Enum
from pathlib import Path
from typing import IO, Any

import msgpack
import msgspec

from pipeline.schema import SupervisorConfig
from pipeline.topology import StagePlan
from shm.clock import now_ns
from stages.control import Beat
from stages.runner import EXIT_START_FAILED, LEVEL_MARK, StageSpec

_ROOT = Path(__file__).resolve().parent.parent
_LONGEST_LOOK_NS = 300_000_000
_HEALTHY_NS = 10_000_000_000  # a stage that ran this long begins with the shortest pause again

log = logging.getLogger("ayatsuri")


class Phase(Enum):
    """Where a stage's process is in its life."""

    WAITING = "waiting"  # until its next start
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"  # it will not be started again


class StageProcess:
    """A stage as the supervisor sees it: its process, its last beat, its restarts."""

    def __init__(self, plan: StagePlan, number: int, limits: SupervisorConfig) -> None:
        self.plan = plan
        self.number = number
        self.phase = Phase.WAITING
        self.options: dict[str, Any] = msgspec.to_builtins(plan.options)
        self.beat: Beat | None = None
        self.endpoints: dict[str, str] = {}
        self.restarts = 0
        self.was_ready = False
        self.last_error = ""
        self.start_at_ns = 0
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._started_ns = 0
        self._silent_ns = 0
        self._looked_ns = 0
        self._recent: deque[int] = deque()
        self._pause_s = 0.0
        self._forgiven = False

    @property
    def pid(self) -> int | None:
        """Process id, None while there is no process."""
        return self._process.pid if self._process else None

    @property
    def identity(self) -> bytes:
        """The address of this process on the supervisor's socket."""
        return f"{self.plan.name}/{self.pid}".encode()

    @property
    def rings(self) -> tuple[str, ...]:
        """The segments it writes."""
        return tuple(ring for ring in (self.plan.gives_poses, self.plan.gives_frames) if ring)

    # --- life

    def start(
        self, session: str, endpoint: str, beat_s: float, log_level: str, paused: bool
    ) -> None:
        """Start the process; it reports `Ready` when it is."""
        spec = StageSpec(
            session=session,
            name=self.plan.name,
            number=self.number,
            entry=self.plan.entry,
            options=self.options,
            poses=self.plan.poses,
            frames=self.plan.frames,
            watches=self.plan.watches,
            watches_between=self.plan.watches_between,
            gives_poses=self.plan.gives_poses,
            gives_frames=self.plan.gives_frames,
            threads=self.plan.threads,
            endpoint=endpoint,
            beat_s=beat_s,
            log_level=log_level,
            paused=paused,
            parent=os.getpid(),
        )
        # A session of its own: Ctrl-C and a closed terminal reach us alone, and we end the stages.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stages.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_environment(self.plan.threads),
            start_new_session=True,
        )
        self.phase, self.beat, self.last_error = Phase.STARTING, None, ""
        self._started_ns = self._looked_ns = now_ns()
        self._silent_ns = 0
        assert self._process.stdin is not None and self._process.stderr is not None
        packed = msgpack.packb(msgspec.to_builtins(spec))
        with contextlib.suppress(BrokenPipeError):  # it died at once; the watch sees that
            self._process.stdin.write(len(packed).to_bytes(4, "little") + packed)
            self._process.stdin.flush()
        self._listener = threading.Thread(
            target=self._listen, args=(self._process.stderr,), daemon=True
        )
        self._listener.start()

    def _listen(self, stream: IO[bytes]) -> None:
        """Pass on what the process prints; its last line is the reason if it dies."""
        for line in stream:
            text = line.decode(errors="replace").rstrip()
            level, mark, message = text.partition(LEVEL_MARK)
            number = logging.getLevelNamesMapping().get(level) if mark else None
            if number is None:  # not of its log: a traceback, a library's own words
                number, message = logging.WARNING, text
            if message:
                self.last_error = message
                log.log(number, "%s: %s", self.plan.name, message)

    def ready(self, endpoints: dict[str, str], settled: dict[str, Any]) -> None:
        """Note that the process is open and steps; a restarted one gets the `settled` options."""
        self.phase, self.was_ready = Phase.RUNNING, True
        self.endpoints = endpoints
        self._silent_ns = 0
        self.options |= settled

    def heard(self, beat: Beat) -> None:
        """Note a beat."""
        self.beat = beat
        self._silent_ns = 0
        if self.phase in (Phase.RUNNING, Phase.PAUSED):
            self.phase = Phase.PAUSED if beat.paused else Phase.RUNNING

    def answered(self) -> None:
        """Note a sign of life that is no beat."""
        self._silent_ns = 0

    def exit_code(self) -> int | None:
        """Return the exit code of a process that has ended, None if there is none or it runs."""
        return self._process.poll() if self._process else None

    def why_kill(self) -> str | None:
        """Return why a running process must be killed, None if it need not.

        To be asked again and again. What passes between two looks counts as silence only up to
        `_LONGEST_LOOK_NS`: after more the launcher was stopped (Ctrl-Z), and heard nobody.
        """
        now = now_ns()
        self._silent_ns += min(now - self._looked_ns, _LONGEST_LOOK_NS)
        self._looked_ns = now
        silent_s = self._silent_ns / 1e9
        if self.phase is Phase.STARTING and silent_s > self.plan.start_timeout_s:
            return f"was not ready after {self.plan.start_timeout_s:g} s"
        if self.phase in (Phase.RUNNING, Phase.PAUSED) and silent_s > self.plan.hang_timeout_s:
            return f"gave no beat for {self.plan.hang_timeout_s:g} s"
        return None

    def kill(self) -> None:
        """Kill the process, if there is one."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._silent_ns = 0  # it is given time to be gone before it is killed again

    def forgive(self) -> None:
        """Do not hold the next death against the stage: it is asked for."""
        self._forgiven = True

    def try_again(self) -> None:
        """Let a stage that was given up be started once more."""
        if self.phase is Phase.FAILED:
            self.phase, self.start_at_ns = Phase.WAITING, now_ns()

    def stopped(self) -> None:
        """Note that the process has ended and will not be started again."""
        self.phase = Phase.STOPPED
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1.0)
        self._forget()

    def died(self) -> bool:
        """Note a death; return whether the process will be started again.

        A stage that could not start at all is not tried again: nothing would be different. One
        that ran is, after a pause that doubles up to a cap, so many times in a window.
        """
        code, now = self.exit_code(), now_ns()
        if now - self._started_ns > _HEALTHY_NS:
            self._pause_s = 0.0
        self._forget()
        if code == EXIT_START_FAILED and not self.was_ready:
            self.phase = Phase.FAILED
            return False
        if self._forgiven:
            self._forgiven, self._pause_s = False, 0.0
        else:
            self._recent.append(now)
        while self._recent and now - self._recent[0] > self._limits.restart_window_s * 1e9:
            self._recent.popleft()
        if len(self._recent) > self._limits.max_restarts:
            self.phase = Phase.FAILED
            return False
        self.restarts += 1
        self.phase, self.start_at_ns = Phase.WAITING, now + int(self._pause_s * 1e9)
        # The first restart is at once: most deaths are accidents.
        cap = self._limits.restart_pause_cap_s
        self._pause_s = min(cap, max(self._limits.restart_pause_s, 2 * self._pause_s))
        return True

    def _forget(self) -> None:
        if self._process is None:
            return
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._listener.join(timeout=0.5)
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._process = None


def _environment(threads: int) -> dict[str, str]:
    """Return a stage's environment: our packages on its path, its share of the cores."""
    path = os.environ.get("PYTHONPATH")
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {
        **os.environ,
        "PYTHONPATH": f"{_ROOT}{os.pathsep}{path}" if path else str(_ROOT),
        **dict.fromkeys(limits, str(threads)),
    }


class Warden:
    """The process that cleans up if the launcher is killed; see `pipeline.warden`.

    Started before the session's folder is claimed: it cleans up what nobody else has claimed.
    """

    def __init__(self, folder: Path, segments: list[str]) -> None:
        self._command = [sys.executable, "-I", "-S", str(_ROOT / "pipeline" / "warden.py")]
        self._command += [str(folder), *segments]
        self._pids: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self.check()

    @property
    def pid(self) -> int | None:
        """Process id of the warden."""
        return self._process.pid if self._process else None

    def check(self) -> None:
        """Start the warden, also again if it was killed."""
        if sys.platform == "win32" or (self._process and self._process.poll() is None):
            return  # on Windows segments go with their last handle; see `job_object`
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, start_new_session=True
        )
        for pid in self._pids:
            self._say(f"+{pid}")

    def watch(self, pid: int) -> None:
        """Name a stage to be killed if we are."""
        self._pids.add(pid)
        self._say(f"+{pid}")

    def forget(self, pid: int) -> None:
        """Name a stage that is gone."""
        self._pids.discard(pid)
        self._say(f"-{pid}")

    def dismiss(self) -> None:
        """Send the warden home; we have cleaned up ourselves."""
        if self._process is None or self._process.stdin is None:
            return
        self._say("bye")
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _say(self, line: str) -> None:
        if self._process and self._process.stdin:
            with contextlib.suppress(OSError):  # it was killed: `check` starts another
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()


def job_object() -> object | None:
    """On Windows, bind all our children to our life: they end when the last handle closes.

    Written after the documentation of job objects; not tried by us on Windows.
    """
    if sys.platform != "win32":
        return None
    import ctypes

    kernel = ctypes.WinDLL("kernel32")
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
    # JOBOBJECT_EXTENDED_LIMIT_INFORMATION, 144 bytes on 64 bits; LimitFlags at 16.
    information = (ctypes.c_byte * 144)()
    kill_on_job_close, extended_limit_information = 0x2000, 9
    ctypes.c_uint32.from_buffer(information, 16).value = kill_on_job_close
    kernel.SetInformationJobObject(
        job, extended_limit_information, ctypes.byref(information), ctypes.sizeof(information)
    )
    kernel.AssignProcessToJobObject(job, ctypes.c_void_p(kernel.GetCurrentProcess()))
    return job
