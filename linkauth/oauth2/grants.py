"""The grants: one function per grant and endpoint."""

from __future__ import annotations

import hmac
import json
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from linkauth.oauth2.clients import Client
from linkauth.oauth2.errors import ClientRequestError
from linkauth.oauth2.excerpts import log_excerpt
from linkauth.oauth2.jwt import Signer
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.oauth2.tokens import CODE_REUSED, Code, Link, ResourceOwner, Token, TokenStorage, digest, new_token

log = logging.getLogger(__name__)

CODE_LIFETIME = 60
"""Lifetime of an authorization code in seconds."""
CLAIMS_LIMIT = 16_384
"""Maximum size of a link's claims as JSON, in bytes. A person can be in thousands of groups."""
CLAIMS = {"profile": ("name",), "email": ("email",)}
"""Maps a scope to the claims that it permits (OpenID Connect Core section 5.4)."""
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True)
class Issuer:
    """What every grant needs to issue tokens.

    `successor_key` derives the successors of refresh tokens. `previous_keys` are former successor keys, which servers
    that have not been restarted yet may still use. `signer` signs JWT access tokens.
    """

    storage: TokenStorage
    successor_key: bytes
    signer: Signer
    previous_keys: tuple[bytes, ...] = ()

    def issue_access_token(
        self, client: Client, link: Link, scopes: tuple[str, ...] | None, now: int
    ) -> tuple[str, Token, int | None]:
        """Return a new access token, its record for the storage, and its lifetime in seconds (None for no expiry).

        `scopes` is None for all scopes of the link.
        """
        lifetime = client.implicit_lifetime if link.grant == "implicit" else client.code_lifetime
        expires_at = None if lifetime is None else now + lifetime
        # a JWT without expiry would have to stay in the deny list forever, so such a token is opaque
        if client.token_format == "jwt" and expires_at is not None:
            claims = permitted_claims(client, (), link.claims)
            token_scopes = link.scopes if scopes is None else scopes
            text, jti = self.signer.access_token(link, token_scopes, now, expires_at, claims)
        else:
            text, jti = new_token(), None
        return text, Token(digest(text), "access", now, expires_at, scopes, jti=jti), lifetime


