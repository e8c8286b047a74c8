"""Time-based one-time passwords (RFC 6238), with the parameters that every authenticator app supports.

A server imports this module only if a client asks for a second factor.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote, urlencode

import pyotp
import segno

from linkauth.login.codes import normalize_code

STEP_SECONDS, DIGITS = 30, 6
DRIFT_STEPS = 1
"""How many time steps the clock of a phone may differ (RFC 6238 section 5.2)."""

ISSUER_LIMIT, ACCOUNT_LIMIT = 40, 64
"""Maximum numbers of characters of the names in the URI. No QR code could contain longer ones in every script."""


def new_secret() -> str:
    """Return a random secret of 160 bits in Base32, as RFC 4226 section 4 recommends."""
    return pyotp.random_base32()


def code_at(secret: str, step: int) -> str:
    """Return the code of a time step, the number of intervals of 30 seconds since 1970."""
    return pyotp.TOTP(secret, digits=DIGITS, digest=hashlib.sha1, interval=STEP_SECONDS).generate_otp(step)


def matching_step(secret: str, typed: str, now: int) -> int | None:
    """Return the time step whose code was typed at `now` (seconds since 1970), or None.

    Digits of other scripts, blanks and hyphens are accepted.
    """
    code, current = normalize_code(typed).encode("utf-8", "surrogatepass"), now // STEP_SECONDS
    steps = [max(current + drift, 0) for drift in range(-DRIFT_STEPS, DRIFT_STEPS + 1)]
    # all of them are compared, so that the time does not show which one it is
    matching = [step for step in steps if hmac.compare_digest(code_at(secret, step).encode("ascii"), code)]
    return max(matching, default=None)


def enrolment_uri(secret: str, issuer: str, account: str) -> str:
    """Return the URI for authenticator apps, as they read it from a QR code.

    The label must contain no other colon than the one between issuer and account, so others become blanks.
    """
    issuer, account = (" ".join(text.replace(":", " ").split()) for text in (issuer, account))
    issuer, account = issuer[:ISSUER_LIMIT].rstrip(), account[:ACCOUNT_LIMIT].rstrip()
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    parameters = {"secret": secret, "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_SECONDS}
    # apps show a plus sign as it is
    return f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote)}"


def qr_code(text: str) -> str:
    """Return a QR code as an SVG element without scripts and styles. It is dark on light, as cameras need it."""
    code = segno.make(text, error="m", micro=False)
    return str(code.svg_inline(border=4, dark="#000", light="#fff", svgclass=None, lineclass=None, omitsize=True))
