"""Converts exceptions into responses: pages, redirects, or JSON. No other module does this.

Pages receive an error code, which the theme translates. JSON responses contain the descriptions of `oauth2.errors`.
Exception messages are written to the log only and never appear in a response.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from pyramid.httpexceptions import HTTPException, HTTPForbidden, HTTPMethodNotAllowed, HTTPNotFound
from pyramid.response import Response

from linkauth.backends import (
    AccountRefused,
    BackendUnavailable,
    PasswordRefused,
    Throttled,
    UnknownUser,
    WrongPassword,
)
from linkauth.login.admission import Busy
from linkauth.login.sign_in import PasswordChanged, PasswordChangeNeeded
from linkauth.oauth2.errors import (
    AuthorizationError,
    BearerError,
    ClientRequestError,
    InvalidClientError,
    StorageUnavailableError,
    UntrustedRequestError,
)
from linkauth.views.authorize import is_password_change, login_page, password_page
from linkauth.web.request import Request
from linkauth.web.routes import API_PATHS, METHODS, ROUTES

log = logging.getLogger(__name__)

RETRY_SECONDS = 10
"""The Retry-After of responses to failures of this server."""
_DESCRIPTIONS = {
    "insecure_transport": "https only: correct the requested URL",
    "insecure_token_uri": "https only: Access Token URI in the account linking page of the Alexa developer console "
    "must begin with https://",
    "too_slow": "the body was not received in time",
    "secret_in_query": "send secrets in the body, never in the URL: this secret is now in access logs, so replace it",
}
"""Error descriptions for the developers of clients, by error code."""


def wrong_password(error: Exception, request: Request) -> Response:
    return _show_form(request, "wrong_password", 403)


def account_refused(error: AccountRefused, request: Request) -> Response:
    """Show the reason if it may be revealed, else the same page as for a wrong password."""
    if not error.revealed:
        return _show_form(request, "wrong_password", 403)
    # the login page even if the password form was posted, because this account cannot change its password
    authorization = request.services.oauth2.parse(request.query)
    url = error.change_url if error.change_url.startswith(("https://", "http://")) else ""
    return login_page(request, authorization, error.reason, 403, change_url=url)


def password_change_needed(error: PasswordChangeNeeded, request: Request) -> Response:
    return password_page(request, request.services.oauth2.parse(request.query), status=403, reason=error.reason)


def password_refused(error: PasswordRefused, request: Request) -> Response:
    return _show_form(request, error.rule, 403, minimum=error.minimum)


def password_changed(error: PasswordChanged, request: Request) -> Response:
    return _password_changed_page(request, error.retry_after)


def throttled(error: Throttled, request: Request) -> Response:
    log.info("throttled: too many failures, path=%s retry_after=%d", _path(request), error.retry_after)
    if _is_api_request(request):
        # the response does not reveal whether the secret was correct
        response = _json(request, "invalid_client", "too many failed authentications, retry later", 429)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return _show_form(request, "throttled", 429, error.retry_after)


def busy(error: Busy, request: Request) -> Response:
    return _show_form(request, "busy", 503, error.retry_after)


def backend_unavailable(error: BackendUnavailable, request: Request) -> Response:
    return _show_form(request, "unavailable", 503, error.retry_after)


def _show_form(request: Request, code: str, status: int, retry_after: int = 0, minimum: int = 0) -> Response:
    """Show the posted form again with an error code."""
    authorization = request.services.oauth2.parse(request.query)
    if is_password_change(request):
        return password_page(request, authorization, code, status, retry_after, minimum=minimum)
    return login_page(request, authorization, code, status, retry_after)


def _password_changed_page(request: Request, retry_after: int) -> Response:
    """Show the login page if the password was changed but the sign-in then failed."""
    return login_page(request, request.services.oauth2.parse(request.query), "password_changed", 503, retry_after)


def authorization_error(error: AuthorizationError, request: Request) -> Response:
    log.info("authorization refused: %s: %s", error.error, error.description)
    return Response(status=303, location=error.location)


def untrusted_request(error: UntrustedRequestError, request: Request) -> Response:
    log.warning("authorization request not trusted: %s", error.log)
    return _page(request, error.reason, 400)


def client_request_error(error: ClientRequestError, request: Request) -> Response:
    log.info("%s %s refused: %s: %s", request.method, _path(request), error.error, error.description)
    response = _json(request, error.error, error.description, error.status)
    if isinstance(error, InvalidClientError):
        response.headers["WWW-Authenticate"] = 'Basic realm="linkauth", charset="UTF-8"'
    return response


def bearer_error(error: BearerError, request: Request) -> Response:
    """Respond with a challenge. A request without a token gets no error code in it (RFC 6750 section 3.1)."""
    challenge = 'Bearer realm="linkauth"'
    if error.error:
        challenge += f', error="{error.error}", error_description="{error.description}"'
    response = _json(
        request, error.error or "unauthorized", error.description or "an access token is required", error.status
    )
    response.headers["WWW-Authenticate"] = challenge
    return response


def storage_unavailable(error: StorageUnavailableError, request: Request) -> Response:
    """Respond with 503, which clients cannot mistake for an invalid token. A person sees the form again."""
    log.error("storage: %s", error)
    if _is_api_request(request):
        return _retry_later(_json(request, "temporarily_unavailable", "the storage is unavailable, retry later", 503))
    if getattr(request, "password_changed", False):
        return _password_changed_page(request, RETRY_SECONDS)
    return _show_form(request, "unavailable", 503, RETRY_SECONDS)


def not_found(error: HTTPNotFound, request: Request) -> Response:
    """Respond with 404, or with 405 if the URL exists and does not support the method."""
    route, query = request.matched_route, dict(request.query)
    if route is not None and route.name in ("token", "token_refresh") and "response_type" in query:
        client = request.services.oauth2.client(query.get("client_id", ""))
        sender = f"client {client.client_id}" if client else "an unknown client"
        advice = f"Your Web Authorization URI must be {request.services.oauth2.url}/authorize"
        log.warning("authorization request from %s received at /token, the two URLs are swapped: %s", sender, advice)
        return _page(request, "swapped_urls", 400)
    if route is not None and request.method not in METHODS.get(route.name, (request.method,)):
        return _http_error(request, HTTPMethodNotAllowed("wrong_method"), {"Allow": ", ".join(METHODS[route.name])})
    return _http_error(request, HTTPNotFound("not_found"))


def http_exception(error: HTTPException, request: Request) -> Response:
    if error.detail == "insecure_transport":
        path = _path(request)
        if any(path == pattern for _, pattern, _ in ROUTES):
            request.forwarded_headers.log_insecure_request(request.environ, request.services.oauth2.url + path)
        if path.startswith("/token"):
            return _http_error(request, HTTPForbidden("insecure_token_uri"))
    return _http_error(request, error)


def unexpected(error: Exception, request: Request) -> Response:
    """Respond to an unexpected exception with a reference number. The traceback is logged under the same number."""
    reference = secrets.token_hex(4)
    log.error("unexpected error %s", reference, exc_info=error)
    if _is_api_request(request):
        return _retry_later(_json(request, "server_error", f"unexpected error {reference}", 500))
    return _page(request, "unexpected", 500, reference)


def _http_error(request: Request, error: HTTPException, headers: dict[str, str] | None = None) -> Response:
    code = error.detail or "not_found"
    if _is_api_request(request):
        response = _json(request, "invalid_request", _DESCRIPTIONS.get(code, code.replace("_", " ")), error.code)
    else:
        response = _page(request, code, error.code)
    response.headers.update(headers or {})
    return response


def _page(request: Request, reason: str, status: int, reference: str = "") -> Response:
    """Render the error page. `reason` is an error code that the theme translates."""
    response: Response = request.page("error", status, reason=reason, reference=reference)
    return response


def _json(request: Request, error: str, description: str, status: int) -> Response:
    """Return an error response in the format of RFC 6749 section 5.2, or in that of IFTTT."""
    if _path(request).startswith("/ifttt/"):
        return Response(json_body={"errors": [{"message": f"{error}: {description}"}]}, status=status)
    return Response(json_body={"error": error, "error_description": description}, status=status)


def _retry_later(response: Response) -> Response:
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _is_api_request(request: Request) -> bool:
    return _path(request).startswith(API_PATHS)


def _path(request: Request) -> str:
    path: str = request.environ.get("PATH_INFO", "")
    return path


VIEWS = (
    (WrongPassword, wrong_password),
    (UnknownUser, wrong_password),
    (AccountRefused, account_refused),
    (PasswordChangeNeeded, password_change_needed),
    (PasswordRefused, password_refused),
    (PasswordChanged, password_changed),
    (Throttled, throttled),
    (Busy, busy),
    (BackendUnavailable, backend_unavailable),
    (AuthorizationError, authorization_error),
    (UntrustedRequestError, untrusted_request),
    (ClientRequestError, client_request_error),
    (BearerError, bearer_error),
    (StorageUnavailableError, storage_unavailable),
    (HTTPException, http_exception),
    (Exception, unexpected),
)
"""Pairs of an exception class and its view."""


def includeme(config: Any) -> None:
    for exception, view in VIEWS:
        config.add_exception_view(view, context=exception)
    config.add_notfound_view(not_found)
