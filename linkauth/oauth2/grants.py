"""How a grant becomes tokens: one function a grant, all of them over the same few steps."""

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
from linkauth.oauth2.jwt import Signer
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.oauth2.tokens import Code, Link, ResourceOwner, Token, TokenStorage, derive_successor, digest, new_token

log = logging.getLogger(__name__)

CODE_LIFETIME = 60
CLAIMS_LIMIT = 16_384
"""Bytes of a link's claims as JSON; a person may be in thousands of groups."""
CLAIMS = {"profile": ("name",), "email": ("email",)}
"""Scope to the claims that it lets a client know (OpenID Connect Core section 5.4)."""
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True)
class Issuer:
    """What every grant needs: the store, the key that derives successors, and what signs JWT access tokens.

    `previous` are former keys, which servers that are not restarted yet may still use.
    """

    store: TokenStorage
    key: bytes
    signer: Signer
    previous: tuple[bytes, ...] = ()

    def issue_access_token(
        self, client: Client, link: Link, scopes: tuple[str, ...] | None, now: int
    ) -> tuple[str, Token, Any]:
        """A new access token: for the client, for the store, and its lifetime in seconds or None."""
        lifetime = client.implicit_lifetime if link.grant == "implicit" else client.code_lifetime
        expires_at = None if lifetime is None else now + lifetime
        # a JWT without an expiry could never be forgotten by the deny list
        if client.token_format == "jwt" and expires_at is not None:
            asked = permitted_claims(client, (), link.claims)
            said = link.scopes if scopes is None else scopes
            text, jti = self.signer.access_token(link, said, now, expires_at, asked)
        else:
            text, jti = new_token(), None
        return text, Token(digest(text), "access", now, expires_at, scopes, jti=jti), lifetime


