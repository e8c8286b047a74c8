"""The end of every sign-in: after the second factor, the link is created, and the browser goes back to the client."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pyramid.response import Response

from linkauth.events.attempts import SecondFactorAsked, SecondFactorRefused
from linkauth.login.visit import Visit
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.web.request import Request


def complete(request: Request, authorization: AuthorizationRequest, person: Any) -> Response:
    """Ask `person` (a Person), who has signed in, for the second factor if the client needs one; else create the link.

    The query of the request is that of the authorization request.
    """
    response = _next_step(request, authorization, person)
    if person.device:
        seconds = request.services.throttle.devices.seconds
        response.headerlist.append(request.known_device_cookie.header(person.device, seconds))
    return response


def _next_step(request: Request, authorization: AuthorizationRequest, person: Any) -> Response:
    second_step = request.services.second_step
    if second_step is None:
        return _link(request, authorization, person)
    # the form is posted to another URL, for which browsers encode the query
    request.resume(request.environ.get("QUERY_STRING", ""), request.language)
    cookie = request.device_cookie.value(request.environ)
    return show_step(request, authorization, second_step.begin(second_visit(request), person, cookie))


def show_step(request: Request, authorization: AuthorizationRequest, step: Any) -> Response:
    """Respond to a Step of the second factor: create the link of its person, or show its page."""
    if step.person is not None:
        response = _link(request, authorization, step.person)
        if step.cookie:
            response.headerlist.append(request.device_cookie.header(step.cookie, step.cookie_seconds))
        return response
    if error := step.context.get("error"):
        cause = error if error == "passkey_refused" else "wrong_second_factor"
        request.services.events.emit(SecondFactorRefused(cause, error))
    else:
        request.services.events.emit(SecondFactorAsked(step.page))
    query = request.environ.get("QUERY_STRING", "")
    action = f"{urlsplit(request.services.oauth2.url).path}/authorize/second-factor?{query}"
    client_id, parameters = authorization.client.client_id, authorization.parameters
    return step_page(request, step, request.form_tokens.token(query), action, client_id=client_id, query=parameters)


def step_page(
    request: Request, step: Any, form_token: str, action: str, client_id: str = "", **context: Any
) -> Response:
    """Render the page of a Step, whose form is sent to `action`. `context` are more variables of the page."""
    values = {"client_id": client_id, "form_token": form_token, "action": action, **context, **step.context}
    response: Response = request.page(step.page, step.status, retry_after=step.retry_after, **values)
    if step.retry_after:
        response.headers["Retry-After"] = str(step.retry_after)
    return response


def second_visit(request: Request) -> Visit:
    """Return the visit that the two steps of a sign-in have in common. Raises the errors of an invalid query."""
    client_id = request.services.oauth2.parse(request.query).client.client_id
    # not client_addr, which uses X-Forwarded-For from any peer
    address, query = request.remote_addr or "", request.environ.get("QUERY_STRING", "")
    return Visit(query, client_id, request.language, address, request.is_embedded)


def _link(request: Request, authorization: AuthorizationRequest, person: Any) -> Response:
    return Response(status=303, location=request.services.oauth2.authorize(authorization, person, request.language))
