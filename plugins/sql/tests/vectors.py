"""Stored passwords that other programs made, from vectors.txt."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PASSWORDS = {"A": "correct horse", "B": 'Größe 1815 & "Käse"', "C": "0123456789" * 8}
PEPPER = "a pepper of devise"
SPECIAL = {"pepper", "slashed", "html"}
"""No schemes: what an application did to the password before."""


class Vector(NamedTuple):
    scheme: str
    password: str
    stored: str


def _read() -> list[Vector]:
    text = Path(__file__).with_name("vectors.txt").read_text("utf-8")
    lines = [line.split(" ", 2) for line in text.splitlines() if line and not line.startswith("#")]
    return [Vector(scheme, PASSWORDS[name], stored.replace("\\n", "\n")) for scheme, name, stored in lines]


ALL = _read()
VECTORS = [vector for vector in ALL if vector.scheme not in SPECIAL]


def stored(scheme: str, name: str = "A") -> str:
    """The first vector of that scheme for the password A, B or C."""
    return next(each.stored for each in ALL if each.scheme == scheme and each.password == PASSWORDS[name])
