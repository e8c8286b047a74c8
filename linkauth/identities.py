"""The names and IP addresses of people: the keys that stand for them, and what the log shows of them. PUBLIC.

Plugins use `shown_name` for each user name, DN or subject in a log message or in an error message. The setting
`linkauth.log_identities` decides what it returns: the text itself, a hash, or nothing. The hash is an HMAC whose key is
derived from `linkauth.secret` and the date in UTC: lines of one day about one person have the same hash, and
`linkauth log hash` computes it again for a name. Without the secret, nobody can find the name by trying names.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from secrets import token_hex
from typing import Literal

from linkauth.backends.names import ascii_digits, ascii_punctuation

Policy = Literal["full", "hashed", "none"]
HASH_PREFIX = "hash:"
HIDDEN = "(not logged)"
"""What a message contains in place of a name if the policy is `none`."""
NAME_LIMIT = 1024
"""The number of characters of a name that count. A DN may be longer than a user name."""
_HASH_DIGITS = 16
_policy: tuple[Policy, str] = ("hashed", token_hex(32))
"""The policy and the secret. Until `configure` is called, the hashes are random for each process."""
_canonical: Callable[[str], str] = str


def configure(policy: Policy, secret: str, canonical: Callable[[str], str] = str) -> None:
    """Set what the log of this process shows. `secret` is linkauth.secret.

    `canonical` returns the same text for all forms of a user name that `normalize_username` does not equate, such as
    the national and the international form of a telephone number.
    """
    global _policy, _canonical
    _policy, _canonical = (policy, secret), canonical


def shown_name(name: str) -> str:
    """Return what the log shows of a user name, DN, email address or subject; HIDDEN with the policy `none`."""
    policy, secret = _policy
    if policy == "full":
        return name[:NAME_LIMIT]
    return HIDDEN if policy == "none" else name_hash(name, secret, datetime.now(UTC).date())


def shown_address(address: str) -> str:
    """Return what the log shows of an IP address; HIDDEN with the policy `none`."""
    policy, secret = _policy
    if policy == "full":
        return address
    return HIDDEN if policy == "none" else address_hash(address, secret, datetime.now(UTC).date())


def name_hash(name: str, secret: str, day: date) -> str:
    """Return the hash of a name in the log of a day (UTC). All typed forms of one name have the same hash."""
    return _hash(f"name {normalize_username(_canonical(name[:NAME_LIMIT]))}", secret, day)


def address_hash(address: str, secret: str, day: date) -> str:
    """Return the hash of an IP address in the log of a day (UTC). The addresses of one IPv6 client have the same."""
    return _hash(f"address {address_bucket(address) or address}", secret, day)


def _hash(text: str, secret: str, day: date) -> str:
    found = digest(_day_key(secret, day), text.encode("utf-8", "surrogatepass"), sha256)
    return HASH_PREFIX + found.hex()[:_HASH_DIGITS]


@lru_cache(64)
def _day_key(secret: str, day: date) -> bytes:
    return digest(secret.encode("utf-8"), f"linkauth identities in logs {day.isoformat()}".encode("ascii"), sha256)


def normalize_username(username: str) -> str:
    """Return the same key for all spellings of a user name, and all its `name_forms`.

    The caller must limit the length of `username`.
    """
    key = username if username.isascii() else "".join(each for each in username if unicodedata.category(each) != "Cf")
    # twice, because the result of folding the case may have another normal form
    for _ in range(1 if key.isascii() else 2):
        key = unicodedata.normalize("NFKC", ascii_punctuation(ascii_digits(key))).casefold()
    # LDAP treats a run of spaces as one space (RFC 4518 section 2.6.1)
    return " ".join(ascii_punctuation(key).split())


@lru_cache(1024)
def address_bucket(address: str) -> str:
    """Return the key that counts an address: its IPv4 address or IPv6 /64 network; "" if it is not an IP address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if ip.version == 6:
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
