"""The events of requests that belong to an attempt to link, and were refused before anything in them was checked."""

from __future__ import annotations

from linkauth.events.attempts import AuthorizationRefused, FormRefused
from linkauth.events.types import ClientRefused, Event
from linkauth.views.json_errors import path_of
from linkauth.web.request import Request

ORIGIN_LIMIT = 200


def refused_attempt(code: str, request: Request) -> Event | None:
    """Return the event of a request that was refused with an error code; None if it belongs to no attempt."""
    path = path_of(request)
    if path.startswith(("/token", "/introspect")):
        if code in ("insecure_transport", "secret_in_query"):
            return ClientRefused(path.strip("/").replace("/", "_"), code, f"{request.method} {path}", code)
        return None
    if not path.startswith("/authorize"):
        return None
    if code == "cross_site":
        # of a page: it contains no path and no name of a person
        origin = request.environ.get("HTTP_ORIGIN", "")[:ORIGIN_LIMIT]
        return FormRefused(
            code, f"Origin is {origin!r}" if origin else "the browser says that another site has sent it"
        )
    if code == "insecure_transport":
        return AuthorizationRefused(code, f"{request.method} {path}")
    if request.method == "POST":
        return FormRefused("malformed_form", code)
    return AuthorizationRefused("malformed", code)
