"""Parses JSON with limits, and compares texts. A broken or ambiguous document counts as missing."""

from __future__ import annotations

import hmac
import json
import math
from typing import Any, NoReturn


def parse_object(text: bytes | str) -> dict[str, Any] | None:
    """Returns the JSON object (RFC 8259) in `text`, which is UTF-8.

    Returns None if it is not a JSON object, if an object in it contains a key twice, or if a number is not finite. The
    caller limits the length. Python limits the depth and the digits of integers.
    """
    try:
        document = json.loads(
            text.decode("utf-8-sig") if isinstance(text, bytes) else text,
            object_pairs_hook=_unique_keys,
            parse_float=_finite_float,
            parse_constant=_reject_constant,
        )
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def text_of(document: dict[str, Any] | None, key: str) -> str:
    """Returns the text at `key`, or "" if there is no text."""
    value = document.get(key) if document else None
    return value if isinstance(value, str) else ""


def texts_of(document: dict[str, Any] | None, key: str) -> tuple[str, ...]:
    """Returns the texts of the list at `key`; empty if there is no list. Other values in the list are left out."""
    value = document.get(key) if document else None
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def is_same(one: str, other: str) -> bool:
    """Returns whether two secret texts are the same, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("an object contains a key twice")
    return result


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
