"""The settings `digest`, `digest_columns`, `salt_column`, `pepper` and `password_prefixes`: their rules and meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from linkauth.redaction import redact
from linkauth_sql import digests, hashes
from linkauth_sql.digests import Digest
from linkauth_sql.hashes import Limits, Scheme
from linkauth_sql.hashes.scheme import MEBIBYTE
from linkauth_sql.passwords import Verifier
from linkauth_sql.recognition import Recognizer

if TYPE_CHECKING:
    from linkauth_sql.settings import SQLSettings

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SALT = re.compile(r"\bsalt\b")
_USERNAME = re.compile(r"\busername\b")
_WRITING = ("rehash", "password_change", "password_recovery", "registration")
RESERVED = frozenset({*digests.NAMES, *digests.FUNCTIONS, "salt", "username"})
"""Names that `digest_columns` must not define."""


def columns_of(settings: SQLSettings) -> Mapping[str, str]:
    """Returns {name in digest: column}. With a `query` the names are columns of its result.

    Without a `query`, the salt has a setting of its own, and is not contained.
    """
    pairs = (pair.partition(":") for pair in settings.digest_columns)
    columns = {name: column or name for name, _, column in pairs}
    if _USERNAME.search(settings.digest):
        columns["username"] = settings.username_columns[0] if settings.username_columns else "username"
    if settings.query and _SALT.search(settings.digest):
        columns["salt"] = "salt"
    return columns


def digest_of(settings: SQLSettings) -> Digest | None:
    """Returns the parsed digest, or None if there is none. Raises ValueError with a message for operators."""
    if not settings.digest:
        return None
    names = {*columns_of(settings), "username"}
    return digests.parse(settings.digest, names | ({"salt"} if settings.salt_column or settings.query else set()))


def verifier_of(settings: SQLSettings) -> Verifier:
    """Returns the verifier of the hashes in the table. Raises ValueError if `faults` reports something."""
    allowed, scheme = _allowed_and_scheme(settings)
    limits = Limits(settings.hash_milliseconds, settings.hash_memory * MEBIBYTE)
    recognizer = Recognizer(settings.password_prefixes, scheme)
    # a digest says itself where the pepper stands
    pepper = "" if scheme else settings.pepper
    return Verifier(allowed, settings.password_form, pepper, limits, recognizer)


def _allowed_and_scheme(settings: SQLSettings) -> tuple[frozenset[str], Scheme | None]:
    """Returns the names of the allowed schemes, and the scheme of the digest."""
    allowed, digest = hashes.parse_scheme_names(settings.schemes), digest_of(settings)
    if digest is None:
        return allowed, None
    scheme = digests.scheme_of(digest, settings.pepper, allowed)
    return (allowed | {hashes.DIGEST} if scheme.strong else allowed), scheme


def faults(settings: SQLSettings) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) for each rule that these settings violate."""
    for pair in settings.digest_columns:
        name, colon, column = pair.partition(":")
        if not _NAME.fullmatch(name) or (colon and not column):
            yield "digest_columns", "contains something other than name or name:column"
        elif name in RESERVED:
            yield "digest_columns", "contains a name that has another meaning in digest: write name:column"
    if settings.digest_columns and not settings.digest:
        yield "digest_columns", "has no effect without digest"
    for key in ("password_prefixes", "salt_column", "digest"):
        if settings.writes and getattr(settings, key):
            writing = ", ".join(power for power in _WRITING if getattr(settings, power))
            yield key, f"cannot be used with {writing}: linkauth makes no new hashes of this form"
    if not settings.digest:
        return
    try:
        hashes.parse_scheme_names(settings.schemes)
    except ValueError:
        # reported as a fault of schemes
        return
    try:
        digest = digest_of(settings)
        allowed, scheme = _allowed_and_scheme(settings)
    except ValueError as error:
        yield "digest", redact(error)
        return
    assert digest
    assert scheme
    if not scheme.strong and hashes.DIGEST not in allowed:
        problem = "is fast to compute, so that passwords can be guessed from it"
        yield "digest", f"{problem}: add {hashes.DIGEST} to schemes to accept it"
    if digest.scheme in hashes.SCHEMES and digest.scheme not in allowed:
        yield "digest", "makes hashes of a scheme that schemes does not allow"
    if ("pepper" in digest.node.names) != bool(settings.pepper):
        problem = "is missing, and digest uses it" if not settings.pepper else "does not occur in digest"
        yield "pepper", problem
    if settings.password_parameters_column:
        yield "password_parameters_column", "cannot be combined with digest: name the column in digest_columns"
