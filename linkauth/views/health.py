"""For load balancers and monitors: is the process alive, can it do its work."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.web.request import Request


def live(request: Request) -> Response:
    """200 as long as the process answers."""
    return Response(json_body={"alive": True})


def ready(request: Request) -> Response:
    """200 if tokens can be answered for; a backend that is not well is said, but takes no server out of service:
    introspection does not need it. Raises StorageUnavailableError (503)."""
    request.services.oauth2.check()
    return Response(json_body={"ready": True, "backends": dict(request.services.sign_in.check())})


def includeme(config: Any) -> None:
    config.add_view(live, route_name="health_live", request_method="GET")
    config.add_view(ready, route_name="health_ready", request_method="GET")
