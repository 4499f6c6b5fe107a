"""The messages between tools, supervisor and stages, and how they travel.

Everything is one msgpack map per ZeroMQ message with the key `type`; `v` is the version of the
protocol. docs/protocol.md describes it for other languages. Nothing here trusts a sender: a message
that is too large, not msgpack, of an unknown type, with unknown keys or values of the wrong type is
a `MessageRejected` and nothing else happens.
"""

import textwrap
from typing import Any, Final

import msgpack
import msgspec
from msgspec import Struct

VERSION: Final = 1
MAX_MESSAGE_BYTES: Final = 80 << 20  # a picture of 64 MiB and room around it
_LONGEST_REASON: Final = 250


class MessageRejected(ValueError):
    """The bytes are no message of this protocol."""

    def __init__(self, reason: str) -> None:
        # It may quote the sender, and is logged and sent back: never more than a line.
        super().__init__(textwrap.shorten(reason, _LONGEST_REASON, placeholder=" ..."))


class Message(Struct, tag_field="type", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What all messages have."""

    v: int = VERSION


# --- a tool asks the supervisor


class GetStatus(Message, tag="status", frozen=True):
    """Ask for the session's status; the reply's `result` is a `Status` as a map."""


class Stop(Message, tag="stop", frozen=True):
    """End the session (asked by a tool), or end this stage (asked by the supervisor)."""


class Pause(Message, tag="pause", frozen=True):
    """Hold the picture: sources give no poses until resumed."""


class Resume(Message, tag="resume", frozen=True):
    """Go on after a pause."""


class SetImage(Message, tag="set_image", frozen=True):
    """Show another character: `image` is a picture file's bytes (PNG, 512 x 512, with alpha)."""

    image: bytes
    stage: str | None = None  # the avatar meant, where there are several


class SetCharacter(Message, tag="set_character", frozen=True):
    """Show a trained character: the files of its folder by name. `stage` as for `SetImage`."""

    files: dict[str, bytes]
    stage: str | None = None


class Reload(Message, tag="reload", frozen=True):
    """Read the config file again and take over what can change while running."""


class Restart(Message, tag="restart", frozen=True):
    """Start one stage again."""

    stage: str


# --- the supervisor asks a stage; the stage answers with `Done`


class Command(Message, tag="command", frozen=True):
    """A request for one stage, numbered by the supervisor."""

    number: int
    request: "Stop | Pause | Resume | SetImage | SetOptions"


class SetOptions(Message, tag="set_options", frozen=True):
    """Take over changed options; a stage that cannot refuses and is started again with them."""

    options: dict[str, Any]


class Done(Message, tag="done", frozen=True):
    """The stage has done the command of that number, or refused it: `error` says why."""

    number: int
    error: str | None = None


# --- a stage tells the supervisor


class Ready(Message, tag="ready", frozen=True):
    """The stage is open and steps. `endpoints` are those it has bound, by name.

    `settled` are options that were left to the stage, as it chose them: it gets them after a
    restart, so that others find it again.
    """

    stage: str
    pid: int
    endpoints: dict[str, str] = {}
    settled: dict[str, Any] = {}
    notes: list[str] = []


class Beat(Message, tag="beat", frozen=True):
    """The stage lives. Counters are totals since its start; times are of the last beats.

    `times_ms` maps a name (hop, age, work ...) to its [p50, p99] in milliseconds.
    """

    stage: str
    pid: int
    rate_hz: float
    counters: dict[str, int]
    times_ms: dict[str, tuple[float, float]]
    memory_bytes: int
    paused: bool = False


# --- the supervisor answers a tool


class Reply(Message, tag="reply", frozen=True):
    """`error` is one sentence, or None and `result` holds what was asked for."""

    error: str | None = None
    result: Any = None


ToolRequest = GetStatus | Stop | Pause | Resume | SetImage | SetCharacter | Reload | Restart
StageReport = Ready | Beat | Done


def encode(message: Message) -> bytes:
    """Return a message's bytes."""
    packed: bytes = msgpack.packb(msgspec.to_builtins(message, builtin_types=(bytes,)))
    return packed


def decode(data: bytes, kind: Any) -> Any:
    """Return the message in `data`, one of the types of `kind`. Raises `MessageRejected`."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise MessageRejected(f"a message has at most {MAX_MESSAGE_BYTES} bytes, not {len(data)}")
    try:
        content = msgpack.unpackb(data, strict_map_key=True)
    except (ValueError, msgpack.UnpackException) as error:
        raise MessageRejected(f"not msgpack: {type(error).__name__}") from error
    if not isinstance(content, dict):
        raise MessageRejected(f"a message is a map, not {type(content).__name__}")
    if content.get("v", VERSION) != VERSION:
        raise MessageRejected(
            f"protocol version {content['v']!r} is not {VERSION}: use the same version of ayatsuri"
        )
    try:
        return msgspec.convert(content, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise MessageRejected(str(error)) from error
