"""A config file: TOML in, frozen typed values out; everything wrong with it reported at once."""

import difflib
import math
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from pipeline.allowed import allowed, file_rule, one_of
from pipeline.catalogue import KINDS
from pipeline.places import ConfigError, KeyPath, Place, Places, Problem, shown
from pipeline.schema import Config, SessionConfig, StageConfig, SupervisorConfig, key_text

__all__ = [
    "Config",
    "ConfigError",
    "Problem",
    "SessionConfig",
    "StageConfig",
    "SupervisorConfig",
    "find",
    "load",
    "nearest",
    "read",
    "shipped",
]

SHIPPED = Path(__file__).resolve().parent.parent / "configs"

S = TypeVar("S", bound=Struct)


def find(name_or_path: str | Path) -> Path:
    """Return the file meant by a path or by the bare name of a shipped config."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    name = str(name_or_path)
    if name in shipped():
        return SHIPPED / f"{name}.toml"
    is_name = not path.suffix and len(path.parts) == 1
    what = "no such config" if is_name else "no such file"
    message = f"{what}{nearest(name, shipped())}; shipped configs: {', '.join(shipped())}"
    raise ConfigError([Problem(Place(name), "", message)])


def shipped() -> tuple[str, ...]:
    """Return the names of the shipped configs."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config file; raise `ConfigError` with every problem of it."""
    config, problems = read(path, overrides)
    if problems or config is None:
        raise ConfigError(problems)
    return config


def read(path: Path, overrides: Sequence[str] = ()) -> tuple[Config | None, list[Problem]]:
    """Read a config file as far as it can be understood, and say what is wrong with it.

    A refused value counts as its default, so that the topology can be examined as well. There is no
    config if the file is no TOML, or if the name or kind of a stage was refused.

    `overrides` are "KEY=VALUE" with a TOML value, or a string without its quotes; a stage is
    addressed by its name: "stages.interpolation.options.scale=3".
    """
    try:
        # Editors on Windows may begin a file with a byte order mark, which TOML does not know.
        text = path.read_text("utf-8-sig")
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(Place(str(path)), "", f"cannot be read: {error}")]
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_problem(path, text, error)]
    reader = _Reader(path, tables, Places(str(path), text))
    for override in overrides:
        reader.override(override)
    return reader.config(), reader.problems


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" for the known word closest to `word`, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


