"""Password hashes of other programs, from vectors.txt."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PASSWORDS = {"A": "correct horse", "B": 'Größe 1815 & "Käse"', "C": "0123456789" * 8}
PEPPER = "a pepper of devise"
SPECIAL = {"pepper", "slashed", "html"}
"""Not schemes: changes that an application makes to a password before hashing it."""


class Vector(NamedTuple):
    scheme: str
    password: str
    stored_hash: str


def _read() -> list[Vector]:
    text = Path(__file__).with_name("vectors.txt").read_text("utf-8")
    lines = [line.split(" ", 2) for line in text.splitlines() if line and not line.startswith("#")]
    return [Vector(scheme, PASSWORDS[name], stored_hash.replace("\\n", "\n")) for scheme, name, stored_hash in lines]


ALL = _read()
VECTORS = [vector for vector in ALL if vector.scheme not in SPECIAL]


def stored_hash(scheme: str, name: str = "A") -> str:
    """Returns the hash of the first vector of this scheme for the password A, B or C."""
    return next(each.stored_hash for each in ALL if each.scheme == scheme and each.password == PASSWORDS[name])
