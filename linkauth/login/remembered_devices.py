"""Remembers devices on which a person has passed the second factor, with a signed cookie.

The cookie contains no name. It is bound to the person and to the enrolment of the second factor, so that it is of no
use after a reset. It is never needed: without it, the person is asked again.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

from linkauth.login.factors import SecondFactor

DAY_SECONDS = 86_400
_VALUE = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)


class RememberedDevices:
    """Signs and verifies the values of cookies. `secret` and `previous` are from the ini file.

    `days` is the setting `remember_days`. A shorter time also applies to cookies that exist already.
    """

    def __init__(self, secret: str, previous: Sequence[str], days: int) -> None:
        self._keys = [
            sha256(b"linkauth remembered devices" + text.encode("utf-8")).digest() for text in (secret, *previous)
        ]
        self.seconds = days * DAY_SECONDS

    def value(self, factor: SecondFactor, now: int) -> str:
        """Returns the value of the cookie for a device of the owner of `factor`."""
        expiry = str(now + self.seconds)
        return f"{expiry}.{_signature(self._keys[0], factor, expiry)}"

    def is_remembered(self, value: str, factor: SecondFactor, now: int) -> bool:
        """Returns whether the cookie with this value is valid for the owner of `factor`."""
        match = _VALUE.fullmatch(value)
        if match is None or not now < int(match[1]) <= now + self.seconds:
            return False
        return any(hmac.compare_digest(_signature(key, factor, match[1]), match[2]) for key in self._keys)


def _signature(key: bytes, factor: SecondFactor, expiry: str) -> str:
    # only the subject may contain any character
    message = "\0".join((expiry, factor.enrolment, factor.backend, factor.subject))
    mac = hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256")
    return urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")
