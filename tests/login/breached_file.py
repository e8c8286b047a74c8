"""Writes a file of hashes of breached passwords in the format of the Pwned Passwords downloader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def write_breached_file(path: Path, passwords: Iterable[str], end: str = "\r\n") -> Path:
    """Writes the sorted lines SHA-1:COUNT of the passwords to `path`; returns `path`."""
    hashes = sorted(hashlib.sha1(text.encode("utf-8")).hexdigest().upper() for text in passwords)
    path.write_bytes("".join(f"{each}:{index + 1}{end}" for index, each in enumerate(hashes)).encode("ascii"))
    return path
