"""Tests with damaged hashes: they let no wrong password in, cause no other exception, and are not counted as good."""

from __future__ import annotations

import random
import re

from linkauth_sql.hashes import SCHEMES, Limits, UnusableHash, cost_of, identify, verify
from linkauth_sql.passwords import Verifier

from .test_looks import BCRYPT, FORMS, PBKDF2_OF_8_BYTES
from .vectors import VECTORS, stored_hash

ROUNDS = 40
"""The number of damaged texts that are made of each hash."""
LIMITS = Limits(20, 8 << 20)
NUMBERS = ("0", "00", "1", "3", "999", "064", "64", "4294967296", "-1", "1e9", "999999999999", "\u0663", "\uff10")
INSERTED = "=$:{}|,.+/ \n\0aZ09\u00e9"


def damaged(text: str, source: random.Random) -> str:
    """Returns the text with one part removed, inserted or replaced."""
    start = source.randrange(len(text))
    end = min(len(text), start + source.randrange(1, 40))
    if numbers := list(re.finditer("[0-9]+", text)):
        number = source.choice(numbers)
        with_number = text[: number.start()] + source.choice(NUMBERS) + text[number.end() :]
    else:
        with_number = text
    fields = text.split("$")
    fields[source.randrange(len(fields))] = source.choice(("", "0", "A", "="))
    return source.choice(
        (
            text[:start],
            text[start:],
            text[:start] + text[end:],
            text[:start] + source.choice(INSERTED) + text[start:],
            text[:start] + source.choice(INSERTED) + text[start + 1 :],
            text[:start] + text[start] * source.randrange(1, 60) + text[start:],
            with_number,
            "$".join(fields),
            text.upper(),
            text.lower(),
        )
    )


def test_damaged_hashes() -> None:
    source, usable = random.Random(1), 0
    stored = {vector.stored_hash for vector in VECTORS} | {form[0] for form in FORMS}
    for text in sorted(stored):
        for _ in range(ROUNDS):
            made = damaged(text, source)
            try:
                scheme, match = identify(made)
                cost = cost_of(scheme, match, LIMITS)
            except UnusableHash:
                continue
            assert min(cost.milliseconds, cost.memory) >= 0, made
            # what counts as good can be verified
            assert not verify(scheme, match, (b"a wrong password",)), made
            usable += 1
    assert usable > 500


def _of_argon2(old: str, new: str) -> str:
    assert old in stored_hash("argon2")
    return stored_hash("argon2").replace(old, new)


UNVERIFIABLE = {
    "pbkdf2 of 8 bytes": PBKDF2_OF_8_BYTES,
    "pbkdf2 of another length": "$pbkdf2-sha256$i=1000,l=64$AAECAwQFBgcICQoLDA0ODw$" + "A" * 43,
    "pbkdf2 not base64": "$pbkdf2-sha256$1000$A$" + "A" * 43,
    "scrypt n": "$scrypt$n=1000,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$" + "A" * 86,
    "scrypt of 3 bytes": "$scrypt$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$AAAA",
    "django scrypt n": "scrypt$1000$salt$8$1$" + "A" * 86 + "==",
    "werkzeug scrypt": "scrypt:1024:8:1$salt$00",
    "werkzeug pbkdf2": "pbkdf2:sha256:1000$salt$" + "00" * 20,
    "argon2": "$argon2id$v=19$m=64,t=1,p=1$A$A",
    "mediawiki": ":pbkdf2:sha512:1000:64:c2FsdA==:AAAA",
    "ssha": "{SSHA}AAAA",
    "ssha hex": "{SSHA.HEX}zz" + "0" * 38,
    "jellyfin": "$PBKDF2$iterations=1000$00$00",
    "ldap pbkdf2": "{PBKDF2-SHA256}1000$AAAA$AAAA",
    "spring pbkdf2": "{pbkdf2}" + "00" * 45,
    "spring scrypt": "$e0801$AAAA$AAAA",
    "pbkdf2 without rounds": "$pbkdf2-sha256$0$AAECAwQFBgcICQoLDA0ODw$" + "A" * 43,
    "dovecot without rounds": "{PBKDF2}$1$saltsalt$0$" + "00" * 20,
    "keycloak without rounds": stored_hash("keycloak").replace('"hashIterations":1', '"hashIterations":-1'),
    "scrypt r": "$scrypt$ln=10,r=0,p=1$AAECAwQFBgcICQoLDA0ODw$" + "A" * 86,
    "scrypt n for r": "scrypt:65536:1:1$salt$" + "00" * 64,
    "argon2 passes": _of_argon2("t=1", "t=0"),
    "argon2 lanes": _of_argon2("p=1", "p=0"),
    "argon2 memory": _of_argon2("m=64,t=1,p=1", "m=64,t=1,p=9"),
    "argon2 version": _of_argon2("v=19", "v=18"),
    "argon2 parameter": _of_argon2("p=1", "p=1,data=AAAA"),
    "argon2 number": _of_argon2("m=64", "m=064"),
    "argon2 cut": stored_hash("argon2")[:-1],
    "argon2 digest of 4 bytes": stored_hash("argon2").rpartition("$")[0] + "$AAAAAA",
    "bcrypt salt": BCRYPT[:28] + "v" + BCRYPT[29:],
    "bcrypt digest": BCRYPT[:-1] + "3",
    "wordpress": "$wp" + BCRYPT[:-1] + "3",
    "yescrypt salt": "$y$j75$A$" + "A" * 43,
    "gitea argon2 salt": "00" * 50 + '\nargon2$2$64$1$50\nvalues {"salt": "00"}',
    "scram": "{SCRAM-SHA-256}4096,AAAA,AAAA,AAAA",
    "spring digest": "{SHA-1}{salt}" + "00" * 16,
    "aspnet": "AQAAAAAAAAAAAAAAEAARIjNEVWZ3iJmqu8zd7v8GpAC5WUAXMIeRGbjVChX/o4yLnXRqH0E+eVoojW+R8w==",
}


def test_hashes_that_nobody_can_verify() -> None:
    verifier = Verifier(frozenset(SCHEMES))
    for text in UNVERIFIABLE.values():
        description, is_usable = verifier.describe(text)
        assert not is_usable, text
        assert any(word in description for word in ("broken", "implausible length", "too short")), description
        assert text not in description
