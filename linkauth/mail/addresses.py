"""Email addresses: which ones mails are sent to, and the form that SMTP servers understand."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAX_LENGTH = 254
"""The maximum length of an address in bytes (RFC 5321 section 4.5.3.1.3, without the angle brackets)."""
MAX_LOCAL_LENGTH = 64
"""The maximum length of the part before the @ in bytes (RFC 5321 section 4.5.3.1.1)."""
MAX_NAME_LENGTH = 64
"""The maximum length of the name of a sender in characters. Mail programs show less."""
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+")
"""A part of a local part without quotes (RFC 5322 section 3.2.3, RFC 6531 section 3.3)."""
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""A label of a host name (RFC 1123 section 2.1)."""
_UNUSABLE_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
_SENDER = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")


class InvalidAddress(ValueError):
    """Mails cannot be sent to this address. The message is the predicate of a sentence, without the address."""


@dataclass(frozen=True, slots=True)
class Address:
    """An email address. `local` is in Unicode form NFC. `domain` is ASCII in lower case (A-labels, RFC 5890)."""

    local: str
    domain: str

    @property
    def needs_utf8(self) -> bool:
        """Whether a server must support SMTPUTF8 (RFC 6531) to deliver to this address."""
        return not self.local.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of mails: an address and the name that mail programs show, which may be ""."""

    name: str
    address: Address


def parse_address(text: str) -> Address:
    """Returns the address. Domains may be written in any script. Raises InvalidAddress.

    Quoted local parts, comments and domain literals (RFC 5321 section 4.1.2) are not accepted, because forms and SMTP
    servers treat them differently.
    """
    local, at, domain = unicodedata.normalize("NFC", text).rpartition("@")
    if not at or not local or not domain:
        raise InvalidAddress("is not an email address")
    if len(local.encode("utf-8", "replace")) > MAX_LOCAL_LENGTH or len(text) > MAX_LENGTH:
        raise InvalidAddress("is too long for an email address")
    # mail programs could decode an encoded word (RFC 2047), although it is not allowed here
    if not all(map(_ATOM.fullmatch, local.split("."))) or "=?" in local:
        raise InvalidAddress("has characters before the @ that an email address cannot have")
    if any(unicodedata.category(letter) in _UNUSABLE_CATEGORIES for letter in local):
        raise InvalidAddress("has invisible characters before the @")
    address = Address(local, _ascii_domain(domain))
    if len(str(address).encode("utf-8")) > MAX_LENGTH:
        raise InvalidAddress("is too long for an email address")
    return address


def parse_sender(text: str) -> Sender:
    """Returns the sender that `text` describes: `no-reply@example.com` or `Example Rides <no-reply@example.com>`.

    The name may be in double quotes. Raises InvalidAddress.
    """
    found = _SENDER.fullmatch(text.strip())
    name, address = (found["name"].strip(), found["address"]) if found else ("", text.strip())
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1]).strip()
    if any(unicodedata.category(letter) in _UNUSABLE_CATEGORIES - {"Zs"} for letter in name):
        raise InvalidAddress("has invisible characters in the name of the sender")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidAddress(f"has a name of more than {MAX_NAME_LENGTH} characters")
    sender = Sender(name, parse_address(address))
    if sender.address.needs_utf8:
        raise InvalidAddress("has characters other than ASCII before the @, which few servers accept in a sender")
    return sender


def _ascii_domain(domain: str) -> str:
    """Returns a domain as A-labels in lower case. Raises InvalidAddress."""
    ascii_domain = domain.lower()
    if not domain.isascii() or "xn--" in ascii_domain:
        # imported here, because few addresses need it
        import idna

        try:
            ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
        except UnicodeError:
            raise InvalidAddress("has an invalid domain after the @") from None
    labels = ascii_domain.split(".")
    if len(ascii_domain) > 253 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise InvalidAddress("has an invalid domain after the @")
    return ascii_domain
