"""What a directory's answer to a person's bind means. Pure: a result in, an Outcome or an exception out.

The texts and codes are what OpenLDAP 2.5, Samba AD 4.17 and 389 Directory Server 2.3 were seen to answer; FreeIPA's and
the rest of Active Directory's come from their sources and from MS-ADTS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from linkauth.backends import (
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    Reason,
    WrongPassword,
)
from linkauth.redaction import redact
from linkauth_ldap.controls import EXPIRED, EXPIRING, PPOLICY, parse_ppolicy

SUCCESS = 0
SECONDS_DIGITS = 18
"""Of a number that a directory gives; a longer one is none."""
AD_DATA = re.compile(r"\bdata ([0-9a-fA-F]+),")
AD_PROVEN: Mapping[str, Reason] = {
    "530": "logon_restricted",
    "531": "logon_restricted",
    "532": "password_expired",
    "533": "disabled",
    "701": "account_expired",
    "773": "must_change_password",
}
"""Sub-codes that Active Directory gives only for the right password."""
UNAVAILABLE = {1, 3, 11, 51, 52, 80}
"""operationsError, timeLimitExceeded, adminLimitExceeded, busy, unavailable, other: no answer to the question."""
WANTS_TLS = {8, 13}
"""strongerAuthRequired, confidentialityRequired: no password is taken in clear text."""
USE_TLS = "the server wants TLS for passwords: set starttls = true, or ldaps:// in uris"
MISCONFIGURED = {
    8: "strongerAuthRequired",
    10: "referral",
    13: "confidentialityRequired",
    50: "insufficientAccessRights",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The password is right. `must_change`: the directory wants a new one first; `grace`: how many more times an
    expired one is taken; `expires_in`: seconds until it expires."""

    must_change: bool = False
    grace: int | None = None
    expires_in: int | None = None


def told(result: Mapping[str, Any]) -> str:
    """What a server says of an operation: the name of the result code, and its diagnostic message."""
    return redact(f"{result.get('description')} {result.get('message') or ''}".strip())


def bind_outcome(result: Mapping[str, Any]) -> Outcome:
    """What the result of a person's bind means. Raises the contract's exceptions for anything but a right password."""
    code, text, controls = result["result"], str(result.get("message") or ""), result.get("controls") or {}
    policy = parse_ppolicy(controls)
    error = policy.error if policy else ""
    if code == SUCCESS:
        if policy is None and isinstance(controls.get(PPOLICY), Mapping) and controls[PPOLICY].get("value"):
            # it may want a new password first
            raise BackendUnavailable("a person's bind succeeded with a password policy control that cannot be read")
        grace, expires_in = (policy.grace, policy.expires_in) if policy else (None, _seconds(controls.get(EXPIRING)))
        # 389 Directory Server says "expired" beside the grace logins that are left
        expired = EXPIRED in controls and policy is None
        return Outcome(error == "change_after_reset" or expired, grace, expires_in)
    if code == 49:
        raise _invalid_credentials(text, error)
    if code == 19:
        raise AccountRefused("disabled" if "inactivity limit" in text.lower() else "locked")
    if code == 53 and (refused := _unwilling(text)):
        raise refused
    if code in (32, 34, 48):
        # the entry is gone, or takes no password
        raise WrongPassword(f"the directory answered {code}")
    if code in MISCONFIGURED:
        hint = f"{USE_TLS}: " if code in WANTS_TLS else ""
        raise BackendMisconfigured(f"{hint}a person's bind was refused with {MISCONFIGURED[code]}: {redact(text)}")
    raise BackendUnavailable(f"a person's bind was answered with {code}: {redact(text)}")


def _invalid_credentials(text: str, policy_error: str) -> Exception:
    if policy_error == "password_expired" or re.search(r"password (is )?expired", text, re.IGNORECASE):
        return AccountRefused("password_expired", proven=True)
    if policy_error == "account_locked":
        # told whether the password was right or not
        return AccountRefused("locked")
    found = AD_DATA.search(text)
    sub_code = found[1].lower() if found else ""
    if sub_code == "775":
        return AccountRefused("locked")
    if sub_code in AD_PROVEN:
        return AccountRefused(AD_PROVEN[sub_code], proven=True)
    return WrongPassword()


def _unwilling(text: str) -> AccountRefused | None:
    """unwillingToPerform, as 389 Directory Server and FreeIPA use it before they look at the password."""
    lowered = text.lower()
    if "inactivated" in lowered:
        return AccountRefused("disabled")
    if "too many failed logins" in lowered or "permanently locked" in lowered:
        return AccountRefused("locked")
    if "principal) is expired" in lowered:
        return AccountRefused("account_expired")
    return None


def _seconds(control: Any) -> int | None:
    value = control.get("value") if isinstance(control, Mapping) else None
    return int(value) if isinstance(value, bytes) and value.isdigit() and len(value) <= SECONDS_DIGITS else None
