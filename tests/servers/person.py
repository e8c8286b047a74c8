"""Who is in a test directory. Nothing but the standard library: the system's Python reads it too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """An account; `dn` is written as its server writes it."""

    username: str
    dn: str
    password: str
    upn: str = ""
