"""Changes passwords, and interprets the result of a change."""

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
from linkauth.identities import shown_name
from linkauth_ldap.connections import DirectoryConnection
from linkauth_ldap.controls import POLICY_HINTS_REQUEST, PPOLICY_REQUEST, parse_ppolicy
from linkauth_ldap.outcomes import UNAVAILABLE, describe_result

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
_MESSAGE_RULES: tuple[tuple[str, PasswordRule], ...] = (
    ("too short", "too_short"),
    ("history", "used_before"),
    ("already used", "used_before"),
    ("too young", "too_soon"),
    ("too soon", "too_soon"),
    ("complex", "too_simple"),
    ("quality", "too_simple"),
)
"""Parts of messages for refusals without a code (Samba AD 4.17, 389 Directory Server, check modules of OpenLDAP)."""


class PasswdModifyRequest(univ.Sequence):  # type: ignore[misc]
    """The request of RFC 3062 section 2, with fields of bytes.

    The class of ldap3 is not used: it applies SASLprep to the passwords and omits empty ones.
    """

    componentType = namedtype.NamedTypes(
        *(
            namedtype.OptionalNamedType(
                name, univ.OctetString().subtype(implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatSimple, number))
            )
            for number, name in enumerate(("userIdentity", "oldPasswd", "newPasswd"))
        )
    )


def modify(connection: DirectoryConnection, dn: str, current: str, new: str) -> dict[str, Any]:
    """Changes the password of `dn` by a Password Modify operation (RFC 3062), and returns the result."""
    request = PasswdModifyRequest()
    for name, text in (("userIdentity", dn), ("oldPasswd", current), ("newPasswd", new)):
        if text:
            request[name] = text.encode("utf-8")
    return connection.extended(PASSWORD_MODIFY, encoder.encode(request), [PPOLICY_REQUEST])


def reset(connection: DirectoryConnection, dn: str, new: str) -> dict[str, Any]:
    """Resets the password of `dn` by a Password Modify operation of the service account, and returns the result.

    A password policy with pwdMustChange sets pwdReset after a reset, which requires another change. It is removed here,
    because the person has chosen the new password.
    """
    result = modify(connection, dn, "", new)
    if result["result"] == 0:
        removal = connection.modify(dn, {"pwdReset": [(MODIFY_REPLACE, [])]})
        # noSuchAttribute, undefinedAttributeType
        if removal["result"] not in (0, 16, 17):
            reason = describe_result(removal)
            log.error(
                "bind_dn may not remove pwdReset of %s, who must change the password again: %s", shown_name(dn), reason
            )
    return result


def change_in_ad(connection: DirectoryConnection, dn: str, current: str, new: str) -> dict[str, Any]:
    """Changes the password of `dn` in Active Directory, and returns the result.

    One modification deletes the current value and adds the new one. Any account may do so if it knows the current
    password (MS-ADTS 3.1.1.3.1.5).
    """
    changes = {"unicodePwd": [(MODIFY_DELETE, [quoted(current)]), (MODIFY_ADD, [quoted(new)])]}
    return connection.modify(dn, changes)


def reset_in_ad(connection: DirectoryConnection, dn: str, new: str) -> dict[str, Any]:
    """Resets the password of `dn` in Active Directory, and returns the result. The password history is enforced."""
    return connection.modify(dn, {"unicodePwd": [(MODIFY_REPLACE, [quoted(new)])]}, [POLICY_HINTS_REQUEST])


def recover_in_ad(connection: DirectoryConnection, dn: str, new: str, unlock: bool) -> dict[str, Any]:
    """Resets a forgotten password in Active Directory, and returns the result. `unlock` also ends a lock.

    The password history is enforced if the directory has policy hints; Samba does not have them.
    """
    changes = {"unicodePwd": [(MODIFY_REPLACE, [quoted(new)])]}
    if unlock:
        changes["lockoutTime"] = [(MODIFY_REPLACE, [b"0"])]
    kind, _, value = POLICY_HINTS_REQUEST
    return connection.modify(dn, changes, [(kind, False, value)])


def quoted(password: str) -> bytes:
    """Returns the value of unicodePwd for a password (MS-ADTS 3.1.1.3.1.5)."""
    return f'"{password}"'.encode("utf-16-le")


def change_error(result: Mapping[str, Any], by_service: bool) -> BackendError | None:
    """Returns the exception for the result of a change, or None for success.

    `by_service` is true if the service account changed the password.
    """
    code, text = result["result"], str(result.get("message") or "")
    if code == 0:
        return None
    policy = parse_ppolicy(result.get("controls"))
    if policy and policy.error in _PPOLICY_RULES:
        return PasswordRefused(_PPOLICY_RULES[policy.error])
    description = describe_result(result)
    # ERROR_INVALID_PASSWORD of Windows: the current password is wrong
    if code == 49 or re.match(r"0*56:", text):
        return WrongPassword(description)
    if code in (19, 53):
        lowered = text.lower()
        rule = next((rule for part, rule in _MESSAGE_RULES if part in lowered), None)
        if rule is None and code == 53 and "0000052d" not in lowered:
            if not by_service:
                return PasswordRefused("not_allowed", message=description)
            return BackendMisconfigured(f"the directory refuses to change passwords: {description}")
        length = re.search(r"(?:longer than|at least) ([0-9]{1,9})\b", lowered)
        return PasswordRefused(rule or "policy", int(length[1]) if length and rule == "too_short" else 0, description)
    if code == 50 and not by_service:
        return PasswordRefused("not_allowed", message=description)
    if code in (8, 13, 50):
        return BackendMisconfigured(f"the account may not change passwords: {description}")
    if code == 12:
        return BackendMisconfigured("the directory has no policy hints for a reset: set password_change = self")
    if code in UNAVAILABLE:
        return BackendUnavailable(f"a password change failed with {description}")
    return BackendMisconfigured(f"a password change failed with {description}")
