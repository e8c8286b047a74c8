"""The codes that are mailed, and the values in the pages of recovery and registration.

A page of the first step contains a random value. The value of its challenge is derived from it and from what the person
typed, so that a form that is posted twice starts one challenge and sends one mail.
"""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

from linkauth.login.challenges import ChallengeKey, Purpose

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""30 characters without those that look like others: 0 and O, 1, I and L, U and V. 8 of them have 39 bits."""
CODE_LENGTH = 8
TYPED_LIMIT = 64
"""Number of characters of a typed code that are read."""
_LOOK_ALIKES = str.maketrans("U", "V")
_PAGE = re.compile(r"[A-Za-z0-9_-]{22}")
_WAIT = re.compile(r"([0-9]{1,12})\.((?:[A-Za-z0-9_-]{24}){1,9})", re.ASCII)
_SIGNATURE_LENGTH = 24
"""Characters of one signature in a `wait` value."""


def new_code() -> str:
    """Returns a random code."""
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def normalize_code(typed: str) -> str:
    """Returns a typed code in the alphabet of codes, as far as possible; "" if nothing was typed.

    Case, blanks, hyphens and other punctuation are ignored. Full-width letters and the digits of other scripts, which
    the keyboard of a phone may produce, are converted.
    """
    letters = unicodedata.normalize("NFKC", typed[:TYPED_LIMIT]).upper()
    digits = (str(unicodedata.decimal(each)) if each.isdecimal() else each for each in letters if each.isalnum())
    return "".join(digits).translate(_LOOK_ALIKES)


def code_digest(challenge: str, typed: str) -> bytes:
    """Returns the digest of a typed code for the challenge whose value in the page is `challenge`."""
    return sha256(f"{challenge}\0{normalize_code(typed)}".encode("utf-8", "surrogatepass")).digest()


def challenge_key(challenge: str, query: str, purpose: Purpose) -> ChallengeKey:
    """Returns the key of the challenge with the value `challenge`, for the raw query string of its request."""
    return ChallengeKey(_digest(challenge), _digest(query), purpose)


class PageValues:
    """Creates and verifies the values in pages. `secret` is `linkauth.secret`.

    A `wait` value has one signature for each of `secret` and `previous_secrets`, and one valid signature is sufficient,
    so that servers accept each other's values while the secret is being replaced.
    """

    def __init__(self, secret: str, previous_secrets: Sequence[str] = ()) -> None:
        self._keys = [
            sha256(b"linkauth values in pages" + text.encode("utf-8")).digest() for text in (secret, *previous_secrets)
        ]

    @staticmethod
    def new_page() -> str:
        """Returns a new random value for a page of the first step."""
        return secrets.token_urlsafe(16)

    @staticmethod
    def is_page(value: str) -> bool:
        """Returns whether `value` has the form of `new_page`."""
        return _PAGE.fullmatch(value) is not None

    def challenge(self, page: str, purpose: Purpose, typed: str) -> str:
        """Returns the value of the challenge for a page value and what was typed. It has 43 URL-safe characters."""
        mac = self._mac(self._keys[0], "challenge", page, purpose, typed)
        return urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")

    def wait(self, page: str, typed: str, until: int) -> str:
        """Returns a value that accepts this form from the time `until` (seconds since 1970) on."""
        return f"{until}.{''.join(self._signatures(page, typed, until))}"

    def waits_until(self, wait: str, page: str, typed: str) -> int | None:
        """Returns the time of a `wait` value, or None if it is not valid for this form."""
        match = _WAIT.fullmatch(wait)
        if match is None:
            return None
        until, signatures = int(match[1]), match[2]
        presented = [
            signatures[begin : begin + _SIGNATURE_LENGTH] for begin in range(0, len(signatures), _SIGNATURE_LENGTH)
        ]
        expected = self._signatures(page, typed, until)
        signed = any(hmac.compare_digest(one, other) for one in presented for other in expected)
        return until if signed else None

    def _signatures(self, page: str, typed: str, until: int) -> list[str]:
        macs = (self._mac(key, "wait", page, str(until), typed) for key in self._keys)
        return [urlsafe_b64encode(mac[:18]).decode("ascii") for mac in macs]

    @staticmethod
    def _mac(key: bytes, *parts: str) -> bytes:
        # only the last part may contain NUL
        return hmac.digest(key, "\0".join(parts).encode("utf-8", "surrogatepass"), "sha256")


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
