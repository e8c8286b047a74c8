"""Verifying a password against a stored hash, in the same time for a name that is not there."""

from __future__ import annotations

import html
import re
import secrets
import threading
import unicodedata
from collections import Counter, deque
from collections.abc import Iterable
from functools import cache

from linkauth.hashing import hash_pool
from linkauth_sql import hashes
from linkauth_sql.hashes import Scheme, UnusableHash
from linkauth_sql.hashes.modern import RECOMMENDED
from linkauth_sql.hashes.scheme import Parts

REMEMBERED = 200
"""The latest hashes, of which the prevailing kind stands in for an unknown name."""
_SCRAMBLED = 12
_PADDING = 4
_SLASHED = re.compile(r"""(['"\\])""")

Kind = tuple[str, int]
"""A scheme, and what its check costs: those of one kind take equal time."""


class Verifier:
    """Verifies on the process's hash pool; the hash that stands in for an unknown name costs what most real ones cost.

    `allowed` are names of schemes; `form` is how the application that wrote the hashes passes a password to them.
    """

    def __init__(self, allowed: frozenset[str], form: str = "typed", pepper: str = "") -> None:
        self._allowed = allowed
        self._form = form
        self._pepper = pepper
        self._latest: deque[tuple[Kind, str]] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()
        # not while the first unknown name waits
        _first()

    def verify(self, stored: str | None, password: str) -> bool:
        """Is `password` the one of the hash `stored`? None, for nobody, takes as long and is never right.

        Raises UnusableHash, or BackendUnavailable when too many checks wait.
        """
        # no program keeps a NUL; the work is done all the same
        passwords = self._forms(password.replace("\0", ""))
        if stored is None:
            self._verify_nobody(passwords)
            return False
        scheme, parts, kind = self._usable(stored)
        right = hash_pool().run(hashes.verify, scheme, parts, passwords)
        if right:
            # whoever only guesses must not choose what stands in for nobody
            self._remember(kind, parts[0])
        return right and "\0" not in password

    def _verify_nobody(self, passwords: tuple[bytes, ...]) -> None:
        while True:
            kind, stand_in = self._stand_in()
            try:
                hash_pool().run(hashes.verify, *hashes.identify(stand_in), passwords)
            except UnusableHash:
                # learnt from a row that nobody can sign in with
                self._forget(kind)
            else:
                return

    def learn(self, stored: Iterable[str]) -> None:
        """Remember what the store's hashes cost, before anybody has signed in."""
        for each in stored:
            try:
                _, parts, kind = self._usable(each)
            except UnusableHash:
                continue
            self._remember(kind, parts[0])

    @property
    def knows(self) -> bool:
        """Has it seen any of the store's hashes?"""
        return bool(self._latest)

    def scheme_of(self, stored: str) -> tuple[str, bool]:
        """(what an operator may be told about a hash, whether somebody can sign in with it)."""
        try:
            return self._usable(stored)[0].name, True
        except UnusableHash as unusable:
            return str(unusable), False

    def new_hash(self, scheme: str, password: str) -> str:
        """A hash of a new password, as the application itself would make it. Raises BackendUnavailable."""
        return hash_pool().run(hashes.new_hash, scheme, self._forms(password)[-1])

    def is_current(self, stored: str, scheme: str) -> bool:
        """Would a new hash of `scheme` be no better? Raises BackendUnavailable."""
        return hash_pool().run(hashes.is_current, stored, scheme)

    def proves(self, stored: str, password: str) -> bool:
        """Does a right password prove every byte of itself, in one spelling? Raises UnusableHash."""
        scheme, _ = hashes.identify(stored)
        return unicodedata.is_normalized("NFC", password) and all(
            hashes.heeds_all(scheme, form) for form in self._forms(password)
        )

    def heeded(self, scheme: str, password: str) -> bool:
        """Would a hash of that scheme heed all of the password?"""
        most = hashes.SCHEMES[scheme].most_bytes
        return not most or len(self._forms(password)[-1]) <= most

    def _forms(self, password: str) -> tuple[bytes, ...]:
        """The texts that may have been hashed, the application's own last."""
        # keyboards send é as one letter or as two; the hash knows one of them
        composed = unicodedata.normalize("NFC", password)
        texts = [password, composed]
        if self._form == "slashed":
            texts.append(_SLASHED.sub(r"\\\1", composed))
        elif self._form == "html":
            texts.append(html.escape(composed, quote=False).replace('"', "&quot;"))
        # each once, and in the place where it stands last
        distinct = list(dict.fromkeys(reversed(texts)))[::-1]
        return tuple((text + self._pepper).encode("utf-8", "surrogatepass") for text in distinct)

    def _usable(self, stored: str) -> tuple[Scheme, Parts, Kind]:
        scheme, parts = hashes.identify(stored)
        if scheme.name not in self._allowed:
            raise UnusableHash(f"is a {scheme.name} hash, which schemes does not allow")
        return scheme, parts, (scheme.name, hashes.cost_of(scheme, parts))

    def _remember(self, kind: Kind, stored: str) -> None:
        latest = (kind, _scrambled(stored))
        with self._lock:
            self._latest.append(latest)

    def _forget(self, kind: Kind) -> None:
        with self._lock:
            kept = [latest for latest in self._latest if latest[0] != kind]
            self._latest = deque(kept, maxlen=REMEMBERED)

    def _stand_in(self) -> tuple[Kind, str]:
        """The prevailing kind, and a hash of nobody's of it."""
        with self._lock:
            stand_ins = dict(self._latest)
            kinds = Counter(kind for kind, _ in self._latest)
        if not kinds:
            return ("", 0), _first()
        ((kind, _),) = kinds.most_common(1)
        return kind, stand_ins[kind]


@cache
def _first() -> str:
    """What stands in before any of the store's hashes was seen."""
    return RECOMMENDED.hash("stand-in")


def _scrambled(stored: str) -> str:
    """A hash of nobody that costs what `stored` costs: some letters near its end are others.

    The very last ones may be padding. Of Keycloak's two texts the second says what the first costs.
    """
    if "\n" in stored:
        secret, _, how = stored.partition("\n")
        return re.sub(r'(?<="value":")[^"]+', lambda found: _scrambled(found[0]), secret) + "\n" + how
    scrambled = stored[-_SCRAMBLED - _PADDING : -_PADDING]
    return stored[: -_SCRAMBLED - _PADDING] + _digits(scrambled) + stored[-_PADDING:]


def _digits(text: str) -> str:
    """Digits in the place of letters and digits: they belong to every alphabet that hashes are written in."""
    return "".join(str(secrets.randbelow(10)) if letter.isalnum() else letter for letter in text)
