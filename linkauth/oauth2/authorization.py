"""Reading an authorization request (RFC 6749 sections 4.1.1 and 4.2.1, RFC 7636), in the one safe order.

client_id, then redirect_uri, and only then everything else: before the redirect URI is trusted an error is a page,
after it every error carries its redirect target.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from linkauth.oauth2 import registry
from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.errors import AuthorizationError, RedirectTarget, UntrustedRequestError
from linkauth.oauth2.requests import AuthorizationRequest

STATE_LIMIT = 4096
SCOPE_LIMIT = 100
"""No platform takes more; what each of them takes is checked where its clients are registered."""
LOG_EXCERPT_LIMIT = 300
"""Characters of a parameter that a log line may hold."""

_VSCHARS = re.compile(r"[\x20-\x7E]*")
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*")
_READ = {"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state"}
_READ_WITH_PKCE = {*_READ, "code_challenge", "code_challenge_method"}
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_PRIVATE = ("state", "code", "token", "secret", "assertion")
"""Parts of the names of parameters whose values no log line may hold."""
_SEPARATOR = re.compile(r"([&#]|%(?:25)*2[36])")
_ASSIGNMENT = re.compile(r"=|%(?:25)*3D", re.IGNORECASE)
"""Both also percent-encoded, once or several times."""
_LOGGED = ("client_id", "redirect_uri", "response_type", "scope")
"""What a log line may hold of a request: never the state."""


def parse(pairs: Iterable[tuple[str, str]], clients: Clients, issuer: str) -> AuthorizationRequest:
    """The authorization request in the query's decoded (name, value) pairs; unknown names are ignored.

    `issuer` is put into the answers to clients that want it (RFC 9207).

    Raises UntrustedRequestError (a page) or AuthorizationError (a redirect).
    """
    parameters = _once(pairs, issuer)
    client = clients.get(parameters.get("client_id", ""))
    if client is None:
        known = ", ".join(client.client_id for client in clients if client.grants)
        received = parameters.get("client_id", "")
        # a secret that was pasted into the wrong field of a console is still one
        owner = clients.find_by_secret(received)
        said = f"the secret of {owner.client_id}" if owner else log_excerpt(received)
        log = f"client_id {said} is none of {known}: correct Your Client ID"
        raise UntrustedRequestError("unknown_client", log)
    redirect_uri = _redirect_uri(client, parameters.get("redirect_uri"))
    response_type = parameters.get("response_type", "")
    state = parameters.get("state")
    iss = issuer if client.sends_iss else None
    target = RedirectTarget(redirect_uri, _mode(client, response_type), state, iss)
    if state is not None and (len(state) > STATE_LIMIT or not _VSCHARS.fullmatch(state)):
        # a state that cannot be echoed is left out
        target = RedirectTarget(redirect_uri, target.mode, None, iss)
        raise AuthorizationError("invalid_request", "state is over 4096 characters or not printable ASCII", target)
    if not response_type:
        raise AuthorizationError("invalid_request", "response_type is missing", target)
    grant = registry.by_response_type(response_type)
    if grant is None:
        known = " nor ".join(registry.response_types())
        raise AuthorizationError("unsupported_response_type", f"response_type is neither {known}", target)
    if grant.name not in client.grants:
        raise AuthorizationError("unauthorized_client", "the client may not use this response_type", target)
    if parameters.get("response_mode", target.mode) != target.mode:
        raise AuthorizationError("invalid_request", "response_mode does not fit the response_type", target)
    if "request" in parameters or "request_uri" in parameters:
        name = "request" if "request" in parameters else "request_uri"
        raise AuthorizationError(f"{name}_not_supported", f"{name} is not supported", target)
    if client.require_state and state is None:
        raise AuthorizationError("invalid_request", "state is missing", target)
    scope = parameters.get("scope")
    scopes = _scopes(client, scope, target)
    read = _READ_WITH_PKCE if grant.pkce else _READ
    return AuthorizationRequest(
        client=client,
        grant=grant.name,
        scopes=scopes,
        scope_as_requested=(scope or "") == " ".join(scopes),
        target=target,
        redirect_uri_sent="redirect_uri" in parameters,
        code_challenge=_challenge(client, parameters, target) if grant.pkce else None,
        parameters=tuple((name, value) for name, value in parameters.items() if name in read),
    )


def _challenge(client: Client, parameters: dict[str, str], target: RedirectTarget) -> str | None:
    """The PKCE challenge (RFC 7636 section 4.3), S256 only: `plain` protects nothing that matters here."""
    challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method")
    if challenge is None:
        if method is not None or client.pkce_required or client.public:
            raise AuthorizationError("invalid_request", "code_challenge is missing", target)
        return None
    if method not in client.pkce_methods:
        raise AuthorizationError("invalid_request", "code_challenge_method is not S256", target)
    if not _CHALLENGE.fullmatch(challenge):
        raise AuthorizationError("invalid_request", "code_challenge is not 43 characters of base64url", target)
    return challenge


def log_excerpt(value: str) -> str:
    """The first LOG_EXCERPT_LIMIT characters of a value, quoted, with the values of private parameters masked.

    The value is cut first: the cost is bounded, and a secret that is cut stays masked, since its name stands before it.
    """
    return repr("".join(map(_masked, _SEPARATOR.split(value[:LOG_EXCERPT_LIMIT]))))


def _masked(pair: str) -> str:
    """`pair` up to the first assignment whose name is private."""
    start = 0
    for found in _ASSIGNMENT.finditer(pair):
        name = pair[start : found.start()].rpartition("?")[2].casefold()
        if any(word in name for word in _PRIVATE):
            return pair[: found.end()] + "..."
        start = found.end()
    return pair


def _once(pairs: Iterable[tuple[str, str]], issuer: str) -> dict[str, str]:
    """Name to value, empty values left out; a name that comes twice makes the request ambiguous (RFC 6749 3.1).

    `Redirect_Uri` and `redirect_uri[]` count as `redirect_uri` here: some layer in front may read them so.
    """
    pairs = list(pairs)
    seen: set[str] = set()
    parameters = {}
    for name, value in pairs:
        plain = name.split("[")[0].casefold()
        if plain in seen:
            values = ", ".join(f"{name} {log_excerpt(value)}" for name, value in pairs if name in _LOGGED)
            twice = plain if re.fullmatch("[a-z_]{1,30}", plain) else "something"
            log = f"{twice} came twice ({values}): Your Web Authorization URI must be just {issuer}/authorize"
            raise UntrustedRequestError("repeated_parameter", log)
        seen.add(plain)
        if value:
            parameters[name] = value
    return parameters


def _redirect_uri(client: Client, received: str | None) -> str:
    """The redirect URI by exact string comparison (RFC 9700 section 2.1), after the one decoding of the query."""
    registered = client.redirect_uris
    if received is None:
        if len(registered) == 1:
            return registered[0]
        raise UntrustedRequestError("missing_redirect_uri", f"redirect_uri is missing, client {client.client_id}")
    if received not in registered:
        log = f"redirect_uri {log_excerpt(received)} of client {client.client_id} is none of {', '.join(registered)}"
        raise UntrustedRequestError("wrong_redirect_uri", log)
    return received


def _mode(client: Client, response_type: str) -> Literal["query", "fragment"]:
    """Where the response goes (RFC 6749 section 4.2.2).

    A response type of several words goes into the fragment if one of them does; an unknown one does if all grants of
    the client do.
    """
    words = [grant for word in response_type.split() if (grant := registry.by_response_type(word))]
    if registry.by_response_type(response_type) is None:
        own = [grant for name in client.grants if (grant := registry.GRANTS.get(name))]
        if own and all(grant.response_mode == "fragment" for grant in own):
            return "fragment"
    return "fragment" if any(grant.response_mode == "fragment" for grant in words) else "query"


def _scopes(client: Client, raw: str | None, target: RedirectTarget) -> tuple[str, ...]:
    """The scopes asked for, each at most once; all of the client's if it asked for none (RFC 6749 section 3.3)."""
    if raw is None:
        return client.scopes
    if not _SCOPE.fullmatch(raw):
        raise AuthorizationError("invalid_scope", "scope is not a list of scope tokens", target)
    scopes = tuple(dict.fromkeys(raw.split(" ")))
    if len(scopes) > SCOPE_LIMIT or not set(scopes) <= set(client.scopes):
        raise AuthorizationError("invalid_scope", "a scope is unknown or not the client's", target)
    return scopes
