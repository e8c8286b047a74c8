"""The descriptions of scopes (`linkauth.scope.<name>`)."""

from __future__ import annotations

import re

from linkauth.config.reader import Keys, Text


def scope_key(scope: str) -> str:
    """Returns the key of a scope's description, without `linkauth.`. `%`, `:` and `=` are percent-encoded in it."""
    return "scope." + re.sub("[%:=]", lambda found: f"%{ord(found[0]):02X}", scope)


def read_scopes(keys: Keys, known: set[str]) -> dict[str, Text]:
    """Returns the scope descriptions (`linkauth.scope.<name>`, `linkauth.scope.<name>.<language>`) by scope.

    A scope name may contain dots.
    """
    found: dict[str, dict[str, str]] = {}
    for scope in known:
        begin, colon, rest = scope.partition(":")
        if colon and re.match(re.escape(rest) + r"(\.[\w-]+)?\s*=", keys.remaining.get(f"scope.{begin}", "")):
            problem = f"contains a colon, which ends an ini key: write {keys.prefix}{scope_key(scope)}"
            keys.add_fault(f"scope.{scope}", problem)
            keys.pop(f"scope.{begin}")
    for scope in sorted(known, key=len, reverse=True):
        key = scope_key(scope)
        text, texts = keys.pop(key), keys.texts(key)
        if text is None and texts:
            keys.add_fault(key, "is missing; a text also needs a line without a language")
        elif text is not None:
            found[scope] = {"": text, **texts}
    return dict(found)
