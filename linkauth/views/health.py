"""For load balancers and monitors: is the process alive, can it do its work."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response
from pyramid.view import view_config


@view_config(route_name="health_live", request_method="GET")
def live(request: Any) -> Response:
    """200 as long as the process answers."""
    return Response(json_body={"alive": True})


@view_config(route_name="health_ready", request_method="GET")
def ready(request: Any) -> Response:
    """200 if tokens can be answered for; a backend that is not well is said, but takes no server out of service:
    introspection does not need it. Raises StoreUnavailableError (503)."""
    request.oauth2.check()
    return Response(json_body={"ready": True, "backends": dict(request.sign_in.check())})
