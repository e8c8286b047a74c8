"""Token introspection: a skill asks whose token it holds (RFC 7662)."""

from __future__ import annotations

from pyramid.response import Response
from pyramid.view import view_config

from linkauth.views.client_requests import client_request
from linkauth.web.request import Request


@view_config(route_name="introspect", request_method="POST")
def introspect(request: Request) -> Response:
    """The token's state as JSON."""
    return Response(json_body=dict(request.services.oauth2.introspect(client_request(request))))
