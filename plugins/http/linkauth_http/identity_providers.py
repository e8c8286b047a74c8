"""The presets of identity providers in the cloud: Microsoft Entra ID and Okta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _any_of(pattern: str, *values: object) -> str:
    return "\n".join(pattern.format(value) for value in values)


def _codes(*numbers: int) -> str:
    """Returns rules for AADSTS codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes"""
    return _any_of("/error and /error_codes = {}", *numbers)


_WRONG_PASSWORD = (50126, 50056, 50064)
"""50056: the directory has no password for the person; 50064: the validation of name or password has failed."""
_UNKNOWN_USER = (50034, 51004, 50197, 50128, 50014, 50020, 90072, 16000, 16003, 500208)
"""No such account or domain, or an account of another tenant, or a personal one that was not added to this tenant."""
_SECOND_FACTOR = (50072, 50074, 50076, 50078, 50079, 50125, 50158, 50161, 50203, 53004, 53010, 500121)
"""A second factor is needed, or must be registered first."""

ENTRA: Mapping[str, Any] = {
    # https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc
    "body_template": (
        "grant_type=password&scope=openid%20profile%20email&client_id={client_id}&client_secret={client_secret}"
        "&username={username}&password={password}"
    ),
    "statuses": (),
    # the scope profile is required for oid, the identifier that is the same for all applications of the tenant
    "success": "/access_token and jwt:/id_token /oid",
    "wrong_password": _codes(*_WRONG_PASSWORD),
    "unknown_user": _codes(*_UNKNOWN_USER),
    "locked": _codes(50053),
    "disabled": _codes(50057),
    # 50144: the password in the Active Directory of the tenant
    "password_expired": _codes(50055, 50144),
    # 50135: it may be known to others; 50142: a policy of Conditional Access
    "must_change": _codes(50135, 50142),
    # a device (50005, 50097, 50129, 50155, 50187, 53000, 53001, 135011, 530003), an approved application (50127, 53002,
    # 530021), a policy (50131, 53003, 53011, 53003x), Windows sign-in (50180), or the hours of the account (80012)
    "logon_restricted": _codes(
        *(50005, 50097, 50129, 50155, 50187, 53000, 53001, 135011, 530003, 50127, 53002, 530021),
        *(50131, 53003, 53011, 530032, 530034, 530035, 50180, 80012),
    ),
    # 50125: the person must register for a password reset first
    "second_factor": _codes(*_SECOND_FACTOR)
    # Microsoft sends this error if the person must do something on one of its pages; all other states are checked first
    + "\n/error = interaction_required"
    + "".join(f" and not /error_codes = {code}" for code in (*_WRONG_PASSWORD, *_UNKNOWN_USER)),
    "not_entitled": _codes(50105),
    # these are checked after the password
    "proven": ("password_expired", "must_change", "logon_restricted", "second_factor", "not_entitled"),
    # 70002 is not in the list: it may come together with 50126
    "misconfigured": _any_of(
        "/error = {}", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"
    )
    + "\n"
    # the tenant; the application, its secret, its consent and its kind; the request
    + _codes(
        *(90002, 50059, 900382, 90038, 700016, 70001, 700011, 7000112, 1000031),
        *(7000215, 7000218, 7000222, 700025, 65001, 65002, 65005, 650052, 650056, 650057, 90008, 90094, 90095),
        *(50001, 500011, 50194, 70003, 70011, 9001023, 9002313, 9002332, 90130, 900144, 90014, 901002),
    ),
    "error_code": "/error_codes",
    "subject": "jwt:/id_token /oid",
    "username": "jwt:/id_token /preferred_username",
    "name": "jwt:/id_token /name",
    "email": "jwt:/id_token /email",
    "groups": "jwt:/id_token /groups",
}

OKTA: Mapping[str, Any] = {
    # https://developer.okta.com/docs/reference/api/authn/#primary-authentication
    "body": "json",
    "body_template": (
        '{"username": {username}, "password": {password}, '
        '"options": {"multiOptionalFactorEnroll": false, "warnBeforePasswordExpired": false}}'
    ),
    "statuses": (),
    "success": "/status = SUCCESS and /sessionToken and /_embedded/user/id",
    # also for an unknown name
    "wrong_password": "/errorCode = E0000004",
    "locked": "/status = LOCKED_OUT\n/errorId and /errorCode = E0000069\n/errorId and /errorCode = E0000119",
    "password_expired": "/status = PASSWORD_EXPIRED",
    "second_factor": _any_of("/status = {}", "MFA_REQUIRED", "MFA_ENROLL", "MFA_ENROLL_ACTIVATE", "MFA_CHALLENGE"),
    # these are states of a transaction after the password was validated
    "proven": ("password_expired", "second_factor"),
    # the body, the token of a header, the method, and the path
    "misconfigured": _any_of("/errorCode = {}", "E0000003", "E0000011", "E0000008", "E0000022"),
    "error_code": "/errorCode",
    "subject": "/_embedded/user/id",
    "username": "/_embedded/user/profile/login",
}
