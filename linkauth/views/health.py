"""For load balancers and monitors: is the process alive, can it do its work."""

from __future__ import annotations

from pyramid.response import Response
from pyramid.view import view_config

from linkauth.web.request import Request


@view_config(route_name="health_live", request_method="GET")
def live(request: Request) -> Response:
    """200 as long as the process answers."""
    return Response(json_body={"alive": True})


@view_config(route_name="health_ready", request_method="GET")
def ready(request: Request) -> Response:
    """200 if tokens can be answered for; a backend that is not well is said, but takes no server out of service:
    introspection does not need it. Raises StorageUnavailableError (503)."""
    request.services.oauth2.check()
    return Response(json_body={"ready": True, "backends": dict(request.services.sign_in.check())})