def permitted_claims(client: Client, scopes: tuple[str, ...], claims: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a person's claims that the client's settings and `scopes` let it know."""
    names = {*client.claims, *(claim for scope in scopes for claim in CLAIMS.get(scope, ()))}
    return {name: value for name, value in claims.items() if name in names and value not in (None, "", [])}


def _limit_claims(claims: dict[str, Any], client: Client) -> dict[str, Any]:
    """Without the groups, and then the longest, if they are too many to be kept and sent at every request."""
    while len(json.dumps(claims)) > CLAIMS_LIMIT:
        longest = max(claims, key=lambda name: (name == "groups", len(json.dumps(claims[name]))))
        log.warning("client %s: the claim %s is dropped: over %d bytes in all", client.client_id, longest, CLAIMS_LIMIT)
        claims = {name: value for name, value in claims.items() if name != longest}
    return claims


def _link(request: AuthorizationRequest, owner: ResourceOwner, locale: str, grant: str, now: int) -> Link:
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
    """The redirect location of an implicit grant (RFC 6749 section 4.2.2): the token in the fragment, no refresh token.

    `locale` is the language in which the person linked, `now` in seconds since 1970. Raises StorageUnavailableError.
    """
    link = _link(request, owner, locale, "implicit", now)
    text, token, lifetime = issuer.issue_access_token(request.client, link, None, now)
    issuer.store.create(link, (token,))
    answer = {"access_token": text, "token_type": "Bearer"}
    if lifetime is not None:
        answer["expires_in"] = str(lifetime)
    if not request.scope_as_requested:
        answer["scope"] = " ".join(request.scopes)
    return request.target.location(answer)


def authorize_code(request: AuthorizationRequest, owner: ResourceOwner, locale: str, issuer: Issuer, now: int) -> str:
    """The redirect location of an authorization code grant (RFC 6749 section 4.1.2): a code in the query."""
    text = new_token()
    redirect_uri = request.target.redirect_uri if request.redirect_uri_sent else None
    kept = Code(digest(text), redirect_uri, request.code_challenge, now + CODE_LIFETIME)
    issuer.store.create(_link(request, owner, locale, "authorization_code", now), code=kept)
    return request.target.location({"code": text})


def exchange_code(client: Client, form: Mapping[str, str], issuer: Issuer, now: int) -> dict[str, Any]:
    """The token answer to a code (RFC 6749 section 4.1.3, RFC 7636 section 4.6).

    A code works once. When it comes again, valid in all else, its link ends: somebody else may hold the tokens; with a
    wrong verifier or from a wrong client it ends nothing, or a leaked code could unlink a person.
    """
    if not form.get("code"):
        raise ClientRequestError("invalid_request", "code is missing")
    verifier = form.get("code_verifier")
    if verifier is not None and not _VERIFIER.fullmatch(verifier):
        raise ClientRequestError("invalid_request", "code_verifier is not 43 to 128 unreserved characters")
    found = issuer.store.find_code(digest(form["code"]))
    if found is None or found[0].client_id != client.client_id:
        raise _invalid_grant()
    link, kept = found
    if kept.redirect_uri != form.get("redirect_uri") and not (kept.redirect_uri is None and "redirect_uri" not in form):
        raise _invalid_grant()
    if not _verified(kept.code_challenge, verifier):
        raise _invalid_grant()
    # the settings may have changed since the person saw the page
    allowed = allowed_scopes(link.scopes, client)
    text, access, lifetime = issuer.issue_access_token(client, link, None if allowed == link.scopes else allowed, now)
    refresh = new_token()
    tokens = (access, Token(digest(refresh), "refresh", now, _refresh_expiry(client, link, now)))
    fresh = kept.used_at is None and allowed is not None and is_active(link, kept.expires_at, now)
    if not (fresh and issuer.store.redeem(kept, link, tokens, now)):
        again = issuer.store.find_code(kept.digest)
        if again and again[1].used_at is not None:
            issuer.store.end(link, "code used twice", now)
        raise _invalid_grant()
    return _answer(text, lifetime, allowed or (), refresh)


def exchange_refresh_token(client: Client, form: Mapping[str, str], issuer: Issuer, now: int) -> dict[str, Any]:
    """The token answer to a refresh token (RFC 6749 section 6), by the client's policy."""
    presented = form.get("refresh_token")
    if not presented:
        raise ClientRequestError("invalid_request", "refresh_token is missing")
    found = issuer.store.find(digest(presented), "refresh")
    if found is None or found[0].client_id != client.client_id:
        raise _invalid_grant()
    link, kept = found
    rotated_away = kept.used_at is not None and client.refresh != "rotate"
    if rotated_away or not is_active(link, kept.expires_at, now):
        raise _invalid_grant()
    scopes = _narrowed(form.get("scope"), link.scopes, client)
    text, access, lifetime = issuer.issue_access_token(client, link, scopes, now)
    expires_at = _refresh_expiry(client, link, now)
    if client.refresh == "stable":
        if not issuer.store.renew(link, kept, expires_at, (access,), now, consume=False):
            raise _invalid_grant()
        return _answer(text, lifetime, link.scopes if scopes is None else scopes, presented)
    if client.refresh == "overlap":
        followings = [new_token()]
    else:
        # one for each secret of the ini: whichever of them another server has, it can repeat a lost answer
        followings = [derive_successor(presented, key) for key in (issuer.key, *issuer.previous)]
    made = {
        text: Token(digest(text), "refresh", now, expires_at, generation=kept.generation + 1) for text in followings
    }
    # the oldest, which a server that has the former secret alone hands out too
    following = followings[-1]
    if client.refresh == "overlap":
        if not issuer.store.renew(link, kept, expires_at, (access, *made.values()), now, consume=False):
            raise _invalid_grant()
    elif kept.used_at is not None or not issuer.store.renew(
        link, kept, expires_at, (access, *made.values()), now, consume=True
    ):
        following = _repeat(client, link, kept, made, access, issuer, now)
    return _answer(text, lifetime, link.scopes if scopes is None else scopes, following)


def _repeat(
    client: Client, link: Link, kept: Token, made: Mapping[str, Token], access: Token, issuer: Issuer, now: int
) -> str:
    """The successor of a rotated refresh token that came again: the answer was lost, or two hold it (RFC 9700 section
    4.14.2). `made` are those that this server would make; another one may have made fewer."""
    latest = issuer.store.find(kept.digest, "refresh")
    used_at = latest[1].used_at if latest else None
    known = ((text, issuer.store.find(token.digest, "refresh")) for text, token in made.items())
    unused = [(text, found[1]) for text, found in known if found and found[1].used_at is None]
    # another server's clock may be ahead
    lost = used_at is not None and max(now - used_at, 0) < client.refresh_grace
    if not (lost and unused):
        issuer.store.end(link, "refresh token used twice", now)
        raise _invalid_grant()
    text, following = unused[-1]
    if not issuer.store.renew(link, following, made[text].expires_at, (access,), now, consume=False):
        raise _invalid_grant()
    return text


def _verified(challenge: str | None, verifier: str | None) -> bool:
    """Both or none, and the one of the other (RFC 7636 section 4.6; RFC 9700 section 2.1.1 against a downgrade)."""
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    computed = urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=")
    return hmac.compare_digest(computed, challenge.encode("ascii"))


def is_active(link: Link, expires_at: int | None, now: int) -> bool:
    """Is a token or code of `link` that expires at `expires_at` good for anything?"""
    return link.ended_at is None and (expires_at is None or now < expires_at)


def allowed_scopes(granted: tuple[str, ...], client: Client) -> tuple[str, ...] | None:
    """Those of the granted scopes that the client still has, in their order; None if it has lost all of them."""
    allowed = tuple(scope for scope in granted if scope in client.scopes)
    return None if granted and not allowed else allowed


def _refresh_expiry(client: Client, link: Link, now: int) -> int | None:
    ends = [link.created_at + client.refresh_lifetime] if client.refresh_lifetime is not None else []
    ends += [now + client.refresh_idle] if client.refresh_idle is not None else []
    return min(ends, default=None)


def _narrowed(asked: str | None, granted: tuple[str, ...], client: Client) -> tuple[str, ...] | None:
    """The scopes of the new token: what was asked of what was granted and is still the client's; None for all.

    Never the empty tuple: a link of which nothing is left is refused.
    """
    now_allowed = allowed_scopes(granted, client)
    if now_allowed is None:
        raise _invalid_grant()
    if not asked:
        return None if now_allowed == granted else now_allowed
    scopes = tuple(dict.fromkeys(asked.split(" ")))
    if not set(scopes) <= set(now_allowed):
        raise ClientRequestError("invalid_scope", "scope is more than was granted")
    return scopes


def _answer(text: str, lifetime: int | None, scopes: tuple[str, ...], refresh_token: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"access_token": text, "token_type": "Bearer", "refresh_token": refresh_token}
    if lifetime is not None:
        answer["expires_in"] = lifetime
    if scopes:
        answer["scope"] = " ".join(scopes)
    return answer


def _invalid_grant() -> ClientRequestError:
    return ClientRequestError("invalid_grant", "the grant is unknown, expired, used, ended, or of another client")
