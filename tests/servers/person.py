"""A person in a test directory. This module imports only the standard library, because samba_seed.py imports it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """An account in a directory. `dn` has the exact spelling that the server returns."""

    username: str
    dn: str
    password: str
    upn: str = ""
