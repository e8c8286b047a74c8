"""The claims of a person, as values that JSON can represent."""

from __future__ import annotations

import math
from typing import Any

from linkauth.backends import Identity

NUMBER_LIMIT = 2**63


def claims_of(identity: Identity) -> tuple[dict[str, Any], list[str]]:
    """Returns the claims that a client may receive, by name, and the names of claims with an unsupported type.

    Claims are text, numbers, booleans and lists of text.
    """
    found: dict[str, Any] = {**identity.claims, "name": identity.name, "email": identity.email}
    if identity.groups:
        found["groups"] = list(identity.groups)
    claims = {name: _claim(value) for name, value in found.items() if isinstance(name, str)}
    ignored = sorted(name for name in claims if claims[name] is None)
    return {name: value for name, value in claims.items() if value is not None}, ignored


def _claim(value: object) -> Any:
    """Returns `value` if JSON can represent it as text, number, boolean or list of text; otherwise None."""
    if isinstance(value, list | tuple):
        texts = [_claim(text) for text in value if isinstance(text, str)]
        return texts if len(texts) == len(value) and None not in texts else None
    if isinstance(value, str):
        return None if any("\ud800" <= letter <= "\udfff" for letter in value) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    # this includes bool; many JSON parsers do not support larger integers
    return value if isinstance(value, int) and abs(value) < NUMBER_LIMIT else None
