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
from linkauth.oauth2.excerpts import log_excerpt, page_excerpt
from linkauth.oauth2.requests import AuthorizationRequest

STATE_LIMIT = 4096
"""Maximum length of the state in characters."""
SCOPE_LIMIT = 100
"""Maximum number of scopes in a request. The limits of the platforms are lower and are checked by the settings."""

_VSCHARS = re.compile(r"[\x20-\x7E]*")
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*")
_PARAMETERS = {"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state"}
_PARAMETERS_WITH_PKCE = {*_PARAMETERS, "code_challenge", "code_challenge_method"}
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
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
        # a request without a client_id has the same error; an unknown one may be a secret, which no page may contain
        raise UntrustedRequestError("unknown_client", clients.unknown_client(parameters.get("client_id", "")))
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
        problem = f"response_type is neither {' nor '.join(registry.response_types())}"
        log = f"{problem}: {log_excerpt(response_type)}"
        raise AuthorizationError("unsupported_response_type", problem, target, log)
    if grant.name not in client.grants:
        problem = "the client may not use this response_type"
        allowed = " ".join(sorted(client.grants))
        log = f"{problem}: {response_type} is the grant {grant.name}, and the grants of the client are: {allowed}"
        raise AuthorizationError("unauthorized_client", problem, target, log)
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


def _unique_parameters(pairs: Iterable[tuple[str, str]], issuer: str) -> dict[str, str]:
    """Return the parameters by name, without those that have an empty value.

    Raises UntrustedRequestError if a name is repeated (RFC 6749 section 3.1). `Redirect_Uri` and `redirect_uri[]` count
    as a repetition of `redirect_uri`, because a proxy or firewall may treat them as the same parameter.
    """
    pairs = list(pairs)
    seen: set[str] = set()
    parameters = {}
    for name, value in pairs:
        if name == "resource":
            # may be repeated (RFC 8707 section 2); linkauth ignores it
            continue
        normalized = name.split("[")[0].casefold()
        if normalized in seen:
            excerpts = (f"{name} {log_excerpt(value)}" for name, value in pairs if name in _LOGGED_PARAMETERS)
            repeated = normalized if re.fullmatch("[a-z_]{1,30}", normalized) else "a parameter"
            uri = f"{issuer}/authorize"
            log = f"{repeated} is repeated ({', '.join(excerpts)}): Your Web Authorization URI must be exactly {uri}"
            raise UntrustedRequestError("repeated_parameter", log, (("response_type", ""),) * 2)
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
        log = f"redirect_uri is missing, client {client.client_id}"
        raise UntrustedRequestError("missing_redirect_uri", log, (("client_id", client.client_id),))
    if received not in registered:
        log = f"redirect_uri {log_excerpt(received)} of client {client.client_id} is not one of {', '.join(registered)}"
        same = (("client_id", client.client_id), ("redirect_uri", page_excerpt(received)))
        raise UntrustedRequestError("wrong_redirect_uri", log, same, page_excerpt(received))
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
        problem = "scope is not a list of scope tokens"
        raise AuthorizationError("invalid_scope", problem, target, f"{problem}: {log_excerpt(raw)}: correct Scope")
    scopes = tuple(dict.fromkeys(raw.split(" ")))
    if len(scopes) > SCOPE_LIMIT or not set(scopes) <= set(client.scopes):
        unknown = log_excerpt(" ".join(scope for scope in scopes if scope not in client.scopes))
        registered = " ".join(client.scopes) or "none"
        problem = f"scope {unknown} is not registered for the client, only {registered}"
        log = f"{problem}: correct Scope in the console, or the client's scopes in the ini file"
        raise AuthorizationError("invalid_scope", "a scope is unknown or not registered for the client", target, log)
    return scopes
