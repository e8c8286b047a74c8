"""Converts exceptions into responses: pages, redirects, or JSON. No other module does this.

Pages receive an error code, which the theme translates. JSON responses contain the descriptions of `oauth2.errors`.
Exception messages are written to the log only and never appear in a response.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any

from pyramid.httpexceptions import HTTPException, HTTPForbidden, HTTPMethodNotAllowed, HTTPNotFound
from pyramid.response import Response

from linkauth.backends import (
    AccountRefused,
    BackendUnavailable,
    NameTaken,
    PasswordRefused,
    Throttled,
    UnknownUser,
    WrongPassword,
)
from linkauth.login.admission import Busy
from linkauth.login.challenges import ChallengeOver, InvalidFields, StartThrottled, WrongCode
from linkauth.login.registration import AccountCreated
from linkauth.login.sign_in import PasswordChanged, PasswordChangeNeeded
from linkauth.logs import event
from linkauth.oauth2.errors import (
    AuthorizationError,
    BearerError,
    ClientRequestError,
    InvalidClientError,
    StorageUnavailableError,
    UntrustedRequestError,
)
from linkauth.views.authorize import is_password_change, login_page, password_page
from linkauth.views.confirm import ask_again, is_confirmation
from linkauth.views.error_page import error_page
from linkauth.views.json_errors import RETRY_SECONDS, is_api_request, json_error, path_of, retry_later
from linkauth.views.recover import RECOVER
from linkauth.views.register import REGISTER
from linkauth.views.second_factor import is_second_step, shown_again
from linkauth.views.steps import Steps, is_step
from linkauth.web.log_rate_limit import LogRateLimit
from linkauth.web.request import Request
from linkauth.web.routes import METHODS, ROUTES

log = logging.getLogger(__name__)

STEPS: Mapping[str, Steps] = {"recover": RECOVER, "register": REGISTER}
"""The steps by the name of their route."""
_busy_lines = LogRateLimit()
_DESCRIPTIONS = {
    "insecure_transport": "https only: correct the requested URL",
    "insecure_token_uri": "https only: Access Token URI in the account linking page of the Alexa developer console "
    "must begin with https://",
    "too_slow": "the body was not received in time",
    "secret_in_query": "send secrets in the body, never in the URL: this secret is now in access logs, so replace it",
}
"""Error descriptions for the developers of clients, by error code."""
ORIGIN_LIMIT = 200
"""Maximum length of an Origin header in the log."""
CROSS_SITE = "it was not sent from a page of linkauth.public_url"


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
    return _completed_page(request, "password_changed", error.retry_after)


def account_created(error: AccountCreated, request: Request) -> Response:
    return _completed_page(request, "account_created", error.retry_after)


def throttled(error: Throttled, request: Request) -> Response:
    is_api, path = is_api_request(request), path_of(request)
    what, reason = "client throttled" if is_api else "sign-in throttled", f"too many failures of the {error.of}"
    event(log, logging.WARNING, what, reason=reason, path=path, retry_after=error.retry_after)
    if is_api:
        # the response does not reveal whether the secret was correct
        response = json_error(request, "invalid_client", "too many failed authentications, retry later", 429)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return _show_form(request, "throttled", 429, error.retry_after)


def busy(error: Busy, request: Request) -> Response:
    # a crowd causes thousands of them
    if _busy_lines.allows("busy"):
        event(log, logging.WARNING, "sign-in refused", reason="too many sign-ins are waiting (linkauth.sign_in_wait)")
    return _show_form(request, "busy", 503, error.retry_after)


def backend_unavailable(error: BackendUnavailable, request: Request) -> Response:
    return _show_form(request, "unavailable", 503, error.retry_after)


def wrong_code(error: WrongCode, request: Request) -> Response:
    steps = _steps(request)
    event(log, logging.INFO, "wrong code", purpose=steps.purpose, tries_left=error.tries_left)
    return steps.shown_again(request, "wrong_code", 403, tries_left=error.tries_left)


def challenge_over(error: ChallengeOver, request: Request) -> Response:
    steps = _steps(request)
    event(log, logging.INFO, "code not usable", purpose=steps.purpose, reason=error.reason)
    if error.reason == "used":
        # the form was sent twice, and the answer to the first one may be lost
        return login_page(request, request.services.oauth2.parse(request.query), steps.completed, 409)
    return steps.first_page(request, f"code_{error.reason}", 403)


def start_throttled(error: StartThrottled, request: Request) -> Response:
    return _steps(request).first_page(request, "throttled", 429, error.retry_after, error.wait)


def invalid_fields(error: InvalidFields, request: Request) -> Response:
    return _steps(request).first_page(request, "invalid", 400, fields=error.fields)


def name_taken(error: NameTaken, request: Request) -> Response:
    return _steps(request).first_page(request, "name_taken", 403)


def _steps(request: Request) -> Steps:
    """Return the steps to which the URL of the request belongs."""
    assert request.matched_route is not None
    return STEPS[request.matched_route.name]


def _show_form(request: Request, code: str, status: int, retry_after: int = 0, minimum: int = 0) -> Response:
    """Show the posted form again with an error code."""
    authorization = request.services.oauth2.parse(request.query)
    if is_second_step(request):
        return shown_again(request, code, retry_after)
    if is_confirmation(request):
        return ask_again(request, code, status, retry_after)
    if request.matched_route is not None and request.matched_route.name in STEPS and is_step(request):
        if code != "wrong_password":
            return _steps(request).shown_again(request, code, status, retry_after, minimum)
        return login_page(request, authorization, code, status, retry_after)
    if is_password_change(request):
        return password_page(request, authorization, code, status, retry_after, minimum=minimum)
    return login_page(request, authorization, code, status, retry_after)


def _completed_page(request: Request, completed: str, retry_after: int) -> Response:
    """Show the login page if the password was changed, or the account created, but the sign-in then failed."""
    return login_page(request, request.services.oauth2.parse(request.query), completed, 503, retry_after)


def authorization_error(error: AuthorizationError, request: Request) -> Response:
    level = logging.INFO if error.error == "access_denied" else logging.WARNING
    event(log, level, "authorization refused", error=error.error, reason=error.log)
    return Response(status=303, location=error.location)


def untrusted_request(error: UntrustedRequestError, request: Request) -> Response:
    event(log, logging.WARNING, "authorization request not trusted", error=error.reason, reason=error.log)
    return error_page(request, error.reason, 400, same=error.parameters, redirect_uri=error.redirect_uri)


def client_request_error(error: ClientRequestError, request: Request) -> Response:
    # a client that has not noticed the end of a link repeats invalid_grant
    level = logging.INFO if error.error == "invalid_grant" else logging.WARNING
    event(log, level, f"{request.method} {path_of(request)} refused", error=error.error, reason=error.log)
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


def storage_unavailable(error: StorageUnavailableError, request: Request) -> Response:
    """Respond with 503, which clients cannot mistake for an invalid token. A person sees the form again."""
    event(log, logging.ERROR, "storage failed", reason=str(error), path=path_of(request))
    if is_api_request(request):
        return retry_later(
            json_error(request, "temporarily_unavailable", "the storage is unavailable, retry later", 503)
        )
    if completed := getattr(request, "completed", ""):
        return _completed_page(request, completed, RETRY_SECONDS)
    return _show_form(request, "unavailable", 503, RETRY_SECONDS)


def not_found(error: HTTPNotFound, request: Request) -> Response:
    """Respond with 404, or with 405 if the URL exists and does not support the method."""
    route, query = request.matched_route, dict(request.query)
    if route is not None and route.name in ("token", "token_refresh") and "response_type" in query:
        client = request.services.oauth2.client(query.get("client_id", ""))
        sender = f"client {client.client_id}" if client else "an unknown client"
        advice = f"Your Web Authorization URI must be {request.services.oauth2.url}/authorize"
        log.warning("authorization request from %s received at /token, the two URLs are swapped: %s", sender, advice)
        return error_page(request, "swapped_urls", 400, same=[("response_type", "")])
    if route is not None and request.method not in METHODS.get(route.name, (request.method,)):
        return _http_error(request, HTTPMethodNotAllowed("wrong_method"), {"Allow": ", ".join(METHODS[route.name])})
    return _http_error(request, HTTPNotFound("not_found"))


def http_exception(error: HTTPException, request: Request) -> Response:
    if error.detail == "insecure_transport":
        path = path_of(request)
        if any(path == pattern for _, pattern, _ in ROUTES):
            request.forwarded_headers.log_insecure_request(request.environ, request.services.oauth2.url + path)
        if path.startswith("/token"):
            return _http_error(request, HTTPForbidden("insecure_token_uri"))
    if error.detail == "cross_site":
        origin = request.environ.get("HTTP_ORIGIN", "")[:ORIGIN_LIMIT]
        event(log, logging.WARNING, "form refused", reason=CROSS_SITE, origin=origin, path=path_of(request))
    return _http_error(request, error)


def unexpected(error: Exception, request: Request) -> Response:
    """Respond to an unexpected exception with a reference number. The traceback is logged under the same number."""
    reference = secrets.token_hex(4)
    log.error("unexpected error %s", reference, exc_info=error)
    if is_api_request(request):
        return retry_later(json_error(request, "server_error", f"unexpected error {reference}", 500))
    return error_page(request, "unexpected", 500, reference)


def _http_error(request: Request, error: HTTPException, headers: dict[str, str] | None = None) -> Response:
    code = error.detail or "not_found"
    if is_api_request(request):
        response = json_error(request, "invalid_request", _DESCRIPTIONS.get(code, code.replace("_", " ")), error.code)
    else:
        # the query does not matter for these errors
        response = error_page(
            request, code, error.code, same=() if code in ("not_found", "insecure_transport") else None
        )
    response.headers.update(headers or {})
    return response


VIEWS = (
    (WrongPassword, wrong_password),
    (UnknownUser, wrong_password),
    (AccountRefused, account_refused),
    (PasswordChangeNeeded, password_change_needed),
    (PasswordRefused, password_refused),
    (PasswordChanged, password_changed),
    (AccountCreated, account_created),
    (Throttled, throttled),
    (WrongCode, wrong_code),
    (ChallengeOver, challenge_over),
    (StartThrottled, start_throttled),
    (InvalidFields, invalid_fields),
    (NameTaken, name_taken),
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
