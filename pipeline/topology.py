"""Who reads whose ring: a config's stages fitted together, or every reason why they do not fit.

Decision 0001: a cacher is a gate. It answers the poses it knows in a frame ring of its own and
passes the others on in a pose ring of its own, which the avatar reads; whoever follows the avatar
reads both frame rings as one stream. Every ring has exactly one writer.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct, structs

from pipeline import config as config_file
from pipeline.catalogue import KINDS, Port
from pipeline.places import ConfigError
from pipeline.schema import Config, StageConfig
from pipeline.shape import Node, Shape
from shm import layout
from shm.frame import POSE_FORMAT, FrameFormat, image_format
from stages.cacher.options import CacherOptions
from stages.interpolation.options import InterpolationOptions


class RingPlan(Struct, kw_only=True, frozen=True):
    """One ring: who writes it, and what its slots hold."""

    stage: str
    port: Port
    segment: str
    format: FrameFormat
    slots: int

    @property
    def segment_bytes(self) -> int:
        """What its segment takes of shared memory."""
        return layout.geometry(self.slots, self.format.nbytes)[2]


class StagePlan(Struct, kw_only=True, frozen=True):
    """One process: what it runs, and the segments it reads and writes."""

    name: str
    kind: str
    entry: str  # "module:Class" of the stage
    options: Struct
    poses: tuple[str, ...]  # read for poses: the first, or a later one while its writer is dead
    frames: tuple[str, ...]  # read as one stream, in order of pose
    watches: str | None  # the avatar's frames, from which a cacher stores what was made
    watches_between: str | None  # the interpolation's, for those it makes in between
    gives_poses: str | None
    gives_frames: str | None
    threads: int
    hang_timeout_s: float
    start_timeout_s: float
    optional: bool  # the session goes on without it


class Topology(Struct, kw_only=True, frozen=True):
    """What a session starts."""

    session: str
    stages: tuple[StagePlan, ...]  # in the order they are started: the file's, then the sinks
    rings: tuple[RingPlan, ...]  # all created by the supervisor before any stage starts
    output: str  # the segment that other programs read
    output_stage: str
    notes: tuple[str, ...]  # what a user may not expect, though nothing is wrong


def compose(
    name_or_path: str | Path, overrides: Sequence[str] = (), cores: int | None = None
) -> tuple[Config, Topology]:
    """Read a config and fit its stages; raise `ConfigError` with the problems of both at once."""
    config, problems = config_file.read(config_file.find(name_or_path), overrides)
    if config is None:
        raise ConfigError(problems)
    shape = Shape(config)
    if problems or shape.problems:
        raise ConfigError([*problems, *shape.problems])
    return config, _plan(shape, cores or usable_cores())


def plan(config: Config, cores: int | None = None) -> Topology:
    """Fit a config's stages; raise `ConfigError` with every reason why they cannot work.

    `cores` counts for `supervisor.threads` where the config leaves that out.
    """
    shape = Shape(config)
    if shape.problems:
        raise ConfigError(shape.problems)
    return _plan(shape, cores or usable_cores())


def _plan(shape: Shape, cores: int) -> Topology:
    """Return the topology of a shape without problems."""
    config, output = shape.config, shape.output
    assert output is not None
    session = config.session.name
    notes = list(_unread(shape, output))
    nodes = [node for node in shape.nodes if not node.entry.is_sink]
    sinks = [node for node in shape.nodes if node.entry.is_sink]
    if len(writers := output.frame_writers()) > 1:
        join = _join(nodes, output)
        nodes.append(join)
        for sink in sinks:
            sink.input = join if sink.input is output else sink.input
        rings = " and ".join(f'"{writer.name}"' for writer in writers)
        notes.append(f'"{join.name}" was added: it brings the frames of {rings} into one ring')
        output = join
    nodes += sinks
    working = [node for node in nodes if node.entry.stage]
    threads = _share([node.stage for node in working], config.supervisor.threads or cores)
    return Topology(
        session=session,
        stages=tuple(
            _stage_plan(config, node, share) for node, share in zip(working, threads, strict=True)
        ),
        rings=tuple(ring for node in nodes for ring in _rings(session, node)),
        output=output.segment(session, "frames"),
        output_stage=output.name,
        notes=tuple(notes),
    )


def _join(nodes: Sequence[Node], output: Node) -> Node:
    """Return a stage behind `output` that gives other programs one ring with one writer."""
    taken = {node.name for node in nodes}
    name = next(name for name in ("join", *map("join{}".format, range(2, 99))) if name not in taken)
    options = KINDS["join"].options_type()()
    join = Node(len(nodes), StageConfig(name=name, kind="join", options=options))
    join.input = output
    return join


def _unread(shape: Shape, output: Node) -> Iterator[str]:
    """Say which stages work for nobody."""
    for node in shape.nodes:
        if not node.readers and node is not output and not node.entry.is_sink:
            yield f'no stage reads the {" and ".join(node.entry.gives)} of "{node.name}"'


def _stage_plan(config: Config, node: Node, threads: int) -> StagePlan:
    session, stage, gives = config.session.name, node.stage, node.entry.gives
    return StagePlan(
        name=node.name,
        kind=stage.kind,
        entry=node.entry.stage,
        options=_options(node),
        poses=_poses(session, node),
        frames=_frames(session, node),
        watches=_watches(session, node),
        watches_between=_watches_between(session, node),
        gives_poses=node.segment(session, "poses") if "poses" in gives else None,
        gives_frames=node.segment(session, "frames") if "frames" in gives else None,
        threads=threads,
        hang_timeout_s=stage.hang_timeout_s or config.supervisor.hang_timeout_s,
        start_timeout_s=node.entry.start_timeout_s,
        optional=stage.optional,
    )


def _options(node: Node) -> Struct:
    """Return a stage's options; a cacher is told what an interpolation behind it makes."""
    options = node.stage.options
    if not isinstance(options, CacherOptions) or options.steps is not None:
        return options
    behind = _interpolation_behind(node)
    steps = getattr(behind.stage.options, "scale", 1) if behind else 1
    return structs.replace(options, steps=steps)


