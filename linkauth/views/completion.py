"""The end of every sign-in: the link is created, and the browser goes back to the client."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.web.request import Request


def complete(request: Request, authorization: AuthorizationRequest, person: Any) -> Response:
    """Create the link of `person` (a Person), who has signed in, and redirect to the client."""
    return Response(status=303, location=request.services.oauth2.authorize(authorization, person, request.language))