class _Reader:
    """Turns the tables of one file into typed values, and collects what is wrong on the way."""

    def __init__(self, path: Path, tables: dict[str, Any], places: Places) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._tables = tables
        self._places = places

    def override(self, override: str) -> None:
        """Set one key as `--set` says."""
        place = Place(f"--set {override}")
        key, equals, value = override.partition("=")
        keys = [part.strip() for part in key.split(".")]
        if not equals or not all(keys):
            message = "allowed is KEY=VALUE, such as stages.avatar.options.picture=me.png"
            self.problems.append(Problem(place, "", message))
            return
        path = self._override_path(keys, place)
        if path is not None:
            _insert(self._tables, path, _override_value(value.strip()))
            self._places.override(path, place)

    def _override_path(self, keys: list[str], place: Place) -> KeyPath | None:
        if keys[0] != "stages" or len(keys) == 1:
            return tuple(keys)
        names = self._stage_names()
        if keys[1] in names:
            return ("stages", names.index(keys[1]), *keys[2:])
        message = f"no stage {keys[1]}{nearest(keys[1], names)}; stages: {', '.join(names)}"
        self.problems.append(Problem(place, "", message))
        return None

    def config(self) -> Config | None:
        """Return the whole config; None if the stages cannot be told apart."""
        self._refuse_unknown(self._tables, ("session", "supervisor", "stages"), ())
        session = self._struct(SessionConfig, ("session",))
        supervisor = self._struct(SupervisorConfig, ("supervisor",))
        stages = self._stages()
        if session is None or supervisor is None or stages is None:
            return None
        config = Config(
            path=self._path,
            session=session,
            supervisor=supervisor,
            stages=stages,
            places=self._places,
        )
        self.problems += _timing_problems(config)
        return config

    def _stages(self) -> tuple[StageConfig, ...] | None:
        tables = self._tables.get("stages")
        if not isinstance(tables, list) or not tables:
            self._refuse(("stages",), "a config lists one or more stages, each as [[stages]]")
            return None
        found = [self._stage(index) for index in range(len(tables))]
        stages = tuple(stage for stage in found if stage is not None)
        return stages if len(stages) == len(found) else None

    def _stage(self, index: int) -> StageConfig | None:
        path: KeyPath = ("stages", index)
        values = self._values(StageConfig, path)
        kind = values.get("kind")
        entry = KINDS.get(kind) if isinstance(kind, str) else None
        if entry is None:
            if kind is not None:
                message = f"allowed is {one_of(KINDS)}{nearest(str(kind), KINDS)}"
                self._refuse((*path, "kind"), message, kind)
            return None
        options = self._struct(entry.options_type(), (*path, "options"))
        if "name" not in values or options is None:
            return None
        return StageConfig(**{**values, "options": options})

    def _struct(self, struct_type: type[S], path: KeyPath) -> S | None:
        """Return the table at `path` as a struct whose fields all have defaults."""
        return struct_type(**self._values(struct_type, path))

    def _values(self, struct_type: type[Struct], path: KeyPath) -> dict[str, Any]:
        """Return the values of the table at `path` that are right for `struct_type`."""
        table = _look_up(self._tables, path, {})
        if not isinstance(table, dict):
            self._refuse(path, "allowed is a table", table)
            return {}
        fields = {field.name: field for field in msgspec.structs.fields(struct_type)}
        self._refuse_unknown(table, fields, path)
        for name, found in fields.items():
            if found.required and name not in table:
                self._refuse((*path, name), f"is missing; allowed is {allowed(found.type)}")
        values: dict[str, Any] = {}
        for name, value in table.items():
            if name in fields and name != "options":  # their type depends on the kind
                self._convert(value, fields[name].type, (*path, name), values)
        return values

    def _convert(self, value: Any, field_type: Any, path: KeyPath, values: dict[str, Any]) -> None:
        """Add the value to `values` under the last key of `path` if it is right for its type."""
        try:
            converted = msgspec.convert(value, field_type)
            is_right = not isinstance(converted, float) or math.isfinite(converted)
        except msgspec.ValidationError:
            is_right = False
        if not is_right:
            self._refuse(path, f"allowed is {allowed(field_type)}", value)
            return
        if rule := file_rule(field_type):
            converted = self._file(converted, rule, path)
        values[str(path[-1])] = converted

    def _file(self, value: str, rule: str, path: KeyPath) -> str:
        """Return the absolute path of what is named relative to the config, or a bare name as is.

        A folder need not exist: it may be filled later.
        """
        is_name = not Path(value).suffix and not re.search(r"[/\\]", value)
        if not value or (is_name and rule.startswith("name or")):
            return value
        found = (self._path.parent / Path(value).expanduser()).resolve()
        if rule == "to be made":
            if not found.parent.is_dir():
                self._refuse(path, f"there is no folder {found.parent}", value)
        elif "folder" not in rule and not found.is_file():
            self._refuse(path, f"there is no file {found}", value)
        return str(found)

    def _refuse_unknown(
        self, table: Mapping[str, Any], known: Collection[str], path: KeyPath
    ) -> None:
        for key in (key for key in table if key not in known):
            message = f"unknown key{nearest(key, known)}; known: {', '.join(known) or 'none'}"
            self._refuse((*path, key), message)

    def _refuse(self, path: KeyPath, message: str, value: Any = None) -> None:
        key = key_text(path, self._stage_names())
        text = None if value is None else shown(value)
        self.problems.append(Problem(self._places.of(path), key, message, text))

    def _stage_names(self) -> list[str]:
        """Return the stages' names as they stand in the file; "" for what is none."""
        tables = self._tables.get("stages")
        entries = tables if isinstance(tables, list) else []
        return [str(entry.get("name", "")) if isinstance(entry, dict) else "" for entry in entries]


def _syntax_problem(path: Path, text: str, error: tomllib.TOMLDecodeError) -> Problem:
    # The line is a number only from Python 3.14 on; before, it stands in the message.
    found = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
    line = int(found[1]) if found else text.count("\n") + 1
    return Problem(Place(str(path), line), "", f"not valid TOML: {error}")


def _timing_problems(config: Config) -> list[Problem]:
    """Return what is wrong between values that are right one by one."""
    supervisor = config.supervisor
    problems: list[Problem] = []
    if supervisor.restart_pause_cap_s < supervisor.restart_pause_s:
        message = f"allowed is at least restart_pause_s ({supervisor.restart_pause_s:g})"
        path: KeyPath = ("supervisor", "restart_pause_cap_s")
        problems.append(config.problem(path, message, supervisor.restart_pause_cap_s))
    timeouts: dict[KeyPath, float] = {("supervisor", "hang_timeout_s"): supervisor.hang_timeout_s}
    for index, stage in enumerate(config.stages):
        if stage.hang_timeout_s is not None:
            timeouts["stages", index, "hang_timeout_s"] = stage.hang_timeout_s
    for path, timeout_s in timeouts.items():
        # One beat may be late without the stage being hung.
        if timeout_s < 2 * supervisor.beat_s:
            message = f"allowed is at least twice supervisor.beat_s ({supervisor.beat_s:g})"
            problems.append(config.problem(path, message, timeout_s))
    return problems


def _override_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _insert(tables: Any, path: KeyPath, value: Any) -> None:
    """Set `path` in nested tables, making those that are missing or no tables."""
    key, *rest = path
    if not rest:
        tables[key] = value
        return
    if isinstance(rest[0], str) and isinstance(tables, dict):
        below = tables.get(key)
        tables[key] = below if isinstance(below, dict) else {}
    _insert(tables[key], tuple(rest), value)


def _look_up(tables: Any, path: KeyPath, default: Any) -> Any:
    for key in path:
        if isinstance(tables, dict) and key not in tables:
            return default
        tables = tables[key]
    return tables
