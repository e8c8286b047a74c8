"""The only place that turns exceptions into answers: a page, a redirect, or JSON.

Text for people lives in the theme (a page gets a code), text for clients in `oauth2.errors`, text for operators in the
log. No answer shows a message of an exception.
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
_IN_WORDS = {
    "insecure_transport": "https only: correct the URL that is called here",
    "insecure_token_uri": "https only: Access Token URI in the account linking page of the Alexa developer console "
    "must begin with https://",
    "too_slow": "the rest of the body did not come in time",
    "secret_in_query": "a secret belongs into the body, never into the URL: it is in logs by now, replace it",
}
"""What a client's developer can mend."""


def wrong_password(error: Exception, request: Request) -> Response:
    return _again(request, "wrong_password", 403)


def account_refused(error: AccountRefused, request: Request) -> Response:
    """The reason only for somebody who may know it, else the same page as for a wrong password."""
    if not error.revealed:
        return _again(request, "wrong_password", 403)
    # also after a change: there is no more to change
    authorization = request.services.oauth2.parse(request.query)
    url = error.change_url if error.change_url.startswith(("https://", "http://")) else ""
    return login_page(request, authorization, error.reason, 403, change_url=url)


def password_change_needed(error: PasswordChangeNeeded, request: Request) -> Response:
    return password_page(request, request.services.oauth2.parse(request.query), status=403, reason=error.reason)


def password_refused(error: PasswordRefused, request: Request) -> Response:
    return _again(request, error.rule, 403, minimum=error.minimum)


def password_changed(error: PasswordChanged, request: Request) -> Response:
    return _changed(request, error.retry_after)


def throttled(error: Throttled, request: Request) -> Response:
    log.info("throttled: too many failures, path=%s retry_after=%d", _path(request), error.retry_after)
    if _for_programs(request):
        # whether this secret is right is not said
        response = _json(request, "invalid_client", "too many wrong secrets, wait", 429)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return _again(request, "throttled", 429, error.retry_after)


def backend_unavailable(error: BackendUnavailable, request: Request) -> Response:
    return _again(request, "unavailable", 503, error.retry_after)


def _again(request: Request, code: str, status: int, retry_after: int = 0, minimum: int = 0) -> Response:
    """The page that was posted, with what went wrong."""
    authorization = request.services.oauth2.parse(request.query)
    if is_password_change(request):
        return password_page(request, authorization, code, status, retry_after, minimum=minimum)
    return login_page(request, authorization, code, status, retry_after)


def _changed(request: Request, retry_after: int) -> Response:
    """The login page, for the old password is gone: what is left to do is to sign in with the new one."""
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
    """RFC 6750 section 3.1: without a token only the challenge."""
    challenge = 'Bearer realm="linkauth"'
    if error.error:
        challenge += f', error="{error.error}", error_description="{error.description}"'
    response = _json(
        request, error.error or "unauthorized", error.description or "an access token is needed", error.status
    )
    response.headers["WWW-Authenticate"] = challenge
    return response


def store_unavailable(error: StorageUnavailableError, request: Request) -> Response:
    """503, so that nobody takes "cannot tell" for "bad token"; the person keeps the form."""
    log.error("storage: %s", error)
    if _for_programs(request):
        return _retry_later(_json(request, "temporarily_unavailable", "cannot tell now, try again", 503))
    if getattr(request, "password_changed", False):
        # the link is written after the change
        return _changed(request, RETRY_SECONDS)
    return _again(request, "unavailable", 503, RETRY_SECONDS)


def not_found(error: HTTPNotFound, request: Request) -> Response:
    """404, or 405 where the URL is known and the method is not its own."""
    route, query = request.matched_route, dict(request.query)
    if route is not None and route.name in ("token", "token_refresh") and "response_type" in query:
        client = request.services.oauth2.client(query.get("client_id", ""))
        of = f"client {client.client_id}" if client else "a client"
        wanted = f"Your Web Authorization URI must be {request.services.oauth2.url}/authorize"
        log.warning("an authorization request of %s came to /token, the two URLs are swapped: %s", of, wanted)
        return _page(request, "swapped_urls", 400)
    if route is not None and request.method not in METHODS.get(route.name, (request.method,)):
        return _refused(request, HTTPMethodNotAllowed("wrong_method"), {"Allow": ", ".join(METHODS[route.name])})
    return _refused(request, HTTPNotFound("not_found"))


def http_exception(error: HTTPException, request: Request) -> Response:
    if error.detail == "insecure_transport":
        path = _path(request)
        if any(path == pattern for _, pattern, _ in ROUTES):
            request.forwarded_headers.log_insecure_request(request.environ, request.services.oauth2.url + path)
        if path.startswith("/token"):
            return _refused(request, HTTPForbidden("insecure_token_uri"))
    return _refused(request, error)


def unexpected(error: Exception, request: Request) -> Response:
    """Our own fault: a number for the person, everything else for the log."""
    reference = secrets.token_hex(4)
    log.error("unexpected error %s", reference, exc_info=error)
    if _for_programs(request):
        return _retry_later(_json(request, "server_error", f"unexpected error {reference}", 500))
    return _page(request, "unexpected", 500, reference)


def _refused(request: Request, error: HTTPException, headers: dict[str, str] | None = None) -> Response:
    code = error.detail or "not_found"
    if _for_programs(request):
        response = _json(request, "invalid_request", _IN_WORDS.get(code, code.replace("_", " ")), error.code)
    else:
        response = _page(request, code, error.code)
    response.headers.update(headers or {})
    return response


def _page(request: Request, reason: str, status: int, reference: str = "") -> Response:
    response: Response = request.page("error", status, reason=reason, reference=reference)
    return response


def _json(request: Request, error: str, description: str, status: int) -> Response:
    if _path(request).startswith("/ifttt/"):
        # IFTTT's own shape
        return Response(json_body={"errors": [{"message": f"{error}: {description}"}]}, status=status)
    return Response(json_body={"error": error, "error_description": description}, status=status)


def _retry_later(response: Response) -> Response:
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _for_programs(request: Request) -> bool:
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
    (BackendUnavailable, backend_unavailable),
    (AuthorizationError, authorization_error),
    (UntrustedRequestError, untrusted_request),
    (ClientRequestError, client_request_error),
    (BearerError, bearer_error),
    (StorageUnavailableError, store_unavailable),
    (HTTPException, http_exception),
    (Exception, unexpected),
)
"""Each exception class with its view."""


def includeme(config: Any) -> None:
    for exception, view in VIEWS:
        config.add_exception_view(view, context=exception)
    config.add_notfound_view(not_found)
