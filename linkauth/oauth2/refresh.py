"""The grant refresh_token (RFC 6749 section 6), with the rotation policies of a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkauth.oauth2.clients import Client
from linkauth.oauth2.errors import ClientRequestError
from linkauth.oauth2.excerpts import log_excerpt
from linkauth.oauth2.grants import (
    Issuer,
    allowed_scopes,
    inactive_reason,
    invalid_grant,
    is_active,
    refresh_expiry,
    token_response,
)
from linkauth.oauth2.tokens import REFRESH_TOKEN_REUSED, Link, Token, derive_successor, digest, new_token

CONCURRENT = "the refresh token was replaced, or its link has ended, during the request"


def exchange_refresh_token(client: Client, form: Mapping[str, str], issuer: Issuer, now: int) -> dict[str, Any]:
    """Exchange a refresh token for tokens (RFC 6749 section 6) and return the token response.

    The client's `refresh` policy decides about rotation. Raises ClientRequestError or StorageUnavailableError.
    """
    presented = form.get("refresh_token")
    if not presented:
        raise ClientRequestError("invalid_request", "refresh_token is missing")
    found = issuer.storage.find(digest(presented), "refresh")
    if found is None:
        raise invalid_grant("the refresh token is unknown: it was not issued here, or is no longer stored")
    if found[0].client_id != client.client_id:
        raise invalid_grant(f"the refresh token was issued to the client {found[0].client_id}")
    link, record = found
    replaced = record.used_at is not None and client.refresh != "rotate"
    if replaced or not is_active(link, record.expires_at, now):
        raise invalid_grant(inactive_reason("refresh token", link, record.expires_at, now))
    scopes = _requested_scopes(form.get("scope"), link.scopes, client)
    access_token, access, lifetime = issuer.issue_access_token(client, link, scopes, now)
    expires_at = refresh_expiry(client, link, now)
    granted = link.scopes if scopes is None else scopes
    if client.refresh == "stable":
        if not issuer.storage.renew(link, record, expires_at, (access,), now, consume=False):
            raise invalid_grant(CONCURRENT)
        return token_response(access_token, lifetime, granted, presented)
    if client.refresh == "overlap":
        texts = [new_token()]
    else:
        # one successor for each secret of the ini file: any server can then repeat a lost response
        texts = [derive_successor(presented, key) for key in (issuer.successor_key, *issuer.previous_keys)]
    successors = {
        text: Token(digest(text), "refresh", now, expires_at, generation=record.generation + 1) for text in texts
    }
    # the one of the oldest secret: servers that have only the former secret return it too
    successor = texts[-1]
    tokens = (access, *successors.values())
    if client.refresh == "overlap":
        if not issuer.storage.renew(link, record, expires_at, tokens, now, consume=False):
            raise invalid_grant(CONCURRENT)
    elif record.used_at is not None or not issuer.storage.renew(link, record, expires_at, tokens, now, consume=True):
        successor = _handle_reuse(client, link, record, successors, access, issuer, now)
    return token_response(access_token, lifetime, granted, successor)


def _handle_reuse(
    client: Client,
    link: Link,
    record: Token,
    successors: Mapping[str, Token],
    access: Token,
    issuer: Issuer,
    now: int,
) -> str:
    """Return the successor of a refresh token that was already rotated, or end the link.

    Within the grace period the client has probably lost the response, so the same successor is returned. Otherwise two
    parties have the token, and the link ends (RFC 9700 section 4.14.2). `successors` are those that this server would
    issue; a server with fewer secrets has issued fewer. Raises ClientRequestError if the link ends.
    """
    current = issuer.storage.find(record.digest, "refresh")
    used_at = current[1].used_at if current else None
    stored = ((text, issuer.storage.find(token.digest, "refresh")) for text, token in successors.items())
    unused = [(text, found[1]) for text, found in stored if found and found[1].used_at is None]
    # max(): the clock of the server that rotated the token may be ahead
    within_grace = used_at is not None and max(now - used_at, 0) < client.refresh_grace
    if not (within_grace and unused):
        issuer.storage.end(link, REFRESH_TOKEN_REUSED, now)
        raise invalid_grant("the refresh token was used twice, so its link has ended")
    text, successor = unused[-1]
    if not issuer.storage.renew(link, successor, successors[text].expires_at, (access,), now, consume=False):
        raise invalid_grant(CONCURRENT)
    return text


def _requested_scopes(requested: str | None, granted: tuple[str, ...], client: Client) -> tuple[str, ...] | None:
    """Return the scopes of a new access token, or None for all scopes of the link. Never the empty tuple.

    `requested` is the `scope` parameter. Raises ClientRequestError if it exceeds what was granted or if the client has
    lost all granted scopes.
    """
    allowed = allowed_scopes(granted, client)
    if allowed is None:
        raise invalid_grant(f"no scope of the link is in the scopes of the client: {' '.join(granted)}")
    if not requested:
        return None if allowed == granted else allowed
    scopes = tuple(dict.fromkeys(requested.split(" ")))
    if not set(scopes) <= set(allowed):
        log = f"scope is {log_excerpt(requested)}, and the link has {' '.join(allowed)}: the person must link again"
        raise ClientRequestError("invalid_scope", "scope is more than was granted", log)
    return scopes
