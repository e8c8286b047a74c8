"""Finds hashes that are probably of another kind than they look like: NT hashes among MD5 digests."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DIGEST = re.compile(r"[0-9A-Fa-f]{32}(?=\n|\Z)")
_OF_EMPTY_PASSWORD = "31d6cfe0d16ae931b73c59d7e0c089c0"
"""The NT hash of the empty password, which Windows and Samba store for accounts without a password."""
_COLUMN = re.compile(r"(?:^|[^a-z])nt|nt(?:hash|password|pwd)", re.IGNORECASE)
"""The names of columns of NT hashes, such as nt_hash, ntpassword and sambaNTPassword."""
MIN_UPPER_CASE = 2
"""The number of digests in upper case that are evidence; MD5 is usually written in lower case."""


def nt_evidence(stored_hashes: Sequence[str], column: str) -> str:
    """Returns why the hashes of 32 hexadecimal digits in this column are probably NT hashes, "" if nothing says so."""
    digests = [match[0] for match in map(_DIGEST.match, stored_hashes) if match]
    if not digests:
        return ""
    if any(digest.lower() == _OF_EMPTY_PASSWORD for digest in digests):
        return "one of them is the NT hash of the empty password"
    if _COLUMN.search(column):
        return "the name of the column says so"
    if len(digests) >= MIN_UPPER_CASE and not any(re.search("[a-f]", digest) for digest in digests):
        return "they are in upper case, as Samba writes them"
    return ""
