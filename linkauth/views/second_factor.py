"""/authorize/second-factor: the forms of the second step of a sign-in. Its pages are shown by `completion`."""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.views.authorize import sign_in
from linkauth.views.completion import second_visit, show_step
from linkauth.web.request import Request

ROUTE = "second_factor"


def second_factor(request: Request) -> Response:
    """Process a form of the second step. A GET request begins again at the login page."""
    request.resume(request.environ.get("QUERY_STRING", ""), request.language)
    authorization = request.services.oauth2.parse(request.query)
    second_step = request.services.second_step
    if second_step is None:
        raise HTTPNotFound("not_found")
    if request.method != "POST":
        # the address was typed, or the page was reloaded
        query = request.environ.get("QUERY_STRING", "")
        return Response(status=303, location=f"{request.services.oauth2.url}/authorize?{query}")
    form = request.form
    if "challenge" not in form:
        # the form of a login page that was shown at this URL
        return sign_in(request)
    request.form_tokens.check_origin(request.environ)
    if not request.form_tokens.is_valid(form.get("form_token", ""), request.environ.get("QUERY_STRING", "")):
        return shown_again(request, "stale")
    if "cancel" in form:
        raise authorization.access_denied()
    return show_step(request, authorization, second_step.answer(second_visit(request), form))


def is_second_step(request: Request) -> bool:
    """Report whether the posted form is one of the second step."""
    is_route = request.matched_route is not None and request.matched_route.name == ROUTE
    return is_route and "challenge" in request.form


def shown_again(request: Request, error: str, retry_after: int = 0) -> Response:
    """Show the page of the posted form again, with an error."""
    second_step, visit = request.services.second_step, second_visit(request)
    assert second_step is not None
    try:
        step = second_step.shown_again(visit, request.form, error, retry_after)
    except StorageUnavailableError:
        # this page may already be the answer to an error
        step = second_step.shown_again(visit, request.form, "unavailable", retry_after)
    return show_step(request, request.services.oauth2.parse(request.query), step)


def includeme(config: Any) -> None:
    config.add_view(second_factor, route_name=ROUTE, request_method=("GET", "POST"))
