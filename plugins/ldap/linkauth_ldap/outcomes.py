"""Interprets the result of a person's bind: returns an Outcome or raises an exception of the contract.

The messages and codes were observed with OpenLDAP 2.5, Samba AD 4.17 and 389 Directory Server 2.3. Those of FreeIPA and
the other ones of Active Directory come from its source code and from MS-ADTS.
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
    is_watched,
)
from linkauth.identities import shown_name
from linkauth.redaction import redact
from linkauth_ldap import reports
from linkauth_ldap.controls import EXPIRED, EXPIRING, PPOLICY, parse_ppolicy

SUCCESS = 0
MAX_SECONDS_DIGITS = 18
"""The maximum number of digits in a number of seconds."""
_QUOTED_DN = re.compile(r'(\bdn ?[=:] ?")([^"]+)', re.IGNORECASE)
"""A DN in a message of a password quality module, such as ppm of OpenLDAP: Password for dn="uid=..." does not pass."""
AD_DATA = re.compile(r"\bdata ([0-9a-fA-F]+),")
AD_PROVEN: Mapping[str, Reason] = {
    "530": "logon_restricted",
    "531": "logon_restricted",
    "532": "password_expired",
    "533": "disabled",
    "701": "account_expired",
    "773": "must_change_password",
}
"""Sub-codes that Active Directory returns only if the password is correct."""
UNAVAILABLE = {1, 3, 11, 51, 52, 80}
"""operationsError, timeLimitExceeded, adminLimitExceeded, busy, unavailable, other."""
WANTS_TLS = {8, 13}
"""strongerAuthRequired, confidentialityRequired: the server does not accept passwords in clear text."""
USE_TLS = "the server wants TLS for passwords: set starttls = true, or ldaps:// in uris"
TRUST_SOCKET = "the server does not accept passwords over ldapi://: raise localSSF (olcLocalSSF) of OpenLDAP"
MISCONFIGURED = {
    8: "strongerAuthRequired",
    10: "referral",
    13: "confidentialityRequired",
    50: "insufficientAccessRights",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a bind with a correct password.

    `must_change` is true if the directory requires a new password first. `grace` is the number of remaining logins with
    an expired password. `expires_in` is the number of seconds until the password expires.
    """

    must_change: bool = False
    grace: int | None = None
    expires_in: int | None = None


def describe_result(result: Mapping[str, Any]) -> str:
    """Returns the name of the result code and the diagnostic message, on one line and without secrets."""
    return _shown(f"{result.get('description')} {result.get('message') or ''}")


def _shown(message: str) -> str:
    """Returns what the log shows of a text of the directory, which may contain the DN of a person."""
    line = "".join(letter if letter.isprintable() else " " for letter in redact(message))
    return " ".join(_QUOTED_DN.sub(lambda found: found[1] + shown_name(found[2]), line).split())


def bind_outcome(result: Mapping[str, Any]) -> Outcome:
    """Returns the outcome of a person's bind if the password is correct.

    Raises WrongPassword, AccountRefused, BackendUnavailable or BackendMisconfigured otherwise.
    """
    code, text, controls = result["result"], str(result.get("message") or ""), result.get("controls") or {}
    policy = parse_ppolicy(controls)
    error = policy.error if policy else ""
    if is_watched():
        reports.bind(describe_result(result), ad_code(text) if code == 49 else "", policy)
    if code == SUCCESS:
        if policy is None and isinstance(controls.get(PPOLICY), Mapping) and controls[PPOLICY].get("value"):
            # the control may require a new password
            raise BackendUnavailable("a person's bind succeeded with a password policy control that cannot be read")
        grace, expires_in = (policy.grace, policy.expires_in) if policy else (None, _seconds(controls.get(EXPIRING)))
        # 389 Directory Server returns the expired control together with the remaining grace logins
        expired = EXPIRED in controls and policy is None
        return Outcome(error == "change_after_reset" or expired, grace, expires_in)
    if code == 49:
        raise _invalid_credentials(text, error)
    if code == 19:
        raise AccountRefused("disabled" if "inactivity limit" in text.lower() else "locked")
    if code == 53 and (refused := _unwilling(text)):
        raise refused
    if code in (32, 34, 48):
        # the entry was deleted, or it has no password
        raise WrongPassword(f"the directory returned {code}")
    if code in MISCONFIGURED:
        hint = f"{USE_TLS}: " if code in WANTS_TLS else ""
        raise BackendMisconfigured(f"{hint}a person's bind was refused with {MISCONFIGURED[code]}: {_shown(text)}")
    raise BackendUnavailable(f"a person's bind failed with {code}: {_shown(text)}")


def _invalid_credentials(text: str, policy_error: str) -> Exception:
    if policy_error == "password_expired" or re.search(r"password (is )?expired", text, re.IGNORECASE):
        return AccountRefused("password_expired", proven=True)
    if policy_error == "account_locked":
        # returned for a correct and for a wrong password
        return AccountRefused("locked")
    sub_code = ad_code(text)
    if sub_code == "775":
        return AccountRefused("locked")
    if sub_code in AD_PROVEN:
        return AccountRefused(AD_PROVEN[sub_code], proven=True)
    return WrongPassword()


def ad_code(text: str) -> str:
    """Returns the code behind `data` in a diagnostic message of Active Directory, or ""."""
    match = AD_DATA.search(text)
    return match[1].lower() if match else ""


def _unwilling(text: str) -> AccountRefused | None:
    """Interprets unwillingToPerform, which 389 Directory Server and FreeIPA return before checking the password."""
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
    return int(value) if isinstance(value, bytes) and value.isdigit() and len(value) <= MAX_SECONDS_DIGITS else None
