"""A core whose work is done by a session of real processes behind rings.

The calling program is the source of poses: it writes their ring itself and reads the output ring.
Nobody else gives poses, so the slots it was shown stay as they are until it asks for more.
"""

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.client import RequestFailed, ask
from pipeline.core.arguments import CoreError, CoreOptions, checked_image, checked_poses
from shm.clock import now_ns
from shm.frame import Frame, Stamp
from shm.reader import RingReader
from shm.session import SessionMissing, read_session
from shm.writer import RingWriter
from stages.control import GetStatus, SetImage

Image = NDArray[np.uint8]
_ROOT: Final = Path(__file__).resolve().parents[2]
_START_S: Final = 60.0
_ANSWER_S: Final = 30.0
_ASK_AGAIN_S: Final = 2.0  # a stage that died took the pose with it
_LOOK_S: Final = 0.01
_MOMENT_S: Final = 0.0005
# Poses under way in a stream: as many as the avatar draws at once, and one that waits its turn.
AHEAD: Final = 3


class _Asked(NamedTuple):
    """A pose that was given."""

    sequence: int
    pose: NDArray[np.float32]


class SessionCore:
    """The core as a session. Closed by `close`, the end of a `with`, of the object or the program.

    `images` pictures come back from each call. If this program is killed, the session ends by
    itself.
    """

    def __init__(self, options: CoreOptions, config: str, has_image: bool = False) -> None:
        """Start the session described by the TOML text `config`. Raises `CoreError`.

        `has_image`: its avatar's options name the character, which need not be set.
        """
        self._images = options.images
        self._name = f"c{secrets.token_hex(4)}"
        self._folder = tempfile.TemporaryDirectory(prefix="ayatsuri-core-")
        path = Path(self._folder.name) / "core.toml"
        path.write_text(config, encoding="utf-8")
        self._log = Path(self._folder.name) / "log"
        self._process = _launch(path, self._name, self._log)
        self._finalizer = weakref.finalize(self, _end, self._process, self._folder)
        self._has_image = has_image
        self._sequence = 0
        try:
            self._open_rings()
        except BaseException:
            self.close()
            raise

    def _open_rings(self) -> None:
        content = self._wait_for_session()
        segments = {(ring["stage"], ring["port"]): ring["segment"] for ring in content["rings"]}
        self._poses = RingWriter(segments["caller", "poses"])
        self._frames = RingReader(content["output"]["segment"])
        avatar = next(name for name in (s["name"] for s in content["stages"]) if name == "avatar")
        self._drawn = RingReader(segments[avatar, "frames"])

    def _wait_for_session(self) -> dict[str, Any]:
        """Return the session file's content once every stage runs."""
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise CoreError(f"the core could not start: {self._last_words()}")
            with contextlib.suppress(SessionMissing, RequestFailed):
                content = read_session(self._name)
                status = ask(self._name, GetStatus(), timeout_s=1.0)
                if all(stage["state"] == "running" for stage in status["stages"]):
                    return content
            time.sleep(0.02)
        raise CoreError(f"the core did not start in {_START_S:g} s: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    # --- the interface

    def setImage(self, img: Any) -> None:  # noqa: N802 - the mission's name
        """Show the character in `img`, BGRA uint8 (512, 512, 4), from the next call on."""
        self._check_open()
        picture = checked_image(img)
        _, packed = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        try:
            ask(self._name, SetImage(image=packed.tobytes()))
        except (RequestFailed, SessionMissing) as error:
            raise CoreError(f"the picture was not taken over: {error}") from error
        self._has_image = True

    def inference(self, pose: Any) -> list[Image]:
        """Return the pictures up to and with the one in `pose`: `interpolation_scale` of them.

        They are views of shared memory, BGRA uint8 (512, 512, 4), valid until the next call.
        """
        return self._collect(self._submit(checked_poses(pose)[-1]))

    def stream(self, poses: Iterable[Any]) -> Iterator[list[Image]]:
        """Yield the pictures of each pose, in order, keeping every process at work.

        The next poses are given while the one before is still drawn, stored and interpolated. Each
        list is valid until the next one is asked for.
        """
        asked: deque[_Asked] = deque()
        for pose in poses:
            if asked:
                self._wait_until_begun(asked[-1])
            asked.append(self._submit(checked_poses(pose)[-1]))
            if len(asked) > AHEAD:
                yield self._collect(asked.popleft())
        while asked:
            yield self._collect(asked.popleft())

    @property
    def look(self) -> int:
        """The number of all that shapes the pixels besides the pose."""
        return self._drawn.look

    def _check_open(self) -> None:
        if not self._finalizer.alive:
            raise CoreError("the core is closed")
        if self._process.poll() is not None:
            raise CoreError(f"the core's session has ended: {self._last_words()}")

    def _submit(self, pose: NDArray[np.float32]) -> _Asked:
        self._check_open()
        if not self._has_image:
            raise CoreError("no picture yet: call setImage first")
        self._sequence += 1
        now = now_ns()
        stamp = Stamp(self._sequence, now, now, pose=pose.tobytes())
        with self._poses.slot(stamp) as array:
            array[:] = pose
        return _Asked(self._sequence, pose)

    def _collect(self, asked: _Asked) -> list[Image]:
        """Wait for the pictures of a pose; ask again for one that died with its stage."""
        frames: list[Frame] = []
        end, again = time.monotonic() + _ANSWER_S, time.monotonic() + _ASK_AGAIN_S
        while True:
            frame = self._frames.next(0.2)
            if frame is not None:
                stamp = frame.stamp
                if stamp.pose_sequence < asked.sequence:
                    continue
                frames.append(frame)
                if not stamp.phase_denominator:
                    return self._pictures(frames)
                continue
            self._check_open()
            if time.monotonic() > end:
                raise CoreError(f"no picture came in {_ANSWER_S:g} s: {self._last_words()}")
            if time.monotonic() > again and not frames and not self._is_begun(asked):
                again = time.monotonic() + _ASK_AGAIN_S
                asked = self._submit(asked.pose)

    def _pictures(self, frames: list[Frame]) -> list[Image]:
        """Return `images` pictures: after a new character there is nothing to interpolate from."""
        pictures = [frame.array for frame in frames[-self._images :]]
        return [pictures[0]] * (self._images - len(pictures)) + pictures

    def _wait_until_begun(self, asked: _Asked) -> None:
        """Wait until another pose can be given: the avatar takes the newest, and drops others."""
        end, pause_s = time.monotonic() + _ANSWER_S, _MOMENT_S
        while not self._is_begun(asked) and time.monotonic() < end:
            # One is begun a moment after another was published.
            pause_s = _MOMENT_S if self._drawn.newest(pause_s) else _LOOK_S

    def _is_begun(self, asked: _Asked) -> bool:
        """Whether the avatar is at a pose or past it, or it came from the cacher."""
        sequence = asked.sequence
        return self._drawn.begun_pose() >= sequence or self._frames.newest_pose() >= sequence

    def close(self) -> None:
        """End the session and wait until nothing of it is left."""
        for name in ("_poses", "_frames", "_drawn"):
            ring = self.__dict__.pop(name, None)
            if ring is not None:
                ring.close()
        self._finalizer()

    def __enter__(self) -> "SessionCore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _launch(config: Path, name: str, log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(_ROOT / "launcher.py"), "--plain", "--until-eof"]
    command += ["--config", str(config), "--session", name]
    with log.open("wb") as file:
        # Its standard input is ours to hold: it ends when we do, however that happens.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=file, stderr=file, env=dict(os.environ)
        )


def _end(process: "subprocess.Popen[bytes]", folder: "tempfile.TemporaryDirectory[str]") -> None:
    """End the session; also called when the core is forgotten and when the program exits."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(10.0)
    except subprocess.TimeoutExpired:
        process.kill()  # the warden cleans up
        process.wait()
    folder.cleanup()
