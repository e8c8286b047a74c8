"""The token endpoint (RFC 6749 section 3.2). It uses no credential backend, so it works while a backend is down."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.views.client_requests import client_request
from linkauth.web.request import Request


def token(request: Request) -> Response:
    """Exchange a code or a refresh token for tokens, as JSON."""
    response = Response(json_body=dict(request.services.oauth2.token(client_request(request))))
    # required in addition to Cache-Control (RFC 6749 section 5.1)
    response.headers["Pragma"] = "no-cache"
    return response


def includeme(config: Any) -> None:
    config.add_view(token, route_name="token", request_method="POST")
    config.add_view(token, route_name="token_refresh", request_method="POST")
