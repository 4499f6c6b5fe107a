"""The table of what a stage can be: one line per kind, and nothing about any session.

A stage class is named by a string, so that the parent never imports what only a child needs.
"""

import importlib
from typing import Literal, NamedTuple

import msgspec

Port = Literal["poses", "frames"]


class KindEntry(NamedTuple):
    """What the parent must know of one kind of stage."""

    stage: str  # "module:Class", imported in the child alone; empty: no process of ours
    options: str  # "module:Class" of its options, light enough for the parent
    takes: Literal["nothing", "poses", "frames"]
    gives: tuple[Port, ...]
    start_timeout_s: float  # until it must have reported ready: loading and warming up included
    summary: str
    while_gone: str  # what the others do until it is back

    @property
    def is_sink(self) -> bool:
        """Whether it only takes frames out of the pipeline."""
        return not self.gives

    @property
    def is_gate(self) -> bool:
        """Whether it answers some poses itself and passes the others on (decision 0001)."""
        return self.gives == ("poses", "frames")

    def options_type(self) -> type[msgspec.Struct]:
        """Import and return the options type."""
        module, _, name = self.options.partition(":")
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, type) and issubclass(found, msgspec.Struct)
        return found


KINDS: dict[str, KindEntry] = {
    "caller": KindEntry(
        stage="",
        options="pipeline.core.caller:CallerOptions",
        takes="nothing",
        gives=("poses",),
        start_timeout_s=1.0,
        summary="poses that the program which started the session writes by itself (get_core)",
        while_gone="the last frame stays on show",
    ),
    "ingest": KindEntry(
        stage="stages.ingest.stage:Ingest",
        options="stages.ingest.options:IngestOptions",
        takes="nothing",
        gives=("poses",),
        start_timeout_s=10.0,
        summary="accepts poses over ZeroMQ; plays a trace or idle motion while nobody sends any",
        while_gone="the last frame stays on show; publishers reconnect by themselves",
    ),
    "cacher": KindEntry(
        stage="stages.cacher.stage:Cacher",
        options="stages.cacher.options:CacherOptions",
        takes="poses",
        gives=("poses", "frames"),
        start_timeout_s=10.0,
        summary="answers poses it has seen from memory, and passes the others on to the avatar",
        while_gone="the avatar reads the poses before the cacher, so that every pose is a miss",
    ),
    "avatar": KindEntry(
        stage="stages.avatar.stage:Avatar",
        options="stages.avatar.options:AvatarOptions",
        takes="poses",
        gives=("frames",),
        start_timeout_s=60.0,
        summary="draws the character in a pose",
        while_gone="the last frame stays on show; a cacher still answers the poses it knows",
    ),
    "interpolation": KindEntry(
        stage="stages.interpolation.stage:Interpolation",
        options="stages.interpolation.options:InterpolationOptions",
        takes="frames",
        gives=("frames",),
        start_timeout_s=60.0,
        summary="makes frames in between, evenly spaced in time",
        while_gone="its last frame stays on show; the stages before it go on",
    ),
    "join": KindEntry(
        stage="stages.join.stage:Join",
        options="stages.join.options:JoinOptions",
        takes="frames",
        gives=("frames",),
        start_timeout_s=10.0,
        summary="copies the frames of several rings into one, in order of pose",
        while_gone="its last frame stays on show; the stages before it go on",
    ),
    "page": KindEntry(
        stage="stages.page.stage:Page",
        options="stages.page.options:PageOptions",
        takes="frames",
        gives=(),
        start_timeout_s=20.0,
        summary="shows the frames in a browser, where the character can be moved and exchanged",
        while_gone="browsers hold the last picture and connect again by themselves",
    ),
}
