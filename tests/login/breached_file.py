"""A file of hashes of leaked passwords, as the downloader of Pwned Passwords writes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def write_leaked(path: Path, passwords: Iterable[str], end: str = "\r\n") -> Path:
    """The file `path` with the SHA-1 of each password and a count, sorted, a line each."""
    hashes = sorted(hashlib.sha1(text.encode("utf-8")).hexdigest().upper() for text in passwords)
    path.write_bytes("".join(f"{each}:{place + 1}{end}" for place, each in enumerate(hashes)).encode("ascii"))
    return path
