"""Converts a value of an ini file to the annotated type of its field."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Collection
from typing import Any, Literal

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def convert(raw: str, kind: Any, choices: Collection[str] | None = None) -> Any:
    """Converts `raw` to `kind`: str, int, float, bool, tuple[str, ...], Literal[...] or one of these `| None`.

    If `choices` is given, a str must be one of them. Raises ValueError with a message that does not contain the value.
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
            raise ValueError("is not a whole number")
        return int(raw)
    if kind is float:
        if not _DECIMAL.fullmatch(raw):
            raise ValueError("is not a number")
        return float(raw)
    if typing.get_origin(kind) is tuple:
        return tuple(raw.split())
    raise TypeError(f"settings cannot be of type {kind}")
