"""What a config may set for an ingest stage. Light: the parent reads it too."""

from typing import Annotated

from msgspec import Meta, Struct


class IngestOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where poses come from, and what moves the character while nobody sends any."""

    endpoint: Annotated[
        str,
        Meta(
            pattern=r"^(auto|tcp://\S+:\d{1,5}|ipc://\S+)$",
            extra={"allowed": '"auto", "tcp://HOST:PORT" (port 0: any free one) or "ipc://PATH"'},
        ),
    ] = "auto"
    """ZeroMQ address on which poses are accepted. `auto` is `tcp://127.0.0.1:5571`, or a free port
    of this machine if that is taken; the session file says which."""

    source: Annotated[str, Meta(min_length=1)] | None = None
    """Accept only poses that carry this source id. Left out: poses of everyone."""

    rate_hz: Annotated[float, Meta(ge=1.0, le=240.0)] = 30.0
    """How many poses a second the idle motion gives."""

    idle: bool = True
    """Breathe, blink and sway while nobody publishes poses."""

    idle_after_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 0.5
    """How long without a pose until the idle motion (or the trace) begins."""

    ease_s: Annotated[float, Meta(ge=0.0, le=60.0)] = 0.6
    """How long the change between published poses and idle motion takes."""

    trace: (
        Annotated[str, Meta(min_length=1, extra={"allowed": "the path of a file", "file": "path"})]
        | None
    ) = None
    """A recorded trace (JSON), relative to the config file: played instead of the idle motion."""

    trace_hz: Annotated[float, Meta(ge=1.0, le=240.0)] = 20.0
    """How many poses of the trace are played a second."""

    trace_loop: bool = True
    """Begin the trace again at its end. Otherwise its last pose is held."""
