"""What a field of a config may hold, in words: for error messages and for the reference."""

from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

from msgspec import inspect

_RANGE_WORDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def allowed(field_type: Any) -> str:
    """Return the values of a field's type in words, such as "a whole number from 1 to 4"."""
    if get_origin(field_type) is Literal:  # of which msgspec forgets the order
        return one_of(get_args(field_type))
    return _words(inspect.type_info(field_type))


def one_of(words: Iterable[str]) -> str:
    """Return some words as alternatives."""
    return " or ".join(f'"{word}"' for word in words)


def file_rule(field_type: Any) -> str | None:
    """Return how a field names a file or folder, None if it names none.

    "path", "name or path", "to be made" for a file in a folder that is there, or "folder".
    """
    rule = extra(inspect.type_info(field_type)).get("file")
    return None if rule is None else str(rule)


def extra(found: inspect.Type) -> dict[str, Any]:
    """Return what our options types attach to a field with `Meta(extra=...)`."""
    if isinstance(found, inspect.UnionType):
        return {key: value for member in found.types for key, value in extra(member).items()}
    return (found.extra or {}) if isinstance(found, inspect.Metadata) else {}


def _words(found: inspect.Type) -> str:
    match found:
        case inspect.Metadata():
            return str(extra(found).get("allowed") or _words(found.type))
        case inspect.UnionType():
            return " or ".join(_words(t) for t in found.types if not _is_none(t))
        case inspect.LiteralType():
            return one_of(map(str, found.values))
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number {_range(found)}".rstrip()
        case inspect.FloatType():
            return f"a number {_range(found)}".rstrip()
        case inspect.StrType():
            return "a string that is not empty" if found.min_length else "a string"
    return "a table"


def _is_none(found: inspect.Type) -> bool:
    return isinstance(found, inspect.NoneType)


def _range(found: inspect.IntType | inspect.FloatType) -> str:
    if found.ge is not None and found.le is not None:
        return f"from {found.ge:g} to {found.le:g}"
    bounds = ((word, getattr(found, name)) for name, word in _RANGE_WORDS.items())
    return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
