"""Verifies passwords against stored hashes. An unknown name takes the same time as a wrong password."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from functools import partial

from linkauth.hashing import hash_pool
from linkauth_sql import hashes
from linkauth_sql.cost_classes import CostClass, CostClasses, dummy_hash
from linkauth_sql.hashes import Limits, Scheme, UnusableHash
from linkauth_sql.hashes.scheme import HashMatch
from linkauth_sql.recognition import Recognizer

DUMMY_HASH = "$argon2id$v=19$m=19456,t=2,p=1$IlzcE10nwrR0Bp4dgl6UEA$VRFqi+wpy7WjP0LFvS2PdtbBsbLmh7y9uYpWh07fFmM"
"""Checked for an unknown name until a hash of the table is known. It costs the same as `modern.RECOMMENDED`. It is a
constant because computing it at the start would take as long as a sign-in."""
_SLASHED = re.compile(r"""(['"\\])""")


class Verifier:
    """Verifies passwords on the hash pool of the process.

    A wrong password and an unknown name take as long as the slowest cost class of the table. `allowed` contains names
    of schemes. `form` is the form in which the application hashes a password (the setting `password_form`).
    `recognizer` identifies the schemes, by default by their format only.
    """

    def __init__(
        self,
        allowed: frozenset[str],
        form: str = "typed",
        pepper: str = "",
        limits: Limits | None = None,
        recognizer: Recognizer | None = None,
    ) -> None:
        self._allowed = allowed
        self._recognizer = recognizer or Recognizer()
        self._form = form
        self._pepper = pepper
        self._limits = limits or Limits()
        self._classes = CostClasses()

    def verify(self, stored: str | None, password: str) -> bool:
        """Returns whether `password` matches the hash `stored`. None stands for an unknown name and never matches.

        Raises UnusableHash, or BackendUnavailable if too many checks wait for the pool.
        """
        # no program stores a password with a NUL; the check still runs, so that it takes the same time
        passwords = self._variants(password.replace("\0", ""))
        if stored is None:
            self._verify_dummy(passwords)
            return False
        return self._run(stored, *self._usable(stored), passwords) and "\0" not in password

    def _verify_dummy(self, passwords: tuple[bytes, ...]) -> None:
        while slowest := self._classes.slowest():
            cost_class, dummy = slowest
            try:
                # with all the work that precedes the check of a stored hash
                self._run(dummy, *self._usable(dummy), passwords)
            except UnusableHash:
                # the dummy was derived from a broken hash
                self._classes.remove(cost_class)
            else:
                return
        hash_pool().run(hashes.verify, *hashes.identify(DUMMY_HASH), passwords)

    def _run(
        self, stored: str, scheme: Scheme, match: HashMatch, cost_class: CostClass, passwords: tuple[bytes, ...]
    ) -> bool:
        """Runs the check on the pool. If no password is correct, it takes as long as the slowest class."""

        def on_verified(seconds: float, is_correct: bool) -> None:
            # a wrong password adds a class only if it is slower than the known ones, so that attackers cannot remove
            # classes by trying many accounts
            if is_correct or self._classes.is_slower(cost_class):
                self._classes.add(cost_class, lambda: self._dummy(stored, match, cost_class))
            factor = hashes.length_factor(scheme, passwords)
            self._classes.record(cost_class, seconds / factor)
            if cost_class[1].lanes > 1:
                # the time of several threads may include waiting for a core
                seconds = min(seconds, (self._classes.seconds(cost_class) or seconds) * factor)
            if not is_correct:
                hashes.consume_cpu(self._remaining_seconds(cost_class, seconds, passwords))

        return hash_pool().run(hashes.verify, scheme, match, passwords, on_verified)

    def _remaining_seconds(self, cost_class: CostClass, spent: float, passwords: tuple[bytes, ...]) -> float:
        """Returns the seconds of CPU time that a check of `spent` seconds lacks to the time of the slowest class.

        If the slowest class has no measured time, it is measured here. That takes about as long as what is lacking.
        """
        while (slowest := self._classes.slowest()) and slowest[0] != cost_class:
            measured = self._classes.seconds(slowest[0])
            if measured is not None:
                return measured * hashes.length_factor(self._recognizer.scheme(slowest[0][0]), passwords) - spent
            try:
                self._measure(*slowest, passwords)
            except UnusableHash:
                self._classes.remove(slowest[0])
            else:
                return 0
        return 0

    def _measure(self, cost_class: CostClass, dummy: str, passwords: tuple[bytes, ...]) -> None:
        """Measures a check of the class on the current thread. Raises UnusableHash."""
        scheme, match = self._recognizer.identify(dummy)
        factor = hashes.length_factor(scheme, passwords)
        hashes.verify(scheme, match, passwords, lambda seconds, _: self._classes.record(cost_class, seconds / factor))

    def _dummy(self, stored: str, match: HashMatch, cost_class: CostClass) -> str:
        """Returns a hash of this class that matches no password, with the prefix and the values of `stored`."""
        dummy = dummy_hash(stored)
        try:
            if self._usable(dummy)[2] == cost_class:
                return dummy
        except UnusableHash:
            # a part of the text is encoded
            pass
        return dummy_hash(match[0])

    def check_times(self) -> list[tuple[str, float]]:
        """Returns (scheme, seconds of one check) for every known class, the slowest first.

        Classes without a time are measured. Raises BackendUnavailable if too many checks wait for the pool.
        """
        for cost_class, dummy in self._classes.slowest_first():
            if self._classes.seconds(cost_class) is None:
                try:
                    hash_pool().run(self._measure, cost_class, dummy, (b"any password of usual length",))
                except UnusableHash:
                    self._classes.remove(cost_class)
        classes = [cost_class for cost_class, _ in self._classes.slowest_first()]
        times = [(cost_class[0], self._classes.seconds(cost_class) or 0) for cost_class in classes]
        return sorted(times, key=lambda scheme_and_seconds: scheme_and_seconds[1], reverse=True)

    def learn(self, stored_hashes: Iterable[str], complete: bool = False) -> None:
        """Adds the cost classes of hashes in the table.

        With `complete`, these are all hashes of the table, and other classes are removed.
        """
        classes: set[CostClass] = set()
        for stored in stored_hashes:
            try:
                _, match, cost_class = self._usable(stored)
            except UnusableHash:
                continue
            classes.add(cost_class)
            self._classes.add(cost_class, partial(self._dummy, stored, match, cost_class))
        if complete:
            self._classes.retain(classes)

    def describe(self, stored: str) -> tuple[str, bool]:
        """Returns (description of a hash for operators, whether it can be used to sign in)."""
        try:
            return self._usable(stored)[0].name, True
        except UnusableHash as unusable:
            return str(unusable), False

    def scheme_of(self, stored: str) -> str:
        """Returns the name of the scheme of a stored hash, allowed or not, and "" if it is unknown."""
        try:
            return self._recognizer.identify(stored)[0].name
        except UnusableHash:
            return ""

    def is_hash(self, stored: str) -> bool:
        """Returns whether the text is a hash of a known scheme, allowed or not."""
        return bool(self.scheme_of(stored))

    def new_hash(self, scheme: str, password: str) -> str:
        """Returns a hash of a new password in the form of the application. Raises BackendUnavailable."""
        return hash_pool().run(hashes.new_hash, scheme, self._variants(password)[-1])

    def is_current(self, stored: str, scheme: str) -> bool:
        """Returns whether `stored` is at least as strong as a new hash of `scheme`. Raises BackendUnavailable."""
        return hash_pool().run(hashes.is_current, stored, scheme)

    def proves_every_byte(self, stored: str, password: str) -> bool:
        """Returns whether a successful check proves every byte of the password, in one Unicode form.

        Raises UnusableHash.
        """
        scheme, _ = self._recognizer.identify(stored)
        return unicodedata.is_normalized("NFC", password) and all(
            hashes.uses_every_byte(scheme, variant) for variant in self._variants(password)
        )

    def fits_scheme(self, scheme: str, password: str) -> bool:
        """Returns whether a new hash of the scheme uses all bytes of the password."""
        max_bytes = hashes.SCHEMES[scheme].max_bytes
        return not max_bytes or len(self._variants(password)[-1]) <= max_bytes

    def _variants(self, password: str) -> tuple[bytes, ...]:
        """Returns the byte strings that the application may have hashed; its default form is the last one."""
        # keyboards send é as one code point or as two, and the hash was made from one of these forms
        composed = unicodedata.normalize("NFC", password)
        texts = [password, composed]
        if self._form == "slashed":
            texts.append(_SLASHED.sub(r"\\\1", composed))
        elif self._form == "html":
            texts.append(html.escape(composed, quote=False).replace('"', "&quot;"))
        forms = [text.encode("utf-8", "surrogatepass") for text in texts]
        if self._form == "entities":
            forms.append(_with_entities(composed.strip(" ")))
        pepper = self._pepper.encode("utf-8", "surrogatepass")
        # remove duplicates, keeping the last one of each
        return tuple(form + pepper for form in list(dict.fromkeys(reversed(forms)))[::-1])

    def _usable(self, stored: str) -> tuple[Scheme, HashMatch, CostClass]:
        """Identifies a hash. Raises UnusableHash if its scheme is not allowed or its cost exceeds the limits."""
        scheme, match = self._recognizer.identify(stored)
        if scheme.name not in self._allowed:
            raise UnusableHash(f"is {scheme.with_article} hash, which schemes does not allow")
        return scheme, match, (scheme.name, hashes.cost_of(scheme, match, self._limits))


def _with_entities(text: str) -> bytes:
    """Returns the text in Latin-1, with &#12345; for all other UTF-16 units, as the script of vBulletin hashes it."""
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(int.from_bytes(units[start : start + 2], "little")) for start in range(0, len(units), 2)).encode(
        "latin-1", "xmlcharrefreplace"
    )
