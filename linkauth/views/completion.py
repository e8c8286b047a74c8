"""The end of every sign-in: after the second factor, the link is created, and the browser goes back to the client."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pyramid.response import Response

from linkauth.login.visit import Visit
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.web.request import Request


def complete(request: Request, authorization: AuthorizationRequest, person: Any) -> Response:
    """Ask `person` (a Person), who has signed in, for the second factor if the client needs one; else create the link.

    The query of the request is that of the authorization request.
    """
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
    query = request.environ.get("QUERY_STRING", "")
    response = request.page(
        step.page,
        step.status,
        form_token=request.form_tokens.token(query),
        client_id=authorization.client.client_id,
        retry_after=step.retry_after,
        query=authorization.parameters,
        action=f"{urlsplit(request.services.oauth2.url).path}/authorize/second-factor?{query}",
        **step.context,
    )
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
