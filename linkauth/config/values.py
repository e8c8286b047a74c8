"""One value of an ini file, as the type that its field is annotated with."""

from __future__ import annotations

import re
import types
import typing
from dataclasses import Field
from typing import Any, Literal

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def converted(raw: str, kind: Any, item: Field[Any]) -> Any:
    """`raw` as `kind`, and one of the words that the field names in `metadata={"words": ...}`, if it names any.

    Raises ValueError as `convert` does.
    """
    value, words = convert(raw, kind), item.metadata.get("words")
    if words is not None and value not in words:
        raise ValueError("is not one of: " + ", ".join(words))
    return value


def convert(raw: str, kind: Any) -> Any:
    """`raw` as `kind`: str, int, float, bool, tuple[str, ...], Literal[...] or one of these `| None`.

    Raises ValueError with a sentence that does not hold the value.
    """
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    if kind is str:
        return raw
    if kind is bool:
        if raw.lower() not in _BOOLEANS:
            raise ValueError("is neither true nor false")
        return _BOOLEANS[raw.lower()]
    if kind is int:
        if not _INTEGER.fullmatch(raw):
            raise ValueError("is not a whole number")
        return int(raw)
    if kind is float:
        if not _DECIMAL.fullmatch(raw):
            raise ValueError("is not a number")
        return float(raw)
    if typing.get_origin(kind) is Literal:
        if raw not in typing.get_args(kind):
            raise ValueError("is not one of: " + ", ".join(typing.get_args(kind)))
        return raw
    if typing.get_origin(kind) is tuple:
        return tuple(raw.split())
    raise TypeError(f"settings cannot be of type {kind}")
