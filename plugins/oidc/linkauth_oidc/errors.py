"""What the errors of a provider mean (RFC 6749 sections 4.1.2.1 and 5.2, OpenID Connect Core section 3.1.2.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from linkauth.backends import BackendError, BackendMisconfigured, BackendUnavailable
from linkauth.sign_ins import InvalidAnswer, SignInCancelled, SignInFailed, SignInRefused
from linkauth_oidc.client import Answer
from linkauth_oidc.documents import text_of

CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_ENTRA = re.compile(r"AADSTS[0-9]{4,8}")
"""The number of an error of Microsoft Entra, at the beginning of the description."""
CANCELLED = frozenset({"access_denied", "user_cancelled_authorize", "consent_required", "user_denied"})
"""What the person has answered. `user_cancelled_authorize` is Apple's."""
REFUSED = frozenset({"admin_policy_enforced", "org_internal", "unmet_authentication_requirements"})
"""The provider does not let this person in. The first two are Google's."""
_DECLINED = "AADSTS65004"
"""The number of Microsoft Entra for a person who has declined. Others with access_denied are refusals of the tenant."""
UNAVAILABLE = frozenset({"temporarily_unavailable", "server_error"})
AUTHORIZATION: Mapping[str, str] = {
    "unauthorized_client": "the provider does not accept this client: check client_id and what the provider permits it",
    "invalid_client": "the provider does not know this client: check client_id",
    "invalid_scope": "the provider does not accept the scopes: check scopes",
    "unsupported_response_type": "the provider does not permit the authorization code grant to this client",
    "unsupported_response_mode": "the provider does not support response_mode",
    "invalid_request": "the provider does not accept the request: check client_id, scopes, prompt and response_mode",
    "redirect_uri_mismatch": "the redirect URI is not registered at the provider: linkauth doctor prints it",
}
"""Errors at the authorization endpoint that only an operator can correct."""
TOKEN: Mapping[str, str] = {
    "invalid_client": "the provider refuses client_id or client_secret: check both, and client_authentication",
    "unauthorized_client": "the provider refuses this client: check client_id, client_secret and its permissions",
    "unsupported_grant_type": "the provider does not permit the authorization code grant to this client",
    "invalid_scope": "the provider does not accept the scopes: check scopes",
    "redirect_uri_mismatch": "the redirect URI is not registered at the provider: linkauth doctor prints it",
}
"""Errors at the token endpoint that only an operator can correct."""
FACEBOOK_CLIENT = (101, 191)
"""Codes of the Graph API: the app is unknown; the redirect URI is not registered."""
FACEBOOK_BUSY = (1, 2, 4, 17, 32, 341, 613)
"""Codes of the Graph API: a temporary failure, or too many requests."""
Failure = SignInFailed | BackendError


def authorization_error(parameters: Mapping[str, str]) -> Failure:
    """Returns the exception for the parameter `error` of an answer that came through the browser."""
    code = parameters.get("error", "")
    number = _entra(parameters.get("error_description", ""))
    named = f"error={_shown(code)}{number}"
    if code in REFUSED or (code == "access_denied" and number and not number.endswith(_DECLINED)):
        return SignInRefused(f"the provider does not let the person in: {named}")
    if code in CANCELLED:
        return SignInCancelled(f"the person has cancelled the sign-in at the provider: {named}")
    if code in UNAVAILABLE:
        return BackendUnavailable(f"the provider cannot sign in people now: {named}")
    if code in AUTHORIZATION:
        return BackendMisconfigured(f"{AUTHORIZATION[code]}: {named}")
    return InvalidAnswer(f"the provider has answered with an error: {named}")


def token_error(answer: Answer) -> Failure:
    """Returns the exception for an answer of the token endpoint without a token."""
    document = answer.document
    if 300 <= answer.status < 400:
        return BackendMisconfigured("the token endpoint answers with a redirect, which is not followed")
    if document is not None and isinstance(document.get("error"), dict):
        return _facebook_error(document["error"])
    code = text_of(document, "error")
    named = f"status={answer.status} error={_shown(code)}{_entra(text_of(document, 'error_description'))}"
    if code in UNAVAILABLE:
        return BackendUnavailable(f"the token endpoint cannot answer now: {named}")
    if code in TOKEN:
        return BackendMisconfigured(f"{TOKEN[code]}: {named}")
    if code == "invalid_grant":
        return InvalidAnswer(
            f"the provider refuses the code: it has expired, or was used, or is another client's: {named}"
        )
    if code:
        return InvalidAnswer(f"the provider refuses the code or the request: {named}")
    if answer.status in (401, 403):
        return BackendMisconfigured(f"{TOKEN['invalid_client']}: {named}")
    return BackendUnavailable(f"the token endpoint did not answer as it should: {answer}")


def _facebook_error(error: dict[str, Any]) -> Failure:
    """Returns the exception for an error of the Graph API, which is an object with a number."""
    number = error.get("code")
    shown = number if isinstance(number, int) else "-"
    if number in FACEBOOK_CLIENT or "client secret" in text_of(error, "message"):
        return BackendMisconfigured(f"{TOKEN['invalid_client']}: code={shown}")
    if number in FACEBOOK_BUSY:
        return BackendUnavailable(f"the provider cannot answer now: code={shown}")
    return InvalidAnswer(f"the provider refuses the code or the token: code={shown}")


def _shown(code: str) -> str:
    """Returns an error code for a message. Anything else than a short code may be forged."""
    return code if CODE.fullmatch(code) else "-"


def _entra(description: str) -> str:
    found = _ENTRA.match(description)
    return f" number={found[0]}" if found else ""
