"""Token revocation (RFC 7009): the skill was disabled, the link ends."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.views.client_requests import client_request
from linkauth.web.request import Request


def revoke(request: Request) -> Response:
    """200 for a token that is dead now, whether or not it ever lived."""
    request.services.oauth2.revoke(client_request(request))
    return Response(content_type="application/json")


def includeme(config: Any) -> None:
    config.add_view(revoke, route_name="revoke", request_method="POST")
