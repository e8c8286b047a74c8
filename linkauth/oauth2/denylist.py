"""The signed list of revoked JWT access tokens, kept until it changes.

It changes when a link ends (the store's version tells, whichever server ended it), when a token on it expires, when
another key signs, and every RENEWAL_INTERVAL, so that verifiers always get a document that has not expired.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from linkauth.oauth2.jwt import RENEWAL_INTERVAL, Signer
from linkauth.oauth2.tokens import StorageUnavailableError, TokenStorage


@dataclass(frozen=True, slots=True)
class SignedDenyList:
    """The document as a JWT, and a tag of its content: the same at every server process within a period of
    RENEWAL_INTERVAL, although each of them signs for itself (so it is a weak entity tag, RFC 9110 section 8.8.1)."""

    text: str
    tag: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was read of the store at `read_at`, and what was signed of it: good from `since` and before `until`."""

    version: int | None
    kid: str
    entries: Mapping[str, int]
    read_at: int
    since: int
    until: float
    signed: SignedDenyList

    def is_read(self, version: int | None, now: int) -> bool:
        """Does `entries` hold everything that may be on the list now?"""
        same_period = self.read_at // RENEWAL_INTERVAL == now // RENEWAL_INTERVAL
        return version is not None and version == self.version and self.read_at <= now and same_period

    def is_signed(self, version: int | None, kid: str, now: int) -> bool:
        return self.is_read(version, now) and kid == self.kid and self.since <= now < self.until


class DenyList:
    """The current list of `store`, signed by `signer`. A request costs one look at the store's version."""

    def __init__(self, store: TokenStorage, signer: Signer) -> None:
        self._store = store
        self._signer = signer
        self._lock = threading.Lock()
        self._failures = 0
        self._kept: _Kept | None = None

    def current(self, now: int) -> SignedDenyList | None:
        """The list at `now`, seconds since 1970; None without a key to sign it. Raises StorageUnavailableError."""
        failures = self._failures
        version, kid, kept = self._store.deny_list_version(), self._signer.kid(now), self._kept
        if kid is None:
            return None
        if kept is None or not kept.is_signed(version, kid, now):
            return self._renew(kid, now, failures).signed
        return kept.signed

    def _renew(self, kid: str, now: int, failures: int) -> _Kept:
        """One thread at a time signs. Threads that waited for it share its result or its failure, so that a storage
        that does not answer is not asked by each of them in turn."""
        with self._lock:
            if self._failures != failures:
                raise StorageUnavailableError("the revoked tokens could not be read a moment ago")
            try:
                version, kept = self._store.deny_list_version(), self._kept
                if kept is None or not kept.is_signed(version, kid, now):
                    kept = self._kept = self._sign(kept, version, kid, now)
            except StorageUnavailableError:
                self._failures += 1
                raise
            return kept

    def _sign(self, kept: _Kept | None, version: int | None, kid: str, now: int) -> _Kept:
        """`version` was read before the entries, so that a change in between is seen next time."""
        entries, read_at = (kept.entries, kept.read_at) if kept and kept.is_read(version, now) else (None, now)
        if entries is None:
            entries = self._store.revoked_tokens(now)
        period = now // RENEWAL_INTERVAL
        until = min((expiry for expiry in entries.values() if expiry > now), default=math.inf)
        revoked = sorted(jti for jti, expiry in entries.items() if expiry > now)
        tag = sha256(json.dumps([kid, period, revoked]).encode("ascii")).hexdigest()[:32]
        signed = SignedDenyList(self._signer.deny_list(revoked, now), tag)
        return _Kept(version, kid, entries, read_at, now, until, signed)
