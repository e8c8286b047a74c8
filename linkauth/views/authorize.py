"""The authorization endpoint: the login page, and what comes of it (RFC 6749 section 3.1).

Nothing is kept between GET and POST: the query is parsed and checked again, the body holds only what was typed.
"""

from __future__ import annotations

import logging
from typing import Any

from pyramid.response import Response

from linkauth.oauth2.errors import ClientRequestError
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.web.request import Request

log = logging.getLogger(__name__)

SWAPPED_URLS = (
    "this is the authorization endpoint, a token request goes to /token: "
    "correct Access Token URI in the account linking page of the Alexa developer console"
)


def show(request: Request) -> Response:
    """The login page, for a request that passed every check."""
    return login_page(request, request.services.oauth2.parse(request.query))


def sign_in(request: Request) -> Response:
    """Sign in and link, or say why not on the same page."""
    form = request.form
    if "grant_type" in form:
        client = request.services.oauth2.client(form.get("client_id", ""))
        of = f"client {client.client_id}" if client else "a client"
        wanted = f"Access Token URI must be {request.services.oauth2.url}/token"
        log.warning("a token request of %s came to /authorize, the two URLs are swapped: %s", of, wanted)
        raise ClientRequestError("invalid_request", SWAPPED_URLS)
    authorization = request.services.oauth2.parse(request.query)
    request.form_tokens.check_origin(request.environ)
    if not request.form_tokens.is_fresh(form.get("form_token", ""), request.environ.get("QUERY_STRING", "")):
        page = password_page if is_password_change(request) else login_page
        return page(request, authorization, "stale", 400)
    if "cancel" in form:
        raise authorization.access_denied()
    # not client_addr: that would believe an X-Forwarded-For of anybody
    username, password, address = form.get("username", ""), form.get("password", ""), request.remote_addr or ""
    if is_password_change(request):
        new, repeated = form["new_password"], form.get("repeated_password", "")
        person = request.services.sign_in.change_password(username, password, new, repeated, address)
        # what fails from here on is told to somebody whose old password is gone
        request.password_changed = person.changed
    else:
        person = request.services.sign_in(username, password, address)
    return Response(status=303, location=request.services.oauth2.authorize(authorization, person, request.language))


def is_password_change(request: Request) -> bool:
    """Did the password page post this, and not the login page?"""
    return "new_password" in request.form


def login_page(
    request: Request,
    authorization: AuthorizationRequest,
    error: str = "",
    status: int = 200,
    retry_after: int = 0,
    change_url: str = "",
) -> Response:
    """The login page, with what went wrong: a code that the theme puts into words; `retry_after` in seconds,
    `change_url` where a person may choose a new password."""
    username = _typed_name(request) if error else ""
    more = {"scopes": authorization.scopes, "change_url": change_url}
    return _form(request, "login", authorization, status, retry_after, username=username, error=error, **more)


def password_page(
    request: Request,
    authorization: AuthorizationRequest,
    error: str = "",
    status: int = 200,
    retry_after: int = 0,
    reason: str = "",
    minimum: int = 0,
) -> Response:
    """The page that asks for a new password: `reason` why, or what went wrong with it; `minimum` characters."""
    more = {"error": error, "reason": reason, "minimum": minimum}
    return _form(request, "password", authorization, status, retry_after, username=_typed_name(request), **more)


def _form(
    request: Request, page: str, authorization: AuthorizationRequest, status: int, retry_after: int, **context: Any
) -> Response:
    response: Response = request.page(
        page,
        status,
        form_token=request.form_tokens.token(request.environ.get("QUERY_STRING", "")),
        client_id=authorization.client.client_id,
        retry_after=retry_after,
        query=authorization.parameters,
        **context,
    )
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _typed_name(request: Request) -> str:
    name: str = request.form.get("username", "").strip()[:254]
    return name


def includeme(config: Any) -> None:
    config.add_view(show, route_name="authorize", request_method="GET")
    config.add_view(sign_in, route_name="authorize", request_method="POST")
