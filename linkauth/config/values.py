"""Converts a value of an ini file to the annotated type of its field."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Collection, Iterable
from typing import Any, Literal

COMMA = "contains a comma between its values: separate them with spaces only"
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def convert(
    raw: str,
    kind: Any,
    choices: Collection[str] | None = None,
    split: Callable[[str], Iterable[str]] = str.split,
) -> Any:
    """Converts `raw` to `kind`: str, int, float, bool, tuple[str, ...], Literal[...] or one of these `| None`.

    If `choices` is given, a str must be one of them. `split` returns the items of a tuple.
    Raises ValueError with a message that does not contain the value.
    """
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    if typing.get_origin(kind) is Literal:
        kind, choices = str, typing.get_args(kind)
    if kind is str:
        if choices is not None and raw not in choices:
            raise ValueError("is not one of: " + ", ".join(choices))
        return raw
    if kind is bool:
        if raw.lower() not in _BOOLEANS:
            raise ValueError("is neither true nor false")
        return _BOOLEANS[raw.lower()]
    if kind is int:
        if not _INTEGER.fullmatch(raw):
            raise ValueError("is not a whole number: write only digits, without a unit (times are in seconds)")
        return int(raw)
    if kind is float:
        if not _DECIMAL.fullmatch(raw):
            raise ValueError("is not a number: write only digits and a point, without a unit")
        return float(raw)
    if typing.get_origin(kind) is tuple:
        values = tuple(split(raw))
        if any(value.endswith(",") or (split is str.split and value.startswith(",")) for value in values):
            raise ValueError(COMMA)
        return values
    raise TypeError(f"settings cannot be of type {kind}")
