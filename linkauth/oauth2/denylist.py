"""The signed deny list of revoked JWT access tokens, cached until it changes.

The list is signed again

* when a link has ended at any server, which the version number in the storage shows,
* when a token on the list expires,
* when another key becomes the signing key,
* every RENEWAL_INTERVAL seconds, so that verifiers never receive an expired document.
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
    """The deny list as a JWT, and an entity tag of its content.

    Each server process signs its own document. The tag is the same in all of them within a period of RENEWAL_INTERVAL,
    so it is a weak entity tag (RFC 9110 section 8.8.1).
    """

    text: str
    tag: str


@dataclass(frozen=True, slots=True)
class _CacheEntry:
    """The revoked tokens that were read at `read_at`, and the document that was signed with them.

    `entries` maps each `jti` to its expiry. The document is current from `valid_from` on and before `valid_until`. All
    times are in seconds since 1970.
    """

    version: int | None
    kid: str
    entries: Mapping[str, int]
    read_at: int
    valid_from: int
    valid_until: float
    signed: SignedDenyList

    def has_current_entries(self, version: int | None, now: int) -> bool:
        """Report whether `entries` is still complete. It may contain tokens that have expired since."""
        same_period = self.read_at // RENEWAL_INTERVAL == now // RENEWAL_INTERVAL
        return version is not None and version == self.version and self.read_at <= now and same_period

    def is_current(self, version: int | None, kid: str, now: int) -> bool:
        """Report whether the signed document can be returned as it is."""
        return self.has_current_entries(version, now) and kid == self.kid and self.valid_from <= now < self.valid_until


class DenyList:
    """The current deny list, signed by `signer`. A request reads only the version number from `storage`."""

    def __init__(self, storage: TokenStorage, signer: Signer) -> None:
        self._storage = storage
        self._signer = signer
        self._lock = threading.Lock()
        self._failures = 0
        self._cache: _CacheEntry | None = None

    def current(self, now: int) -> SignedDenyList | None:
        """Return the list at `now` (seconds since 1970), or None if there is no signing key.

        Raises StorageUnavailableError.
        """
        failures = self._failures
        version, kid, entry = self._storage.deny_list_version(), self._signer.signing_kid(now), self._cache
        if kid is None:
            return None
        if entry is None or not entry.is_current(version, kid, now):
            return self._renew(kid, now, failures).signed
        return entry.signed

    def _renew(self, kid: str, now: int, failures: int) -> _CacheEntry:
        """Renew the cached list in one thread at a time.

        The threads that waited for the lock share the result or the failure of the thread before them. Otherwise each
        of them would wait for a storage that does not respond. `failures` is the failure count before the request.
        """
        with self._lock:
            if self._failures != failures:
                raise StorageUnavailableError("the revoked tokens could not be read a moment ago")
            try:
                version, entry = self._storage.deny_list_version(), self._cache
                if entry is None or not entry.is_current(version, kid, now):
                    entry = self._cache = self._sign(entry, version, kid, now)
            except StorageUnavailableError:
                self._failures += 1
                raise
            return entry

    def _sign(self, previous: _CacheEntry | None, version: int | None, kid: str, now: int) -> _CacheEntry:
        """Return a new cache entry. It reuses the entries of `previous` if they are still complete.

        `version` must be read before the revoked tokens: then the next request detects a change in between.
        """
        if previous and previous.has_current_entries(version, now):
            entries, read_at = previous.entries, previous.read_at
        else:
            entries, read_at = self._storage.revoked_tokens(now), now
        period = now // RENEWAL_INTERVAL
        valid_until = min((expiry for expiry in entries.values() if expiry > now), default=math.inf)
        revoked = sorted(jti for jti, expiry in entries.items() if expiry > now)
        tag = sha256(json.dumps([kid, period, revoked]).encode("ascii")).hexdigest()[:32]
        signed = SignedDenyList(self._signer.deny_list(revoked, now), tag)
        return _CacheEntry(version, kid, entries, read_at, now, valid_until, signed)
