"""The reference of the config file, made from its types: `python -m pipeline.reference`."""

import ast
import inspect
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from pipeline.allowed import allowed
from pipeline.catalogue import KINDS, KindEntry
from pipeline.places import shown
from pipeline.schema import SessionConfig, StageConfig, SupervisorConfig

_OPENING = """\
# The config file

<!-- Made by `python -m pipeline.reference > docs/config.md` from the types; a test compares. -->

One TOML file says what a session is made of. `launcher.py --config` takes its path, or the bare
name of a shipped one (`configs/NAME.toml`). Unknown keys and values out of range are refused, all
at once, each with its line, what is allowed and the nearest right name.

`--set KEY=VALUE` changes one value for one start. A stage is addressed by its name:
`--set stages.interpolation.options.scale=3`. The value is TOML; text needs no quotes.

Files are named relative to the config file.
"""

_KINDS = """\
## Kinds of stage

`kind` says what a stage does, what it reads and gives, and which options `[stages.options]` takes.
"""


def reference() -> str:
    """Return the whole reference as Markdown."""
    parts = [
        _OPENING,
        _section("`[session]`", SessionConfig),
        _section("`[supervisor]`", SupervisorConfig),
        _section("`[[stages]]`", StageConfig),
        _KINDS,
        *(_kind(kind, entry) for kind, entry in KINDS.items()),
    ]
    return "\n".join(parts)


def _kind(kind: str, entry: KindEntry) -> str:
    gives = " and ".join(entry.gives) or "nothing"
    text = f"This stage {entry.summary}. It reads {entry.takes} and gives {gives}. "
    text += f"While it is gone: {entry.while_gone}."
    return f"### `{kind}`\n\n{text}\n\n{_table(entry.options_type())}"


def _section(title: str, struct_type: type[Struct]) -> str:
    return f"## {title}\n\n{inspect.getdoc(struct_type)}\n\n{_table(struct_type)}"


def _table(struct_type: type[Struct]) -> str:
    """Return a table of the fields, or a sentence if there are none."""
    fields = msgspec.structs.fields(struct_type)
    if not fields:
        return "No options.\n"
    meanings = dict(_meanings(struct_type))
    rows = ["| key | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    for field in fields:
        cells = (f"`{field.name}`", _default(field), allowed(field.type), meanings[field.name])
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default is msgspec.NODEFAULT or field.default is None:
        return "left out"
    value: Any = field.default
    return f"`{shown(value)}`"


def _meanings(struct_type: type[Struct]) -> Iterator[tuple[str, str]]:
    """Yield each field's name and the docstring under it."""
    (definition,) = ast.parse(inspect.getsource(struct_type)).body
    assert isinstance(definition, ast.ClassDef)
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(below, ast.Expr):
            continue
        if isinstance(field.target, ast.Name) and isinstance(below.value, ast.Constant):
            yield field.target.id, " ".join(str(below.value.value).split())


if __name__ == "__main__":
    # Not print: on Windows it would write another encoding and other line ends than the test reads.
    sys.stdout.buffer.write(reference().encode())
