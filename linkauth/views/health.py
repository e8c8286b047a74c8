"""Health endpoints for load balancers and monitoring: liveness and readiness."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.web.request import Request


def live(request: Request) -> Response:
    """Respond with 200 while the process runs."""
    return Response(json_body={"alive": True})


def ready(request: Request) -> Response:
    """Respond with 200 if the storage can be read, and report the state of each backend.

    A failed backend does not change the status, because introspection does not need backends. Raises
    StorageUnavailableError (503).
    """
    request.services.oauth2.check()
    return Response(json_body={"ready": True, "backends": dict(request.services.sign_in.check())})


def includeme(config: Any) -> None:
    config.add_view(live, route_name="health_live", request_method="GET")
    config.add_view(ready, route_name="health_ready", request_method="GET")
