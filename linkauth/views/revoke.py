"""The revocation endpoint (RFC 7009), which a skill calls when it was disabled. The link ends."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.views.client_requests import client_request
from linkauth.web.request import Request


def revoke(request: Request) -> Response:
    """Revoke a token. The status is 200 even if the token is unknown (RFC 7009 section 2.2)."""
    request.services.oauth2.revoke(client_request(request))
    return Response(content_type="application/json")


def includeme(config: Any) -> None:
    config.add_view(revoke, route_name="revoke", request_method="POST")
