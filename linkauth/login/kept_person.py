"""A person as a text, which a pending sign-in keeps until the sign-in is completed."""

from __future__ import annotations

import json
from typing import Any

from linkauth.backends import Identity
from linkauth.login.sign_in import Person


def dump_person(person: Person) -> str:
    """Returns a person as JSON. Claims that no client may receive are left out."""
    identity = person.identity
    content = {
        "backend": person.backend,
        "changed": person.changed,
        "provider": person.provider,
        **{name: getattr(identity, name) for name in ("subject", "username", "name", "email")},
        "groups": list(identity.groups),
        "claims": {name: value for name, value in person.claims.items() if name in identity.claims},
    }
    return json.dumps(content)


def load_person(text: str) -> Person:
    """Returns the person of `dump_person`."""
    content: dict[str, Any] = json.loads(text)
    backend, is_changed, provider = (content.pop(name) for name in ("backend", "changed", "provider"))
    return Person(backend, Identity(**{**content, "groups": tuple(content["groups"])}), is_changed, provider)
