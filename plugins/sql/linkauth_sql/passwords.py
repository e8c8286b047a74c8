"""Verifying a password against a stored hash, in the same time for a name that is not there."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable

from linkauth.hashing import hash_pool
from linkauth_sql import hashes
from linkauth_sql.hashes import Limits, Scheme, UnusableHash
from linkauth_sql.hashes.scheme import HashMatch
from linkauth_sql.kinds import Kind, Kinds

STAND_IN = "$argon2id$v=19$m=19456,t=2,p=1$IlzcE10nwrR0Bp4dgl6UEA$VRFqi+wpy7WjP0LFvS2PdtbBsbLmh7y9uYpWh07fFmM"
"""Checked for an unknown name before any hash of the table is known. Its cost is that of `modern.RECOMMENDED`; making
it at the start would cost as much as a sign-in."""
_SLASHED = re.compile(r"""(['"\\])""")


class Verifier:
    """Verifies on the process's hash pool; a wrong password and an unknown name take as long as the slowest kind of
    hash that the table holds.

    `allowed` are names of schemes; `form` is how the application that wrote the hashes passes a password to them.
    """

    def __init__(
        self, allowed: frozenset[str], form: str = "typed", pepper: str = "", limits: Limits | None = None
    ) -> None:
        self._allowed = allowed
        self._form = form
        self._pepper = pepper
        self._limits = limits or Limits()
        self._kinds = Kinds()

    def verify(self, stored: str | None, password: str) -> bool:
        """Is `password` the one of the hash `stored`? None, for nobody, takes as long and is never right.

        Raises UnusableHash, or BackendUnavailable when too many checks wait.
        """
        # no program keeps a NUL; the work is done all the same
        passwords = self._forms(password.replace("\0", ""))
        if stored is None:
            self._verify_nobody(passwords)
            return False
        scheme, match, kind = self._usable(stored)
        return self._run(scheme, match, kind, passwords) and "\0" not in password

    def _verify_nobody(self, passwords: tuple[bytes, ...]) -> None:
        while slowest := self._kinds.slowest():
            kind, stand_in = slowest
            try:
                self._run(*hashes.identify(stand_in), kind, passwords)
            except UnusableHash:
                # learnt from a row that nobody can sign in with
                self._kinds.forget(kind)
            else:
                return
        hash_pool().run(hashes.verify, *hashes.identify(STAND_IN), passwords)

    def _run(self, scheme: Scheme, match: HashMatch, kind: Kind, passwords: tuple[bytes, ...]) -> bool:
        """One job of the pool: the check, and for a wrong password what is missing to the slowest kind's time."""

        def finish(seconds: float, right: bool) -> None:
            # a guess teaches what the table holds only where that is slower than what is known
            if right or self._kinds.is_slower(kind):
                self._kinds.add(kind, match[0])
            weight = hashes.length_factor(scheme, passwords)
            self._kinds.record(kind, seconds / weight)
            if kind[1].lanes > 1:
                # waiting for threads that have no core is no work
                seconds = min(seconds, (self._kinds.measured(kind) or seconds) * weight)
            if not right:
                hashes.use_cpu_for(self._missing(kind, seconds, passwords))

        return hash_pool().run(hashes.verify, scheme, match, passwords, finish)

    def _missing(self, kind: Kind, spent: float, passwords: tuple[bytes, ...]) -> float:
        """Seconds of work that a wrong password of that kind still has to cost."""
        while (slowest := self._kinds.slowest()) and slowest[0] != kind:
            measured = self._kinds.measured(slowest[0])
            if measured is not None:
                return measured * hashes.length_factor(hashes.SCHEMES[slowest[0][0]], passwords) - spent
            # once for each kind; it takes about what is missing
            try:
                self._measure(*slowest, passwords)
            except UnusableHash:
                self._kinds.forget(slowest[0])
            else:
                return 0
        return 0

    def _measure(self, kind: Kind, stand_in: str, passwords: tuple[bytes, ...]) -> None:
        """See how long a check of that kind takes. Runs on the caller's thread. Raises UnusableHash."""
        scheme, match = hashes.identify(stand_in)
        weight = hashes.length_factor(scheme, passwords)
        hashes.verify(scheme, match, passwords, lambda seconds, _: self._kinds.record(kind, seconds / weight))

    def times(self) -> list[tuple[str, float]]:
        """(scheme, seconds) of a check of every kind that was learnt, the slowest first; those without a time are
        measured. Raises BackendUnavailable when too many checks wait."""
        for kind, stand_in in self._kinds.all():
            if self._kinds.measured(kind) is None:
                try:
                    hash_pool().run(self._measure, kind, stand_in, (b"to see how long it takes",))
                except UnusableHash:
                    self._kinds.forget(kind)
        found = [(kind[0], self._kinds.measured(kind) or 0) for kind, _ in self._kinds.all()]
        return sorted(found, key=lambda each: each[1], reverse=True)

    def learn(self, stored: Iterable[str], everything: bool = False) -> None:
        """Remember what the store's hashes cost, before anybody has signed in; `everything` for no other ones are
        there any more."""
        found: set[Kind] = set()
        for each in stored:
            try:
                _, match, kind = self._usable(each)
            except UnusableHash:
                continue
            found.add(kind)
            self._kinds.add(kind, match[0])
        if everything:
            self._kinds.keep(found)

    def scheme_of(self, stored: str) -> tuple[str, bool]:
        """(what an operator may be told about a hash, whether somebody can sign in with it)."""
        try:
            return self._usable(stored)[0].name, True
        except UnusableHash as unusable:
            return str(unusable), False

    def is_hash(self, stored: str) -> bool:
        """Is it a hash of a scheme that is known, allowed or not?"""
        try:
            hashes.identify(stored)
        except UnusableHash:
            return False
        return True

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
            hashes.uses_every_byte(scheme, form) for form in self._forms(password)
        )

    def heeded(self, scheme: str, password: str) -> bool:
        """Would a hash of that scheme heed all of the password?"""
        most = hashes.SCHEMES[scheme].max_bytes
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

    def _usable(self, stored: str) -> tuple[Scheme, HashMatch, Kind]:
        scheme, match = hashes.identify(stored)
        if scheme.name not in self._allowed:
            raise UnusableHash(f"is a {scheme.name} hash, which schemes does not allow")
        return scheme, match, (scheme.name, hashes.cost_of(scheme, match, self._limits))
