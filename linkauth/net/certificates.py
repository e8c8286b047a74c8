"""Reads from a PEM file how long its certificates are valid. The ssl module tells it only of a peer's certificate."""

from __future__ import annotations

import re
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

_PEM = re.compile("-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----")
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
SECONDS_PER_DAY = 86_400


def remaining_days(path: str) -> int | None:
    """Returns the number of whole days for which all certificates in a PEM file are valid, below 0 after the end.

    Returns None if the file contains no certificate that can be read.
    """
    try:
        text = Path(path).read_text("ascii", "replace")
        ends = [_not_after(ssl.PEM_cert_to_DER_cert(found)) for found in _PEM.findall(text)]
    except (OSError, ValueError, IndexError):
        return None
    return int((min(ends) - time.time()) // SECONDS_PER_DAY) if ends else None


def _not_after(certificate: bytes) -> float:
    """Returns the end of the validity in seconds since 1970 (RFC 5280 section 4.1). Raises ValueError or IndexError."""
    _, whole, _ = _element(certificate)
    _, signed_part, _ = _element(whole)
    tag, _, rest = _element(signed_part)
    if tag != _VERSION:
        # the version is left out in version 1, so this was the serial number
        rest = signed_part
    for _ in ("serial number", "signature algorithm", "issuer"):
        _, _, rest = _element(rest)
    tag, validity, _ = _element(rest)
    if tag != _SEQUENCE:
        raise ValueError("no validity")
    _, _, rest = _element(validity)
    tag, moment, _ = _element(rest)
    text = moment.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Returns (tag, content, what follows) of the first element in DER (X.690 section 8.1)."""
    tag, length, start = data[0], data[1], 2
    if length > 0x80:
        start += length - 0x80
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("an element is cut off")
    return tag, data[start : start + length], data[start + length :]
