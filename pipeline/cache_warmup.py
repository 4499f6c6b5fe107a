"""Pictures drawn before they are asked for: a session of the config's own avatar, fed with poses.

What a config's cacher would not find is drawn by the stages that would draw it then, so that the
pictures are the same. Stopped at any moment, it goes on where it was.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.config import load
from pipeline.core.arguments import CoreError, CoreOptions
from pipeline.core.builder import given, stage_table
from pipeline.core.session import SessionCore
from pipeline.schema import Config
from stages.cacher.archive import Archive
from stages.cacher.build import make_quantiser
from stages.cacher.key import key_of
from stages.cacher.options import CacherOptions
from stages.ingest.idle import PERIOD_S, IdleMotion
from stages.pose import INDEX, PARAMETERS, neutral
from stages.stage import StartFailed

Pose = NDArray[np.float32]

_MOST_POSES = 1_000_000
_ROUNDS = 3  # a picture may be lost when the next one comes before it is stored


class Wanted(NamedTuple):
    """What a config's cacher keeps, and what its avatar draws."""

    cacher: CacherOptions
    avatar: msgspec.Struct
    database: Path


class Warmed(NamedTuple):
    """What became of the poses, each counted once after quantising."""

    wanted: int
    known: int  # there already
    drawn: int
    missing: int  # not kept: the budget is too small, or the disk is full


def wanted_by(config: Path, overrides: Sequence[str], database: Path) -> Wanted:
    """Return what the cacher and the avatar of a config want. Raises `ConfigError`, `StartFailed`.

    `database` takes the place of the cacher's own.
    """
    found = load(config, overrides)
    cacher = _options_of(found, "cacher")
    assert isinstance(cacher, CacherOptions)
    # A neighbour is no reason not to draw the picture itself.
    cacher = msgspec.structs.replace(
        cacher,
        database=str(database.resolve()),
        pacing="lowest_latency",
        snap_within=0.0,
        stale_within=0.0,
    )
    return Wanted(cacher, _options_of(found, "avatar"), database)


def _options_of(config: Config, kind: str) -> msgspec.Struct:
    stages = [stage for stage in config.stages if stage.kind == kind]
    if len(stages) != 1:
        raise StartFailed(f"{config.path} has {len(stages)} stages of the kind {kind}, not one")
    return stages[0].options


def warm_up(wanted: Wanted, poses: Iterable[Pose], step: Callable[[int, int], None]) -> Warmed:
    """Have every pose drawn and stored; `step` is told how many are done, of how many.

    Raises `StartFailed`.
    """
    quantiser = make_quantiser(wanted.cacher)
    rounded = list(dict.fromkeys(quantiser.quantise(pose).tobytes() for pose in poses))
    known: int | None = None
    missing = rounded
    drawn = 0
    for _ in range(_ROUNDS):
        try:
            with SessionCore(CoreOptions(use_interpolation=False), _config(wanted), True) as core:
                look = core.look
                missing = _not_stored(wanted, look, missing)
                known = len(rounded) - len(missing) if known is None else known
                for done, pose in enumerate(missing):
                    core.inference(np.frombuffer(pose, "<f4"))
                    step(len(rounded) - len(missing) + done + 1, len(rounded))
        except CoreError as error:
            raise StartFailed(str(error)) from error
        before, missing = missing, _not_stored(wanted, look, missing)
        drawn += len(before) - len(missing)
        if not missing or len(missing) == len(before):
            break
    return Warmed(len(rounded), known or 0, drawn, len(missing))


def _not_stored(wanted: Wanted, look: int, poses: Sequence[bytes]) -> list[bytes]:
    with Archive(wanted.database) as archive:
        stored = {entry.key.packed() for entry in archive.entries()}
    return [pose for pose in poses if key_of(pose, look, wanted.cacher.quality) not in stored]


def _config(wanted: Wanted) -> str:
    """The config of the session that draws."""
    return "\n".join(
        (
            stage_table("caller", "caller", {}),
            stage_table("cacher", "cacher", given(wanted.cacher)),
            stage_table("avatar", "avatar", given(wanted.avatar)),
        )
    )


def grid(axes: Sequence[str]) -> list[Pose]:
    """Return the poses of a grid. An axis is "NAME=LOW:HIGH:COUNT"; others rest. `StartFailed`."""
    parsed = [_axis(axis) for axis in axes]
    count = int(np.prod([len(values) for _, values in parsed], dtype=np.float64))
    if count > _MOST_POSES:
        raise StartFailed(f"the grid has {count:,} poses; at most {_MOST_POSES:,} are drawn")
    poses = []
    for values in product(*(values for _, values in parsed)):
        pose = neutral()
        for (index, _), value in zip(parsed, values, strict=True):
            pose[index] = value
        poses.append(pose)
    return poses


def _axis(text: str) -> tuple[int, NDArray[np.float32]]:
    name, _, bounds = text.partition("=")
    parts = bounds.split(":")
    try:
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
        parameter = PARAMETERS[INDEX[name]]
    except (ValueError, IndexError, KeyError):
        raise StartFailed(
            f'"{text}" is no axis of a grid: write NAME=LOW:HIGH:COUNT, such as head_y=-1:1:9, '
            "with a name of docs/poses.md"
        ) from None
    if not (parameter.low <= low <= high <= parameter.high and 1 <= count <= _MOST_POSES):
        raise StartFailed(
            f'"{text}": {name} goes from {parameter.low:g} to {parameter.high:g}, in at least one '
            "step"
        )
    return INDEX[name], np.linspace(low, high, count, dtype=np.float32)


def idle_poses(rate_hz: float) -> list[Pose]:
    """Return one period of the idle motion."""
    motion, poses = IdleMotion(), []
    for number in range(round(PERIOD_S * rate_hz)):
        pose = neutral()
        motion.pose_at(number / rate_hz, pose)
        poses.append(pose)
    return poses
