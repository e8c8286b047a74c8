"""Parses JSON that a server has sent. A broken or ambiguous document is an error."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def parse_json(text: bytes | str) -> Any:
    """Returns the JSON value (RFC 8259) in `text`. Bytes are UTF-8, with or without a byte order mark.

    Raises ValueError if it is not JSON, if an object in it contains a key twice (section 4), or if a number is not
    finite. The caller limits the length. Python limits the depth and the digits of integers.
    """
    try:
        return json.loads(
            text.decode("utf-8-sig") if isinstance(text, bytes) else text,
            object_pairs_hook=_unique_keys,
            parse_float=_finite_float,
            parse_constant=_reject_constant,
        )
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None


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