def _interpolation_behind(gate: Node) -> Node | None:
    """Return the interpolation that reads a cacher's frames with those of its avatar.

    None if anybody else does, who would take the pictures on the way for frames.
    """
    behind = gate.readers[0].readers if gate.readers else []
    makes_between = [isinstance(node.stage.options, InterpolationOptions) for node in behind]
    return behind[0] if makes_between == [True] else None


def _poses(session: str, node: Node) -> tuple[str, ...]:
    if node.entry.takes != "poses" or node.input is None:
        return ()
    sources = [node.input]
    if node.gate and node.gate.input and node.stage.fallback:
        sources.append(node.gate.input)
    return tuple(source.segment(session, "poses") for source in sources)


def _frames(session: str, node: Node) -> tuple[str, ...]:
    if node.entry.takes != "frames" or node.input is None:
        return ()
    return tuple(writer.segment(session, "frames") for writer in node.input.frame_writers())


def _watches(session: str, node: Node) -> str | None:
    return node.readers[0].segment(session, "frames") if node.entry.is_gate else None


def _watches_between(session: str, node: Node) -> str | None:
    behind = _interpolation_behind(node) if node.entry.is_gate else None
    return behind.segment(session, "frames") if behind else None


def _rings(session: str, node: Node) -> Iterator[RingPlan]:
    for port in node.entry.gives:
        yield RingPlan(
            stage=node.name,
            port=port,
            segment=node.segment(session, port),
            format=POSE_FORMAT if port == "poses" else image_format(),
            slots=node.stage.slots,
        )


def _share(stages: Sequence[StageConfig], cores: int) -> list[int]:
    """Share the cores: what a stage asks for, else one; the avatars among them get what is left.

    An avatar that runs networks gets all of them: what works beside it takes little, and with a
    thread less its frames would take half as long again. So does an interpolation that may run one,
    but not behind such an avatar: there, on two cores, a second thread made fewer frames than one
    (4.1 against 4.9 a second), behind the built-in poser more (17 against 13). Optical flow gets
    two there: its first picture comes sooner, and so is less often late.
    """
    shares = [stage.threads or 1 for stage in stages]
    open_ = [index for index, stage in enumerate(stages) if stage.threads is None]
    hungry = [index for index in open_ if stages[index].kind == "avatar"]
    left = max(0, cores - sum(shares))
    for turn, index in enumerate(hungry):
        if _runs_networks(stages[index]):
            shares[index] = max(1, cores // len(hungry))
        else:
            shares[index] += (left + turn) // len(hungry)
    if not any(stage.kind == "avatar" and _runs_networks(stage) for stage in stages):
        for index in open_:
            if stages[index].kind == "interpolation":
                shares[index] = cores if _runs_networks(stages[index]) else min(2, cores)
    return shares


def _runs_networks(stage: StageConfig) -> bool:
    return bool(getattr(stage.options, "runs_networks", False))


def usable_cores() -> int:
    """Return how many cores this process may use."""
    # Not cpu_count: a container or taskset may leave this process fewer cores than there are.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _readers_of(topology: Topology, ring: RingPlan) -> Iterator[str]:
    """Say who reads a ring, and when."""
    for stage in topology.stages:
        if ring.segment in stage.frames or ring.segment in stage.poses[:1]:
            yield stage.name
        if ring.segment in stage.poses[1:]:
            gate = next(s.name for s in topology.stages if s.gives_poses == stage.poses[0])
            yield f"{stage.name} (while {gate} is gone)"
        if ring.segment in (stage.watches, stage.watches_between):
            yield f"{stage.name} (to store them)"
    if ring.segment == topology.output:
        yield "other programs"


def describe(topology: Topology) -> str:
    """Return in words and a drawing what a session would start."""
    mebibytes = sum(ring.segment_bytes for ring in topology.rings) / 2**20
    lines = [
        f"session {topology.session}: {len(topology.stages)} stages, {len(topology.rings)} rings, "
        f"{mebibytes:.0f} MiB of shared memory",
        "",
        "stages, each a process",
    ]
    width = max(len(ring.stage) for ring in topology.rings)
    for stage in topology.stages:
        entry = KINDS[stage.kind]
        threads = "1 thread" if stage.threads == 1 else f"{stage.threads} threads"
        lines += [
            f"  {stage.name:<{width}}  {stage.kind}, {threads}: {entry.summary}",
            f"  {'':<{width}}  while it is gone: {entry.while_gone}",
        ]
    lines += ["", "rings, each with one writer"]
    for ring in topology.rings:
        readers = ", ".join(_readers_of(topology, ring)) or "nobody"
        lines.append(f"  {ring.stage:<{width}} ──{ring.port:─<6}──▶ {readers}")
        lines.append(f"  {'':<{width}}    {ring.segment}, {ring.slots} slots")
    lines += ["", f"output: {topology.output}"]
    lines += [f"note: {note}" for note in topology.notes]
    return "\n".join(lines)
