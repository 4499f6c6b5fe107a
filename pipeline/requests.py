"""What tools ask of a running session, answered; a request that fails changes nothing."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import zmq

from pipeline.places import ConfigError
from pipeline.process import Phase, StageProcess
from pipeline.schema import Config
from pipeline.session import SessionFolder
from pipeline.topology import Topology
from shm.clock import deadline_ns, now_ns
from stages.control import (
    Done,
    GetStatus,
    Message,
    MessageRejected,
    Pause,
    Reload,
    Reply,
    Restart,
    Resume,
    SetCharacter,
    SetImage,
    SetOptions,
    Stop,
    ToolRequest,
    decode,
    encode,
)

_PATIENCE_S: Final = 10.0  # for a stage to do what it was asked

log = logging.getLogger("ayatsuri")


class Session(Protocol):
    """What requests need of the session they are about: the supervisor."""

    config: Config
    topology: Topology
    stages: dict[str, StageProcess]
    folder: SessionFolder
    paused: bool
    recompose: Callable[[], tuple[Config, Topology]]

    def status(self) -> dict[str, Any]:
        """Return the session's status."""

    def stop(self, why: str) -> None:
        """End the session."""

    def restart(self, stage: StageProcess) -> None:
        """Start a stage again."""

    def send(self, stage: StageProcess, request: Message, number: int = 0) -> None:
        """Send a stage a command."""

    def tell_event(self, name: str, **facts: Any) -> None:
        """Publish that something happened."""


@dataclass
class _Pending:
    """A command that a stage has not answered yet; `answered` gets its error, None if it did it."""

    stage: StageProcess
    end_ns: int
    answered: Callable[[str | None], None]


