"""The responses to errors of clients, as JSON: failed authentication, refused requests and tokens."""

from __future__ import annotations

import logging

from pyramid.response import Response

from linkauth.backends import Throttled
from linkauth.events.types import ClientRefused, TokenRefused
from linkauth.logs import event
from linkauth.oauth2.errors import BearerError, ClientRequestError, InvalidClientError
from linkauth.views.json_errors import json_error, path_of
from linkauth.web.request import Request

log = logging.getLogger(__name__)


def client_throttled(error: Throttled, request: Request) -> Response:
    """Respond to a client with too many failed authentications. Whether the secret was correct is not revealed."""
    reason, path = f"too many failures of the {error.of}", path_of(request)
    event(log, logging.WARNING, "client throttled", reason=reason, path=path, retry_after=error.retry_after)
    request.services.events.emit(ClientRefused(_endpoint(request), "throttled", reason, "throttled"))
    response = json_error(request, "invalid_client", "too many failed authentications, retry later", 429)
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def client_request_error(error: ClientRequestError, request: Request) -> Response:
    # a client that has not noticed the end of a link repeats invalid_grant
    level = logging.INFO if error.error == "invalid_grant" else logging.WARNING
    event(log, level, f"{request.method} {path_of(request)} refused", error=error.error, reason=error.log)
    endpoint = _endpoint(request)
    if endpoint.startswith("token") and not isinstance(error, InvalidClientError):
        request.services.events.emit(TokenRefused(error.error, error.log, error.cause, error.link))
    else:
        request.services.events.emit(ClientRefused(endpoint, error.error, error.log, error.cause))
    response = json_error(request, error.error, error.description, error.status)
    if isinstance(error, InvalidClientError):
        response.headers["WWW-Authenticate"] = 'Basic realm="linkauth", charset="UTF-8"'
    return response


def bearer_error(error: BearerError, request: Request) -> Response:
    """Respond with a challenge. A request without a token gets no error code in it (RFC 6750 section 3.1)."""
    challenge = 'Bearer realm="linkauth"'
    if error.error:
        challenge += f', error="{error.error}", error_description="{error.description}"'
    response = json_error(
        request, error.error or "unauthorized", error.description or "an access token is required", error.status
    )
    response.headers["WWW-Authenticate"] = challenge
    return response


def _endpoint(request: Request) -> str:
    """Return the name of the route."""
    return request.matched_route.name if request.matched_route is not None else ""
