"""/authorize/confirm: the page that asks a person before a link is created, and its form.

It follows a sign-in at a provider in a browser without cookies, which somebody else may have begun.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pyramid.response import Response

from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.views.authorize import login_page, sign_in
from linkauth.views.completion import complete
from linkauth.web.request import Request

ROUTE = "confirm"


def ask(request: Request, authorization: AuthorizationRequest, provider: str, person: Any) -> Response:
    """Show the page for `person` (a Person), who has signed in at `provider`.

    The query of the request is that of the authorization request.
    """
    confirmation = request.services.confirmations.begin(provider, request.environ.get("QUERY_STRING", ""), person)
    return _page(request, authorization, confirmation)


def confirm(request: Request) -> Response:
    """Process the form: complete the sign-in. A GET request begins again at the login page."""
    request.resume(request.environ.get("QUERY_STRING", ""), request.language)
    authorization = request.services.oauth2.parse(request.query)
    query = request.environ.get("QUERY_STRING", "")
    if request.method != "POST":
        # the address was typed, or the page was reloaded
        return Response(status=303, location=f"{request.services.oauth2.url}/authorize?{query}")
    form = request.form
    if "challenge" not in form:
        # the form of a login page that was shown at this URL
        return sign_in(request)
    request.form_tokens.check_origin(request.environ)
    if not request.form_tokens.is_valid(form.get("form_token", ""), query):
        return ask_again(request, "stale", 400)
    if "cancel" in form:
        raise authorization.access_denied()
    offered = request.offer(authorization.client.client_id).modes
    with request.sign_in_place():
        person = request.services.confirmations.confirm(form["challenge"], query, offered)
    return complete(request, authorization, person)


def is_confirmation(request: Request) -> bool:
    """Report whether the posted form is the one that confirms."""
    is_route = request.matched_route is not None and request.matched_route.name == ROUTE
    return is_route and "challenge" in request.form


def ask_again(request: Request, error: str, status: int, retry_after: int = 0) -> Response:
    """Show the page of the posted form again, with an error; the login page if the sign-in cannot be confirmed."""
    authorization = request.services.oauth2.parse(request.query)
    query = request.environ.get("QUERY_STRING", "")
    try:
        confirmation: Any = request.services.confirmations.find(request.form["challenge"], query)
    except StorageUnavailableError:
        # this page may already be the answer to this error
        confirmation, error, status = None, "unavailable", 503
    if confirmation is None:
        return login_page(request, authorization, error, status, retry_after)
    return _page(request, authorization, confirmation, error, status, retry_after)


def _page(
    request: Request,
    authorization: AuthorizationRequest,
    confirmation: Any,
    error: str = "",
    status: int = 200,
    retry_after: int = 0,
) -> Response:
    """Render the page of a Confirmation."""
    client_id, query = authorization.client.client_id, request.environ.get("QUERY_STRING", "")
    response = request.page(
        "confirm",
        status,
        form_token=request.form_tokens.token(query),
        client_id=client_id,
        error=error,
        retry_after=retry_after,
        query=authorization.parameters,
        action=f"{urlsplit(request.services.oauth2.url).path}/authorize/confirm?{query}",
        challenge=confirmation.value,
        scopes=authorization.scopes,
        provider_name=request.offer(client_id).provider_name(confirmation.provider, request.language),
        account=confirmation.account,
    )
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def includeme(config: Any) -> None:
    config.add_view(confirm, route_name=ROUTE, request_method=("GET", "POST"))