class Requests:
    """Answers tools on the control endpoint, some of them only when a stage has answered."""

    def __init__(self, supervisor: Session, socket: "zmq.Socket[bytes]") -> None:
        self._supervisor = supervisor
        self._socket = socket
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self.malformed = 0

    def hear(self) -> None:
        """Take every request there is."""
        while True:
            try:
                *client, data = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                request = decode(data, ToolRequest)
            except MessageRejected as error:
                self.malformed += 1
                if self.malformed == 1:
                    log.warning("a control message was refused: %s", error)
                self._reply(client, Reply(error=str(error)))
                continue
            try:
                self._do(client, request)
            except _Refused as refused:
                self._reply(client, Reply(error=str(refused)))

    def _reply(self, client: list[bytes], reply: Reply) -> None:
        if not client:
            return
        try:
            self._socket.send_multipart([*client, encode(reply)], zmq.NOBLOCK)
        except zmq.ZMQError:
            log.debug("a tool went away before its answer")

    def _do(self, client: list[bytes], request: Message) -> None:
        supervisor = self._supervisor
        match request:
            case GetStatus():
                self._reply(client, Reply(result=supervisor.status()))
            case Stop():
                supervisor.stop("asked by a tool")
                self._reply(client, Reply())
            case Pause() | Resume():
                supervisor.paused = isinstance(request, Pause)
                for stage in supervisor.stages.values():
                    supervisor.send(stage, request)
                supervisor.tell_event("paused" if supervisor.paused else "resumed")
                self._reply(client, Reply())
            case Restart(stage=name):
                supervisor.restart(self._stage(name))
                self._reply(client, Reply())
            case SetImage():
                self._set_image(client, request)
            case SetCharacter():
                self._set_character(client, request)
            case Reload():
                self._reload(client)

    def _stage(self, name: str) -> StageProcess:
        stage = self._supervisor.stages.get(name)
        if stage is None:
            names = ", ".join(self._supervisor.stages)
            raise _Refused(f'there is no stage "{name}"; there is: {names}')
        return stage

    def _ask(
        self, stage: StageProcess, request: Message, answered: Callable[[str | None], None]
    ) -> None:
        """Send a stage a command and call `answered` when it has answered, or will not any more."""
        if stage.phase not in (Phase.RUNNING, Phase.PAUSED):
            raise _Refused(f'the stage "{stage.plan.name}" is {stage.phase.value}: ask again later')
        self._number += 1
        self._pending[self._number] = _Pending(stage, deadline_ns(_PATIENCE_S), answered)
        self._supervisor.send(stage, request, self._number)

    def stage_did(self, report: Done) -> None:
        """Go on with the command that a stage has done or refused."""
        pending = self._pending.pop(report.number, None)
        if pending is not None:
            pending.answered(report.error)

    def give_up_old(self) -> None:
        """Give up commands whose stage died or took too long."""
        now = now_ns()
        for number, pending in list(self._pending.items()):
            gone = pending.stage.phase not in (Phase.RUNNING, Phase.PAUSED)
            if gone or now > pending.end_ns:
                del self._pending[number]
                how = "died" if gone else f"did not answer in {_PATIENCE_S:g} s"
                pending.answered(f'the stage "{pending.stage.plan.name}" {how}; ask again')

    # --- another character

    def _avatar(self, name: str | None) -> StageProcess:
        """Return the stage that is meant, or the only one that shows a character."""
        if name:
            return self._stage(name)
        avatars = [s for s in self._supervisor.stages.values() if "picture" in s.options]
        if len(avatars) != 1:
            names = ", ".join(stage.plan.name for stage in avatars)
            raise _Refused(f"say which stage is meant: {names}")
        return avatars[0]

    def _set_image(self, client: list[bytes], request: SetImage) -> None:
        stage = self._avatar(request.stage)
        # The picture must outlive the stage: a restarted one shows it again.
        path = self._supervisor.folder.file(f"picture-{stage.plan.name}.png")
        new = self._supervisor.folder.file(f"picture-{stage.plan.name}-{self._number + 1}.png")

        def answered(error: str | None) -> None:
            if error is None:
                new.replace(path)
                stage.options |= {"picture": str(path), "character": ""}
                self._supervisor.tell_event("image", stage=stage.plan.name)
            else:
                new.unlink(missing_ok=True)
            self._reply(client, Reply(error=error))

        try:
            new.write_bytes(request.image)
            self._ask(stage, request, answered)
        except OSError as error:
            answered(f"the picture cannot be kept in {new.parent}: {error.strerror}")
        except _Refused as refused:
            answered(str(refused))

    def _set_character(self, client: list[bytes], request: SetCharacter) -> None:
        stage = self._avatar(request.stage)
        for name in request.files:
            if name in ("", ".", "..") or set(name) & set("/\\:\0"):
                raise _Refused(f"{name!r} is no plain name of a file: send those of one folder")
        # It must outlive the stage, as a picture must; the one before is on show until it is taken.
        folder = self._supervisor.folder.file(f"character-{stage.plan.name}-{self._number + 1}")
        options = stage.options | {"character": str(folder)}

        def answered(error: str | None) -> None:
            gone = str(folder)
            if error is None:
                gone, stage.options = stage.options["character"], options
                self._supervisor.tell_event("image", stage=stage.plan.name)
            if Path(gone).parent == folder.parent:
                shutil.rmtree(gone, ignore_errors=True)
            self._reply(client, Reply(error=error))

        try:
            folder.mkdir()
            for name, data in request.files.items():
                (folder / name).write_bytes(data)
            self._ask(stage, SetOptions(options=options), answered)
        except OSError as error:
            answered(f"the character cannot be kept in {folder.parent}: {error.strerror}")
        except _Refused as refused:
            answered(str(refused))

    def waits_for(self, stage: StageProcess) -> bool:
        """Whether the stage works on a command, which may be loading and give no beat meanwhile."""
        return any(pending.stage is stage for pending in self._pending.values())

    # --- the config, read again

    def _reload(self, client: list[bytes]) -> None:
        """Take over changed options; what changes the shape of the pipeline needs a new start."""
        supervisor = self._supervisor
        try:
            config, topology = supervisor.recompose()
        except ConfigError as error:
            raise _Refused(f"the config was not taken over:\n{error}") from error
        if _shape(topology) != _shape(supervisor.topology):
            raise _Refused(
                "the config was not taken over: it changes stages, rings or threads; end the "
                "session and start it again"
            )
        changed = [
            (supervisor.stages[new.name], _changes(old.options, new.options))
            for old, new in zip(supervisor.topology.stages, topology.stages, strict=True)
            if old.options != new.options
        ]
        supervisor.config, supervisor.topology = config, topology
        for stage, changes in changed:
            # What did not change in the file may have been changed since: picture, bound address.
            stage.options |= changes
            if stage.phase in (Phase.RUNNING, Phase.PAUSED):
                request = SetOptions(options=stage.options)
                self._ask(stage, request, self._restart_unless_done(stage))
            elif stage.phase is Phase.STARTING:
                supervisor.restart(stage)  # it was started with the old ones
        names = [stage.plan.name for stage, _ in changed]
        supervisor.tell_event("reloaded", stages=names)
        self._reply(client, Reply(result={"changed": names}))

    def _restart_unless_done(self, stage: StageProcess) -> Callable[[str | None], None]:
        """A stage that cannot take options while running is started again with them."""

        def answered(error: str | None) -> None:
            if error is not None:
                log.info("%s is started again with its new options: %s", stage.plan.name, error)
                self._supervisor.restart(stage)

        return answered


def _changes(old: msgspec.Struct, new: msgspec.Struct) -> dict[str, Any]:
    before = msgspec.to_builtins(old)
    return {key: value for key, value in msgspec.to_builtins(new).items() if value != before[key]}


class _Refused(Exception):
    """The request cannot be met; one sentence that says why."""


def _shape(topology: Topology) -> tuple[Any, ...]:
    """Return what a reload may not change: all but the options."""
    stages = (msgspec.structs.replace(plan, options=msgspec.Struct()) for plan in topology.stages)
    return topology.session, topology.rings, topology.output, tuple(stages)
