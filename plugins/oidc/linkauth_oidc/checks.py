"""The checks of a provider, for doctor: its documents, its keys, and whether it accepts this client."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from linkauth.backends import BackendMisconfigured, BackendUnavailable, Check
from linkauth.net import Deadline
from linkauth.redaction import redact
from linkauth.sign_ins import SignInFailed
from linkauth_oidc.client import Answer
from linkauth_oidc.errors import token_error
from linkauth_oidc.keys import KEY_TYPES, Keys
from linkauth_oidc.metadata import Metadata
from linkauth_oidc.settings import OIDCSettings

CHECK_SECONDS = 5
SendCode = Callable[[Metadata, str, str, str, Deadline], Answer]
"""Sends a code with a redirect URI and a PKCE verifier to the token endpoint."""


def run(
    settings: OIDCSettings, discover: Callable[[Deadline], Metadata], keys: Keys, send_code: SendCode
) -> Iterator[Check]:
    """Yields the checks. Never raises."""
    deadline = Deadline(min(settings.total_timeout, CHECK_SECONDS))
    if settings.is_openid:
        try:
            metadata = discover(deadline)
        except BackendUnavailable as error:
            yield Check("discovery", False, redact(error))
            return
        yield Check("discovery", True, f"issuer {settings.issuer}, and every endpoint is at an allowed host")
        yield from _check_announcements(settings, metadata)
        yield _check_keys(keys, metadata, deadline)
    else:
        metadata = discover(deadline)
    yield _check_client(metadata, send_code, deadline)
    if settings.tenant.lower() in ("common", "organizations", "consumers"):
        detail = "people of every tenant may sign in: an address is verified only if the app has the claim xms_edov"
        yield Check("tenant", True, detail, warning=True)


def _check_announcements(settings: OIDCSettings, metadata: Metadata) -> Iterator[Check]:
    """Yields what the provider announces and a sign-in needs. What it does not announce at all is not checked."""
    needs = (
        ("signatures", metadata.algorithms, tuple(KEY_TYPES), "an algorithm of signatures that linkauth accepts"),
        ("response_mode", metadata.response_modes, (settings.response_mode,), f"{settings.response_mode}"),
    )
    for name, announced, accepted, what in needs:
        if announced and not set(announced) & set(accepted):
            yield Check(name, False, f"the provider does not announce {what}")
    if metadata.challenge_methods and "S256" not in metadata.challenge_methods:
        yield Check("PKCE", True, "the provider does not announce S256, so it may ignore the challenge", warning=True)
    method = settings.client_authentication
    if method in ("basic", "post") and metadata.client_authentications:
        is_announced = f"client_secret_{method}" in metadata.client_authentications
        detail = f"the provider {'announces' if is_announced else 'does not announce'} client_secret_{method}"
        yield Check("client_authentication", True, detail, warning=not is_announced)


def _check_keys(keys: Keys, metadata: Metadata, deadline: Deadline) -> Check:
    try:
        count = len(keys.fetch_from(metadata.jwks_uri, deadline))
    except BackendUnavailable as error:
        return Check("keys", False, redact(error))
    return Check("keys", True, f"{count} for signatures")


def _check_client(metadata: Metadata, send_code: SendCode, deadline: Deadline) -> Check:
    """Sends a random code, which must be refused, but not because of the client."""
    name, verifier = "client", secrets.token_urlsafe(48)
    try:
        answer = send_code(metadata, secrets.token_urlsafe(32), "https://link.example.com/", verifier, deadline)
    except BackendUnavailable as error:
        return Check(name, False, redact(error))
    if answer.status == 200 and answer.document is not None and "access_token" in answer.document:
        return Check(name, False, "the token endpoint accepts a random code")
    failure = token_error(answer)
    if isinstance(failure, BackendMisconfigured) and "redirect_uri_mismatch" not in str(failure):
        return Check(name, False, str(failure))
    if isinstance(failure, SignInFailed | BackendMisconfigured):
        return Check(name, True, "the token endpoint does not refuse client_id and client_secret")
    return Check(name, False, str(failure))
