"""The authorization endpoint (RFC 6749 section 3.1): shows the login page and processes its form.

There is no state between GET and POST. The POST request has the same query, which is parsed and validated again. Its
body contains the fields of the form.
"""

from __future__ import annotations

import logging
from typing import Any

from pyramid.response import Response

from linkauth.logs import event
from linkauth.oauth2.errors import ClientRequestError
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.views.completion import complete
from linkauth.web.request import Request

log = logging.getLogger(__name__)

SWAPPED_URLS = (
    "this is the authorization endpoint; send token requests to /token: "
    "correct Access Token URI in the account linking page of the Alexa developer console"
)


def authorize(request: Request) -> Response:
    # one view: with a view for each method, Pyramid creates and drops a response 404 before it tries the second one
    return sign_in(request) if request.method == "POST" else show_login(request)


def show_login(request: Request) -> Response:
    """Show the login page for a valid authorization request."""
    return login_page(request, request.services.oauth2.parse(request.query))


def sign_in(request: Request) -> Response:
    """Process the login or password form: sign the person in, create the link, and redirect to the client."""
    form = request.form
    if "grant_type" in form:
        client = request.services.oauth2.client(form.get("client_id", ""))
        sender = f"client {client.client_id}" if client else "an unknown client"
        advice = f"Access Token URI must be {request.services.oauth2.url}/token"
        problem = f"token request from {sender} received at /authorize, the two URLs are swapped: {advice}"
        raise ClientRequestError("invalid_request", SWAPPED_URLS, problem)
    authorization = request.services.oauth2.parse(request.query)
    request.form_tokens.check_origin(request.environ)
    if not request.form_tokens.is_valid(form.get("form_token", ""), request.environ.get("QUERY_STRING", "")):
        page = password_page if is_password_change(request) else login_page
        return page(request, authorization, "stale", 400)
    if "cancel" in form:
        raise authorization.access_denied()
    if not request.offer(authorization.client.client_id).password_form:
        event(log, logging.WARNING, "sign-in refused", reason="linkauth.password_form is false for this client")
        return login_page(request, authorization, "stale", 403)
    # not client_addr, which uses X-Forwarded-For from any peer
    username, password, address = form.get("username", ""), form.get("password", ""), request.remote_addr or ""
    with request.sign_in_place():
        if is_password_change(request):
            new, repeated = form["new_password"], form.get("repeated_password", "")
            person = request.services.sign_in.change_password(username, password, new, repeated, address)
            if person.changed:
                # if creating the link fails, the error page must mention that the password was changed
                request.completed = "password_changed"
                request.services.recovery.supersede(person)
        else:
            person = request.services.sign_in(username, password, address)
    return complete(request, authorization, person)


def is_password_change(request: Request) -> bool:
    """Report whether the posted form is that of the password page, not that of the login page."""
    return "new_password" in request.form


def login_page(
    request: Request,
    authorization: AuthorizationRequest,
    error: str = "",
    status: int = 200,
    retry_after: int = 0,
    change_url: str = "",
    provider: str = "",
    prefill: str = "",
) -> Response:
    """Render the login page.

    `error` is an error code that the theme translates. `retry_after` is in seconds. `change_url` is the URL of a page
    where the person can change the password. `provider` is the name for people of the sign-in provider that the error
    is about. `prefill` is the value of a pending registration that a person without an account may begin.
    """
    offer = request.offer(authorization.client.client_id)
    is_with_password = offer.password_form
    response = form_page(
        request,
        "login",
        authorization,
        status,
        retry_after,
        username=submitted_username(request) if error else "",
        error=error,
        scopes=authorization.scopes,
        change_url=change_url,
        recovery=is_with_password and request.services.recovery.is_offered(),
        registration=(is_with_password or prefill != "") and request.services.sign_up.is_offered(),
        phone_example=request.services.sign_in.phone_example,
        password_form=is_with_password,
        sign_ins=offer.buttons,
        embedded=offer.buttons != () and request.is_embedded,
        provider=provider,
        prefill=prefill,
    )
    if offer.buttons:
        modes = frozenset(offer.modes.values())
        response.headerlist.extend(request.browser_cookies.new(request.environ, modes))
    return response


def password_page(
    request: Request,
    authorization: AuthorizationRequest,
    error: str = "",
    status: int = 200,
    retry_after: int = 0,
    reason: str = "",
    minimum: int = 0,
) -> Response:
    """Render the page for a new password.

    `reason` is a code that explains why the password must be changed. `error` is the code of an error in a submitted
    form. `minimum` is the minimum length of the new password, if a backend has named it. `retry_after` is in seconds.
    """
    username = submitted_username(request)
    return form_page(
        request,
        "password",
        authorization,
        status,
        retry_after,
        username=username,
        error=error,
        reason=reason,
        minimum=minimum or request.services.sign_in.minimum_length(username),
    )


def form_page(
    request: Request,
    template: str,
    authorization: AuthorizationRequest,
    status: int = 200,
    retry_after: int = 0,
    **context: Any,
) -> Response:
    """Render a page with a form that is posted to the URL of the page, or to `request.action`.

    `context` are variables of its template.
    """
    response: Response = request.page(
        template,
        status,
        form_token=request.form_tokens.token(request.environ.get("QUERY_STRING", "")),
        action=request.action,
        client_id=authorization.client.client_id,
        retry_after=retry_after,
        query=authorization.parameters,
        **context,
    )
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def submitted_username(request: Request) -> str:
    """Return the user name in the form, for showing it again."""
    name: str = request.form.get("username", "").strip()[:254]
    return name


def includeme(config: Any) -> None:
    config.add_view(authorize, route_name="authorize", request_method=("GET", "POST"))
