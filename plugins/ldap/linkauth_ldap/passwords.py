"""Changing a password, and what a refusal of the new one means."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from ldap3 import MODIFY_ADD, MODIFY_DELETE, MODIFY_REPLACE
from pyasn1.codec.ber import encoder
from pyasn1.type import namedtype, tag, univ

from linkauth.backends import (
    BackendError,
    BackendMisconfigured,
    BackendUnavailable,
    PasswordRefused,
    PasswordRule,
    WrongPassword,
)
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.controls import POLICY_HINTS_REQUEST, PPOLICY_REQUEST, parse_ppolicy
from linkauth_ldap.outcomes import UNAVAILABLE, told

log = logging.getLogger(__name__)

PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"
_PPOLICY_RULES: Mapping[str, PasswordRule] = {
    "insufficient_quality": "too_simple",
    "too_short": "too_short",
    "too_young": "too_soon",
    "in_history": "used_before",
    "modification_not_allowed": "not_allowed",
    "must_supply_old_password": "not_allowed",
    "too_long": "policy",
}
_WORDS: tuple[tuple[str, PasswordRule], ...] = (
    ("too short", "too_short"),
    ("history", "used_before"),
    ("already used", "used_before"),
    ("too young", "too_soon"),
    ("too soon", "too_soon"),
    ("complex", "too_simple"),
    ("quality", "too_simple"),
)
"""What servers write where no code says it (Samba AD 4.17, 389 Directory Server, OpenLDAP's check modules)."""


class PasswdModifyRequest(univ.Sequence):  # type: ignore[misc]
    """RFC 3062 section 2, in bytes: ldap3's own passes text through SASLprep and drops an empty field."""

    componentType = namedtype.NamedTypes(
        *(
            namedtype.OptionalNamedType(
                name, univ.OctetString().subtype(implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatSimple, number))
            )
            for number, name in enumerate(("userIdentity", "oldPasswd", "newPasswd"))
        )
    )


def modify(connection: DirectoryConnection, dn: str, current: str, new: str) -> dict[str, Any]:
    """The result of a Password Modify of `dn` (RFC 3062)."""
    request = PasswdModifyRequest()
    for name, text in (("userIdentity", dn), ("oldPasswd", current), ("newPasswd", new)):
        if text:
            request[name] = text.encode("utf-8")
    return connection.extended(PASSWORD_MODIFY, encoder.encode(request), [PPOLICY_REQUEST])


def reset(connection: DirectoryConnection, dn: str, new: str) -> dict[str, Any]:
    """The result of a Password Modify by an account with that right.

    A password policy with pwdMustChange wants a new one from whoever got theirs from somebody else; here it was theirs
    to choose, so that mark is taken off again.
    """
    result = modify(connection, dn, "", new)
    if result["result"] == 0:
        unmarked = connection.modify(dn, {"pwdReset": [(MODIFY_REPLACE, [])]})
        if unmarked["result"] not in (0, 16, 17):
            said = told(unmarked)
            log.error("bind_dn may not take pwdReset off %s, who must change their password again: %s", dn, said)
    return result


def change_in_ad(connection: DirectoryConnection, dn: str, current: str, new: str) -> dict[str, Any]:
    """The result of a change, for which everybody has the right who knows the current password (MS-ADTS 3.1.1.3.1.5):
    the old value deleted and the new one added in one modification."""
    changes = {"unicodePwd": [(MODIFY_DELETE, [_quoted(current)]), (MODIFY_ADD, [_quoted(new)])]}
    return connection.modify(dn, changes)


def reset_in_ad(connection: DirectoryConnection, dn: str, new: str) -> dict[str, Any]:
    """The result of a reset by an account with that right; the policy hints apply the history to it too."""
    return connection.modify(dn, {"unicodePwd": [(MODIFY_REPLACE, [_quoted(new)])]}, [POLICY_HINTS_REQUEST])


def _quoted(password: str) -> bytes:
    return f'"{password}"'.encode("utf-16-le")


def refusal(result: Mapping[str, Any], by_service: bool) -> BackendError | None:
    """What the result of a change means, `by_service` or by the person; None for success."""
    code, text = result["result"], str(result.get("message") or "")
    if code == 0:
        return None
    policy = parse_ppolicy(result.get("controls"))
    if policy and policy.error in _PPOLICY_RULES:
        return PasswordRefused(_PPOLICY_RULES[policy.error])
    said = told(result)
    # Windows' ERROR_INVALID_PASSWORD: the current one is wrong
    if code == 49 or re.match(r"0*56:", text):
        return WrongPassword(said)
    if code in (19, 53):
        lowered = text.lower()
        rule = next((rule for words, rule in _WORDS if words in lowered), None)
        if rule is None and code == 53 and "0000052d" not in lowered:
            if not by_service:
                return PasswordRefused("not_allowed", message=said)
            return BackendMisconfigured(f"the directory will not change passwords: {said}")
        length = re.search(r"(?:longer than|at least) ([0-9]{1,9})\b", lowered)
        return PasswordRefused(rule or "policy", int(length[1]) if length and rule == "too_short" else 0, said)
    if code == 50 and not by_service:
        return PasswordRefused("not_allowed", message=said)
    if code in (8, 13, 50):
        return BackendMisconfigured(f"the account may not change passwords: {said}")
    if code == 12:
        return BackendMisconfigured("the directory has no policy hints for a reset: set password_change = self")
    if code in UNAVAILABLE:
        return BackendUnavailable(f"a change of a password was answered with {said}")
    return BackendMisconfigured(f"a change of a password was answered with {said}")
