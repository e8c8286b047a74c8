"""The token endpoint (RFC 6749 section 3.2). It asks no credential backend, so it works while the directory is down."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.views.client_requests import client_request
from linkauth.web.request import Request


def token(request: Request) -> Response:
    """Tokens for a code or a refresh token, as JSON."""
    response = Response(json_body=dict(request.services.oauth2.token(client_request(request))))
    # beside Cache-Control, as RFC 6749 section 5.1 wants it
    response.headers["Pragma"] = "no-cache"
    return response


def includeme(config: Any) -> None:
    config.add_view(token, route_name="token", request_method="POST")
    config.add_view(token, route_name="token_refresh", request_method="POST")