def permitted_claims(client: Client, scopes: tuple[str, ...], claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims that the client's settings and `scopes` permit, without empty ones."""
    names = {*client.claims, *(claim for scope in scopes for claim in CLAIMS.get(scope, ()))}
    return {name: value for name, value in claims.items() if name in names and value not in (None, "", [])}


def _limit_claims(claims: dict[str, Any], client: Client) -> dict[str, Any]:
    """Remove the groups, and then the longest claims, until the rest fits into CLAIMS_LIMIT."""
    while len(json.dumps(claims)) > CLAIMS_LIMIT:
        longest = max(claims, key=lambda name: (name == "groups", len(json.dumps(claims[name]))))
        log.warning("claim %s dropped: the claims exceed %d bytes: client=%s", longest, CLAIMS_LIMIT, client.client_id)
        claims = {name: value for name, value in claims.items() if name != longest}
    return claims


def _new_link(request: AuthorizationRequest, owner: ResourceOwner, locale: str, grant: str, now: int) -> Link:
    return Link(
        backend=owner.backend,
        subject=owner.subject,
        username=owner.username,
        client_id=request.client.client_id,
        scopes=request.scopes,
        grant=grant,
        locale=locale,
        created_at=now,
        claims=_limit_claims(permitted_claims(request.client, request.scopes, owner.claims), request.client),
    )


def authorize_implicit(
    request: AuthorizationRequest, owner: ResourceOwner, locale: str, issuer: Issuer, now: int
) -> str:
    """Create a link and return the redirect location of an implicit grant (RFC 6749 section 4.2.2).

    The access token is in the fragment; there is no refresh token. `locale` is the language of the login page, `now` is
    in seconds since 1970. Raises StorageUnavailableError.
    """
    link = _new_link(request, owner, locale, "implicit", now)
    access_token, record, lifetime = issuer.issue_access_token(request.client, link, None, now)
    issuer.storage.create(link, (record,))
    parameters = {"access_token": access_token, "token_type": "Bearer"}
    if lifetime is not None:
        parameters["expires_in"] = str(lifetime)
    if not request.scope_as_requested:
        parameters["scope"] = " ".join(request.scopes)
    return request.target.location(parameters)


def authorize_code(request: AuthorizationRequest, owner: ResourceOwner, locale: str, issuer: Issuer, now: int) -> str:
    """Create a link and return the redirect location of an authorization code grant (RFC 6749 section 4.1.2).

    The code is in the query. Raises StorageUnavailableError.
    """
    code = new_token()
    redirect_uri = request.target.redirect_uri if request.redirect_uri_sent else None
    record = Code(digest(code), redirect_uri, request.code_challenge, now + CODE_LIFETIME)
    issuer.storage.create(_new_link(request, owner, locale, "authorization_code", now), code=record)
    return request.target.location({"code": code})


def exchange_code(client: Client, form: Mapping[str, str], issuer: Issuer, now: int) -> dict[str, Any]:
    """Exchange a code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.6) and return the token response.

    A code can be used once. If an otherwise valid request repeats a used code, its link ends, because somebody else may
    have received the tokens. A request with a wrong verifier or from another client does not end the link: otherwise
    anyone who finds a leaked code could unlink the person. Raises ClientRequestError or StorageUnavailableError.
    """
    if not form.get("code"):
        raise ClientRequestError("invalid_request", "code is missing")
    verifier = form.get("code_verifier")
    if verifier is not None and not _VERIFIER.fullmatch(verifier):
        raise ClientRequestError("invalid_request", "code_verifier is not 43 to 128 unreserved characters")
    found = issuer.storage.find_code(digest(form["code"]))
    if found is None:
        raise invalid_grant("the code is unknown: it was not issued here, or expired long ago")
    if found[0].client_id != client.client_id:
        raise invalid_grant(f"the code was issued to the client {found[0].client_id}")
    link, code = found
    if code.redirect_uri != form.get("redirect_uri") and not (code.redirect_uri is None and "redirect_uri" not in form):
        received = log_excerpt(form["redirect_uri"]) if "redirect_uri" in form else "missing"
        raise invalid_grant(f"redirect_uri is {received}, and was {code.redirect_uri or 'missing'} at /authorize")
    if not _matches_challenge(code.code_challenge, verifier):
        raise invalid_grant("code_verifier does not belong to the code_challenge of /authorize (PKCE)")
    # the client's settings may have changed since the code was issued
    scopes = allowed_scopes(link.scopes, client)
    access_token, access, lifetime = issuer.issue_access_token(
        client, link, None if scopes == link.scopes else scopes, now
    )
    refresh_token = new_token()
    records = (access, Token(digest(refresh_token), "refresh", now, refresh_expiry(client, link, now)))
    redeemable = code.used_at is None and scopes is not None and is_active(link, code.expires_at, now)
    if not (redeemable and issuer.storage.redeem(code, link, records, now)):
        current = issuer.storage.find_code(code.digest)
        if current and current[1].used_at is not None:
            issuer.storage.end(link, CODE_REUSED, now)
            raise invalid_grant("the code was used twice, so its link has ended")
        if scopes is None:
            raise invalid_grant(f"no scope of the link is in the scopes of the client: {' '.join(link.scopes)}")
        raise invalid_grant(inactive_reason("code", link, code.expires_at, now))
    return token_response(access_token, lifetime, scopes or (), refresh_token)


def _matches_challenge(challenge: str | None, verifier: str | None) -> bool:
    """Report whether the verifier belongs to the challenge (RFC 7636 section 4.6), or whether both are missing.

    A verifier without a challenge is rejected, which prevents PKCE downgrade attacks (RFC 9700 section 2.1.1).
    """
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    computed = urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=")
    return hmac.compare_digest(computed, challenge.encode("ascii"))


def is_active(link: Link, expires_at: int | None, now: int) -> bool:
    """Report whether a token or code of `link` that expires at `expires_at` is valid at `now`."""
    return link.ended_at is None and (expires_at is None or now < expires_at)


def allowed_scopes(granted: tuple[str, ...], client: Client) -> tuple[str, ...] | None:
    """Return the granted scopes that are still registered for the client, or None if none of them is."""
    allowed = tuple(scope for scope in granted if scope in client.scopes)
    return None if granted and not allowed else allowed


def refresh_expiry(client: Client, link: Link, now: int) -> int | None:
    expiries = [link.created_at + client.refresh_lifetime] if client.refresh_lifetime is not None else []
    expiries += [now + client.refresh_idle] if client.refresh_idle is not None else []
    return min(expiries, default=None)


def token_response(
    access_token: str, lifetime: int | None, scopes: tuple[str, ...], refresh_token: str
) -> dict[str, Any]:
    response: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "refresh_token": refresh_token,
    }
    if lifetime is not None:
        response["expires_in"] = lifetime
    if scopes:
        response["scope"] = " ".join(scopes)
    return response


def invalid_grant(log: str) -> ClientRequestError:
    """Return the error for a code or refresh token. The client is not told why, only the operator: `log`."""
    description = "the grant is unknown, expired, used, ended, or of another client"
    return ClientRequestError("invalid_grant", description, log)


def inactive_reason(what: str, link: Link, expires_at: int | None, now: int) -> str:
    """Return why a code or refresh token of `link` cannot be used, for operators."""
    if link.ended_at is not None:
        return f"the link of the {what} has ended"
    return f"the {what} has expired" if expires_at is not None and now >= expires_at else f"the {what} is used up"
