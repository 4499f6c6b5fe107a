"""The values of a config file, typed: every key with its default, range and meaning.

The docstring under each field is its entry in `docs/config.md`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from pipeline.allowed import one_of
from pipeline.catalogue import KINDS
from pipeline.places import KeyPath, Places, Problem, shown

# A segment's name, "aya-SESSION-STAGE-f", has at most 30 characters (the limit of macOS): 10 for
# the session and 13 for the stage. With hyphens in both, two sessions could mean the same name.
SessionName = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9-]{1,10}$", extra={"allowed": "1 to 10 of a-z, 0-9 and -"}),
]
StageName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]{1,13}$", extra={"allowed": "1 to 13 of a-z and 0-9"})
]
Seconds = Annotated[float, Meta(gt=0.0, le=3600.0)]
Threads = Annotated[int, Meta(ge=1, le=1024)]


class SessionConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The session as other programs see it."""

    name: SessionName = "main"
    """The name by which readers and tools find the session. Sessions of different names live side
    by side."""

    output: StageName | None = None
    """The stage whose frames other programs are given. Left out: the one whose frames no other
    stage reads."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are still logged."""


class SupervisorConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How stages are watched and started again."""

    hang_timeout_s: Seconds = 2.0
    """A stage without a beat for this long hangs: it is killed and started again."""

    restart_pause_s: Seconds = 0.1
    """The pause before a stage is started again. It doubles each time the stage fails anew."""

    restart_pause_cap_s: Seconds = 5.0
    """The longest such pause."""

    max_restarts: Annotated[int, Meta(ge=0, le=10_000)] = 20
    """More restarts of one stage than this within `restart_window_s` end the session."""

    restart_window_s: Seconds = 60.0
    """The time over which restarts are counted."""

    beat_s: Seconds = 0.25
    """How often a stage gives a sign of life."""

    threads: Threads | None = None
    """Cores to share between the stages. Left out: all that this process may use."""


class StageConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One stage: a process of its own. The file lists them in the order a frame meets them."""

    name: StageName
    """The stage's name, by which `input`, `session.output` and `--set stages.NAME...` mean it."""

    kind: Annotated[str, Meta(extra={"allowed": one_of(KINDS)})]
    """What the stage does; see below."""

    input: StageName | None = None
    """The stage that this one reads. Left out: the stage before it in the file; for a stage that
    gives nothing, the one whose frames other programs are given."""

    optional: bool = False
    """The session goes on without this stage where it cannot be: its package is not installed, its
    port is taken. Log and status say so."""

    fallback: bool = True
    """Read past a cacher while it is dead, so that poses still arrive."""

    slots: Annotated[int, Meta(ge=3, le=64)] = 8
    """Frames each of its rings has room for. More give slow readers more time with a frame."""

    hang_timeout_s: Seconds | None = None
    """As `supervisor.hang_timeout_s`, for this stage alone."""

    threads: Threads | None = None
    """Threads its numeric libraries may use. Left out: one; for an avatar the cores that are left,
    or all of them where it runs networks. Behind an avatar that runs none, an interpolation has all
    of them for a network, and two for optical flow."""

    options: Struct = field(default_factory=Struct)
    """What its kind defines; see below."""


class Config(Struct, kw_only=True, frozen=True):
    """A whole config, every value checked. Whether its stages fit is for the topology to say."""

    path: Path
    session: SessionConfig
    supervisor: SupervisorConfig
    stages: tuple[StageConfig, ...]
    places: Places

    def problem(self, path: KeyPath, message: str, value: object = None) -> Problem:
        """Return a problem of the key at `path`, such as ("stages", 2, "input")."""
        key = key_text(path, [stage.name for stage in self.stages])
        text = None if value is None else shown(value)
        return Problem(self.places.of(path), key, message, text)


def key_text(path: KeyPath, stage_names: Sequence[str]) -> str:
    """Write a key path as `--set` takes it; a stage without a name of its own by its number."""
    text = ""
    for key in path:
        if isinstance(key, str):
            text += f".{key}" if text else key
            continue
        name = stage_names[key] if key < len(stage_names) else ""
        is_telling = name and stage_names.count(name) == 1
        text += f".{name}" if is_telling else f"[{key}]"
    return text
