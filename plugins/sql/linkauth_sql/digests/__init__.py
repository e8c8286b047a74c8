"""The setting `digest`: how an application computes its hashes from the password and from other columns.

    digest = sha1(salt + sha1(password))

`parser` reads the text, `nodes` computes the values, and `scheme` makes a hash scheme of it.
"""

from __future__ import annotations

from linkauth_sql.digests.parser import FUNCTIONS, MAX_CHARACTERS, NAMES, Digest, parse
from linkauth_sql.digests.scheme import scheme_of

__all__ = ["FUNCTIONS", "MAX_CHARACTERS", "NAMES", "Digest", "parse", "scheme_of"]
