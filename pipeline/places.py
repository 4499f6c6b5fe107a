"""Where each key of a config was set, and what is wrong with it.

A key path is a tuple of table keys and list indices: ("stages", 3, "options", "scale").
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

KeyPath = tuple[str | int, ...]


class Place(NamedTuple):
    """A line of a file, or a `--set` of the command line (which has no line)."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


class Problem(NamedTuple):
    """One thing wrong with a config: where, which key, and what would be right."""

    place: Place
    key: str  # "stages.interpolation.options.scale"; empty if it is about the file as a whole
    message: str
    value: str | None = (
        None  # as it stands in the file; None if it is the lack of one that is wrong
    )

    def __str__(self) -> str:
        setting = self.key if self.value is None else f"{self.key} = {self.value}"
        return ": ".join(part for part in (str(self.place), setting, self.message) if part)


def shown(value: Any) -> str:
    """Write a value as it stands in the file, shortened."""
    is_text = not isinstance(value, float)
    text = json.dumps(value, ensure_ascii=False, default=str) if is_text else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class ConfigError(Exception):
    """A config that cannot be used, with all that is wrong with it, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place.line or 0))
        super().__init__("\n".join(map(str, self.problems)))


class Places:
    """The place of every key of one config."""

    def __init__(self, source: str, text: str = "") -> None:
        """Locate the keys of `text`, which must be valid TOML."""
        self._file = Place(source)
        self._marked = {path: Place(source, line) for path, line in _lines(text).items()}

    def of(self, path: KeyPath) -> Place:
        """Return where `path` was set, or else the table that would hold it, or else the file."""
        for length in range(len(path), 0, -1):
            if place := self._marked.get(path[:length]):
                return place
        return self._file

    def override(self, path: KeyPath, place: Place) -> None:
        """Say that `path`, and all below it, was set at `place`."""
        below = [known for known in self._marked if known[: len(path)] == path]
        for known in below:
            del self._marked[known]
        self._marked[path] = place


def _lines(text: str) -> dict[KeyPath, int]:
    """Return the line of every key and table of a valid TOML text, counted from 1."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for line, statement, is_header in _statements(text):
        if is_header:
            table = _header_path(statement, counts)
            lines.setdefault(table, line)
        for path in () if is_header else _paths(statement):
            lines.setdefault(table + path, line)
    return lines


def _statements(text: str) -> Iterator[tuple[int, dict[str, Any], bool]]:
    """Yield each statement: its first line, its value read on its own, and if it is a header.

    In a valid text a statement is over at the first line end at which it can be read on its own;
    this leaves strings and arrays of several lines to the parser.
    """
    pending, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        first = first if pending else number
        pending += line + "\n"
        try:
            statement = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue
        if statement:
            yield first, statement, pending.lstrip().startswith("[")
        pending = ""


def _header_path(header: Mapping[str, Any], counts: dict[KeyPath, int]) -> KeyPath:
    """Return the path of the table a header opens; `counts` numbers the tables of each array."""
    path: KeyPath = ()
    value: Any = header
    while value:
        (key, value), *_ = value.items()
        path += (key,)
        if isinstance(value, list):
            counts[path] = counts.get(path, -1) + 1
            value = value[0]
        if path in counts:
            path += (counts[path],)
    return path


def _paths(value: Any) -> Iterator[KeyPath]:
    """Yield the path of every key below `value`."""
    for key, below in value.items() if isinstance(value, dict) else ():
        yield (key,)
        yield from ((key, *path) for path in _paths(below))
