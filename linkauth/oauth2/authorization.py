"""Parses and validates an authorization request (RFC 6749 sections 4.1.1 and 4.2.1, RFC 7636).

The order of the checks matters: client_id first, then redirect_uri, then everything else. An error in the first two is
shown as a page, because the redirect URI cannot be trusted. Every later error is returned to the client by redirect.
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
"""Maximum length of the state in characters."""
SCOPE_LIMIT = 100
"""Maximum number of scopes in a request. The limits of the platforms are lower and are checked by the settings."""
LOG_EXCERPT_LIMIT = 300
"""Maximum number of characters of a parameter that are logged."""

_VSCHARS = re.compile(r"[\x20-\x7E]*")
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*")
_PARAMETERS = {"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state"}
_PARAMETERS_WITH_PKCE = {*_PARAMETERS, "code_challenge", "code_challenge_method"}
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_SENSITIVE_NAMES = ("state", "code", "token", "secret", "assertion")
"""The value of a parameter is masked in logs if its name contains one of these."""
_SEPARATOR = re.compile(r"([&#]|%(?:25)*2[36])")
_ASSIGNMENT = re.compile(r"=|%(?:25)*3D", re.IGNORECASE)
"""Both patterns also match percent-encoded characters, encoded once or several times."""
_LOGGED_PARAMETERS = ("client_id", "redirect_uri", "response_type", "scope")
"""The only parameters that are logged. The state is never logged."""


def parse(pairs: Iterable[tuple[str, str]], clients: Clients, issuer: str) -> AuthorizationRequest:
    """Parse and validate the decoded (name, value) pairs of a query. Unknown parameters are ignored.

    `issuer` is the issuer identifier. Clients with `sends_iss` receive it in the response (RFC 9207).

    Raises UntrustedRequestError (shown as a page) or AuthorizationError (returned by redirect).
    """
    parameters = _unique_parameters(pairs, issuer)
    client = clients.get(parameters.get("client_id", ""))
    if client is None:
        client_ids = ", ".join(client.client_id for client in clients if client.grants)
        received = parameters.get("client_id", "")
        # developers sometimes paste the secret into the client ID field of a console; it must not be logged
        owner = clients.find_by_secret(received)
        excerpt = f"the secret of {owner.client_id}" if owner else log_excerpt(received)
        log = f"client_id {excerpt} is not one of {client_ids}: correct Your Client ID"
        raise UntrustedRequestError("unknown_client", log)
    redirect_uri = _redirect_uri(client, parameters.get("redirect_uri"))
    response_type = parameters.get("response_type", "")
    state = parameters.get("state")
    iss = issuer if client.sends_iss else None
    target = RedirectTarget(redirect_uri, _response_mode(client, response_type), state, iss)
    if state is not None and (len(state) > STATE_LIMIT or not _VSCHARS.fullmatch(state)):
        # the error response omits an invalid state
        target = RedirectTarget(redirect_uri, target.mode, None, iss)
        raise AuthorizationError("invalid_request", "state is over 4096 characters or not printable ASCII", target)
    if not response_type:
        raise AuthorizationError("invalid_request", "response_type is missing", target)
    grant = registry.by_response_type(response_type)
    if grant is None:
        supported = " nor ".join(registry.response_types())
        raise AuthorizationError("unsupported_response_type", f"response_type is neither {supported}", target)
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
    parameter_names = _PARAMETERS_WITH_PKCE if grant.pkce else _PARAMETERS
    return AuthorizationRequest(
        client=client,
        grant=grant.name,
        scopes=scopes,
        scope_as_requested=(scope or "") == " ".join(scopes),
        target=target,
        redirect_uri_sent="redirect_uri" in parameters,
        code_challenge=_challenge(client, parameters, target) if grant.pkce else None,
        parameters=tuple((name, value) for name, value in parameters.items() if name in parameter_names),
    )


def _challenge(client: Client, parameters: dict[str, str], target: RedirectTarget) -> str | None:
    """Return the PKCE challenge (RFC 7636 section 4.3), or None if there is none and the client does not require it.

    Only S256 is supported: `plain` does not protect against an attacker who sees the authorization request. Raises
    AuthorizationError.
    """
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
    """Return the first LOG_EXCERPT_LIMIT characters of a value, quoted, with the values of sensitive parameters masked.

    The value is truncated before it is masked, which bounds the cost. A truncated secret is still masked, because its
    name comes before it.
    """
    return repr("".join(map(_mask, _SEPARATOR.split(value[:LOG_EXCERPT_LIMIT]))))


def _mask(pair: str) -> str:
    """Replace everything after the first assignment to a sensitive name by `...`."""
    start = 0
    for assignment in _ASSIGNMENT.finditer(pair):
        name = pair[start : assignment.start()].rpartition("?")[2].casefold()
        if any(part in name for part in _SENSITIVE_NAMES):
            return pair[: assignment.end()] + "..."
        start = assignment.end()
    return pair


def _unique_parameters(pairs: Iterable[tuple[str, str]], issuer: str) -> dict[str, str]:
    """Return the parameters by name, without those that have an empty value.

    Raises UntrustedRequestError if a name is repeated (RFC 6749 section 3.1). `Redirect_Uri` and `redirect_uri[]` count
    as a repetition of `redirect_uri`, because a proxy or firewall may treat them as the same parameter.
    """
    pairs = list(pairs)
    seen: set[str] = set()
    parameters = {}
    for name, value in pairs:
        normalized = name.split("[")[0].casefold()
        if normalized in seen:
            excerpts = (f"{name} {log_excerpt(value)}" for name, value in pairs if name in _LOGGED_PARAMETERS)
            repeated = normalized if re.fullmatch("[a-z_]{1,30}", normalized) else "a parameter"
            uri = f"{issuer}/authorize"
            log = f"{repeated} is repeated ({', '.join(excerpts)}): Your Web Authorization URI must be exactly {uri}"
            raise UntrustedRequestError("repeated_parameter", log)
        seen.add(normalized)
        if value:
            parameters[name] = value
    return parameters


def _redirect_uri(client: Client, received: str | None) -> str:
    """Return the redirect URI if it equals a registered one, character by character (RFC 9700 section 2.1).

    A client with a single registered URI may omit the parameter. Raises UntrustedRequestError.
    """
    registered = client.redirect_uris
    if received is None:
        if len(registered) == 1:
            return registered[0]
        raise UntrustedRequestError("missing_redirect_uri", f"redirect_uri is missing, client {client.client_id}")
    if received not in registered:
        log = f"redirect_uri {log_excerpt(received)} of client {client.client_id} is not one of {', '.join(registered)}"
        raise UntrustedRequestError("wrong_redirect_uri", log)
    return received


def _response_mode(client: Client, response_type: str) -> Literal["query", "fragment"]:
    """Return the part of the redirect URI that receives the response (RFC 6749 section 4.2.2).

    For a response type with several values it is the fragment if one of the values requires the fragment. For an
    unknown response type it is the fragment if every grant of the client uses the fragment.
    """
    requested = [grant for value in response_type.split() if (grant := registry.by_response_type(value))]
    if registry.by_response_type(response_type) is None:
        registered = [grant for name in client.grants if (grant := registry.GRANTS.get(name))]
        if registered and all(grant.response_mode == "fragment" for grant in registered):
            return "fragment"
    return "fragment" if any(grant.response_mode == "fragment" for grant in requested) else "query"


def _scopes(client: Client, raw: str | None, target: RedirectTarget) -> tuple[str, ...]:
    """Return the requested scopes without duplicates, or all scopes of the client if the request names none.

    Raises AuthorizationError (RFC 6749 section 3.3).
    """
    if raw is None:
        return client.scopes
    if not _SCOPE.fullmatch(raw):
        raise AuthorizationError("invalid_scope", "scope is not a list of scope tokens", target)
    scopes = tuple(dict.fromkeys(raw.split(" ")))
    if len(scopes) > SCOPE_LIMIT or not set(scopes) <= set(client.scopes):
        raise AuthorizationError("invalid_scope", "a scope is unknown or not registered for the client", target)
    return scopes
