"""Renders the error page."""

from __future__ import annotations

from collections.abc import Sequence

from pyramid.response import Response

from linkauth.web.request import Request


def error_page(
    request: Request,
    reason: str,
    status: int,
    reference: str = "",
    same: Sequence[tuple[str, str]] | None = None,
    redirect_uri: str = "",
) -> Response:
    """Render the error page. `reason` is an error code that the theme translates.

    `same` are (name, value) pairs of the query with which a GET request of this path has the same error, so that the
    page can be shown in another language. They must contain no secret, since the page contains them. None: there is no
    such query. `redirect_uri` is the redirect URI to show, if it is the reason.
    """
    context = {}
    if same is not None:
        # a client may have its own theme
        client = request.services.oauth2.client(dict(request.query).get("client_id", ""))
        names = {name for name, _ in same}
        context["query"] = [("client_id", client.client_id)] if client and "client_id" not in names else []
        context["query"] += same
    return request.page("error", status, reason=reason, reference=reference, redirect_uri=redirect_uri, **context)
