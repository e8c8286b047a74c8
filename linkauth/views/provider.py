"""/authorize/go/<provider> sends a person to a sign-in provider, and /authorize/return/<provider> is the way back.

The way back has no query of an authorization request. It continues with the one that the pending sign-in holds.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.logs import event
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.sign_ins import InvalidAnswer
from linkauth.views.authorize import login_page, sign_in
from linkauth.views.completion import complete
from linkauth.views.confirm import ask
from linkauth.views.steps import visit_of
from linkauth.web.request import Request

log = logging.getLogger(__name__)


def go(request: Request) -> Response:
    """Process the button of a provider: redirect to the provider."""
    # the pages that this URL may show belong to /authorize
    request.resume(request.environ.get("QUERY_STRING", ""), request.language)
    authorization, name = _offered(request)
    query = request.environ["QUERY_STRING"]
    if request.method != "POST":
        # the address was typed, or reloaded
        return Response(status=303, location=f"{request.services.oauth2.url}/authorize?{query}")
    form = request.form
    if "username" in form:
        # a theme that does not know `action` has sent its form to the URL of the page
        return sign_in(request)
    request.form_tokens.check_origin(request.environ)
    if not request.form_tokens.is_valid(form.get("form_token", ""), query):
        return login_page(request, authorization, "stale", 400)
    if "cancel" in form:
        raise authorization.access_denied()
    mode = request.offer(authorization.client.client_id).modes[name]
    browser = request.browser_cookies.value(request.environ, mode)
    with request.sign_in_place():
        location = request.services.provider_sign_in.begin(name, visit_of(request), browser)
    return Response(status=303, location=location)


def come_back(request: Request) -> Response:
    """Process the answer of a provider: sign the person in, create the link, and redirect to the client.

    If the sign-in is not bound to the browser, the person must confirm the link first.
    """
    if request.method == "HEAD":
        # the answer can be used once, by the browser that shows the result
        return Response()
    query = tuple(request.query)
    posted = request.form if request.method == "POST" else {}
    if "form_token" in posted:
        # a theme that does not know `action` has sent its form to the URL of the page
        _resume(request, _state(query))
        return sign_in(request)
    parameters = tuple(posted.items()) if request.method == "POST" else query
    # the answer must not be taken for a form of linkauth
    request.form = {}
    returned = _resume(request, _state(parameters))
    authorization, name = _offered(request)
    mode = request.offer(authorization.client.client_id).modes[name]
    if problem := _problem(request.method, parameters, mode):
        event(log, logging.WARNING, "sign-in at a provider refused", provider=name, reason=problem)
        raise InvalidAnswer(problem)
    browser = request.browser_cookies.value(request.environ, mode)
    with request.sign_in_place():
        # not client_addr, which uses X-Forwarded-For from any peer
        person = request.services.provider_sign_in.finish(
            name, returned, dict(parameters), browser, request.remote_addr or ""
        )
    if not returned.browser:
        # perhaps it began in the browser of somebody else
        return ask(request, authorization, name, person)
    return complete(request, authorization, person)


class UnknownSignIn(Exception):
    """An answer of a provider belongs to no sign-in, or to one that was deleted."""


class SignInUnreadable(Exception):
    """The sign-in to which an answer of a provider belongs cannot be read. The same answer can be sent again."""


def _offered(request: Request) -> tuple[AuthorizationRequest, str]:
    """Return the authorization request and the name of the provider. Raises HTTPNotFound if it is not offered."""
    authorization = request.services.oauth2.parse(request.query)
    name = request.matchdict["provider"]
    if name not in request.offer(authorization.client.client_id).modes:
        raise HTTPNotFound("not_found")
    return authorization, name


def _resume(request: Request, state: str) -> Any:
    """Continue with the authorization request of the sign-in that returns with `state`.

    Raises UnknownSignIn or SignInUnreadable.
    """
    try:
        returned = request.services.provider_sign_in.returned(state)
    except StorageUnavailableError as error:
        raise SignInUnreadable(str(error)) from None
    if returned is None:
        raise UnknownSignIn
    request.resume(returned.query, returned.language)
    return returned


def _problem(method: str, parameters: Sequence[tuple[str, str]], mode: str) -> str:
    """Return why the form of an answer is wrong, or ""."""
    if len(dict(parameters)) < len(parameters):
        return "the answer has a parameter twice"
    if method == "POST" and mode != "form_post":
        return "the answer is a posted form, which this provider does not send"
    return ""


def _state(parameters: Sequence[tuple[str, str]]) -> str:
    """Return the parameter `state`, or "" unless there is exactly one."""
    found = [value for name, value in parameters if name == "state"]
    return found[0] if len(found) == 1 else ""


def includeme(config: Any) -> None:
    config.add_view(go, route_name="go", request_method=("GET", "POST"))
    config.add_view(come_back, route_name="return", request_method=("GET", "POST"))
