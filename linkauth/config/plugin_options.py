"""The settings object of a plugin, of the keys that belong to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from linkauth.config.reader import Keys
from linkauth.redaction import redact

Resolve = Callable[[str, str], type | None]
"""Maps (family, entry point name) to the settings class of a plugin. Raises LookupError with text for operators."""


def read_options(keys: Keys, resolve: Resolve, family: str, key: str, name: str, prefix: str) -> Any:
    """Returns the settings object of a plugin, or None for a plugin without settings and after a fault."""
    try:
        cls = resolve(family, name)
    except LookupError as error:
        keys.add_fault(key, redact(error.args[0]))
        keys.discard(prefix)
        return None
    return keys.fill(cls, prefix) if cls else None
