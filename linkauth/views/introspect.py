"""The introspection endpoint (RFC 7662), where a skill finds out to whom a token belongs."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.views.client_requests import client_request
from linkauth.web.request import Request


def introspect(request: Request) -> Response:
    """Return the state of a token as JSON."""
    return Response(json_body=dict(request.services.oauth2.introspect(client_request(request))))


def includeme(config: Any) -> None:
    config.add_view(introspect, route_name="introspect", request_method="POST")
