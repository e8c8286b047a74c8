"""Known devices: a cookie marks a device on which a person has signed in.

Such a device has buckets of its own for this person. So strangers who guess the password cannot keep the person out,
and a stolen cookie gives no more guesses than the limit of an account. The cookie is never needed.

Its value is `<device>.<entry>.<entry>…`. The device is random. There is an entry for each name of its owners: the time
when it expires, and an HMAC of device, time and name. The name itself is not in it.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256

DAY_SECONDS = 86_400
MAX_ENTRIES = 8
"""The owners of a shared device have two to three entries each: the typed name, the stored name, and the account."""
RENEWAL_SECONDS = DAY_SECONDS
"""An entry that is younger is not renewed, so that most sign-ins set no cookie."""
_DEVICE = re.compile(r"[A-Za-z0-9_-]{16}", re.ASCII)
_ENTRY = re.compile(r"([0-9]{1,12})-([A-Za-z0-9_-]{22})", re.ASCII)
MAX_LENGTH = 16 + MAX_ENTRIES * (1 + 12 + 1 + 22)


class KnownDevices:
    """Makes and verifies the values of the cookie. `secret` and `previous` are from the ini file.

    `days` is the time after which an entry expires. With 0, no device is known.
    """

    def __init__(self, secret: str, previous: Sequence[str], days: int) -> None:
        self._keys = [sha256(b"linkauth known devices" + each.encode("utf-8")).digest() for each in (secret, *previous)]
        self.seconds = days * DAY_SECONDS

    def find(self, value: str, name: str, now: int) -> str:
        """Return the device if the cookie with this value was set for the owner of `name`; otherwise ""."""
        device, entries = _split(value)
        return device if any(self._is_of(device, each, name, now) for each in entries) else ""

    def renewed(self, value: str, names: Iterable[str], now: int) -> str:
        """Return the value of the cookie after a sign-in with `names`; "" if the present one is still good."""
        if not self.seconds:
            return ""
        wanted = list(dict.fromkeys(names))
        device, entries = _split(value)
        fresh = [each for each in entries if int(each.partition("-")[0]) > now + self.seconds - RENEWAL_SECONDS]
        if all(any(self._is_of(device, each, name, now) for each in fresh) for name in wanted):
            return ""
        device = device or secrets.token_urlsafe(12)
        others = [each for each in entries if not any(self._is_of(device, each, name, now) for name in wanted)]
        expiry = now + self.seconds
        own = [f"{expiry}-{_signature(self._keys[0], device, expiry, name)}" for name in wanted]
        return ".".join((device, *[*own, *others][:MAX_ENTRIES]))

    def _is_of(self, device: str, entry: str, name: str, now: int) -> bool:
        expiry, _, signature = entry.partition("-")
        if not now < int(expiry) <= now + self.seconds:
            return False
        return any(hmac.compare_digest(_signature(key, device, int(expiry), name), signature) for key in self._keys)


def _split(value: str) -> tuple[str, list[str]]:
    """Return the device and the entries of a value; ("", []) if it is not one that linkauth sets."""
    if len(value) > MAX_LENGTH:
        return "", []
    device, *entries = value.split(".")
    if not _DEVICE.fullmatch(device) or not all(map(_ENTRY.fullmatch, entries)):
        return "", []
    return device, entries


def _signature(key: bytes, device: str, expiry: int, name: str) -> str:
    # only the name may contain any character
    message = f"{device}\0{expiry}\0{name}".encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(hmac.digest(key, message, "sha256")[:16]).rstrip(b"=").decode("ascii")
