"""Health endpoints for load balancers and monitoring: liveness and readiness."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.web.forwarded import is_direct
from linkauth.web.request import Request

RETRY_SECONDS = 5


def live(request: Request) -> Response:
    """Respond with 200 while the process runs. Nothing is checked."""
    return Response(json_body={"alive": True})


def ready(request: Request) -> Response:
    """Respond with 200 if the server should get requests: the storage can be read, and the server does not stop.

    The response is the last known state, and takes at most a second. A failed backend does not change the status,
    because introspection does not need backends. Only a probe on this machine or of a trusted proxy sees which parts
    are well; a request that came through a proxy does not.
    """
    report = request.services.health.report()
    body: dict[str, Any] = {"ready": report.is_ready}
    if is_direct(request.environ, request.services.settings.proxies):
        body |= {"draining": report.is_draining, "backends": dict(report.backends), **report.parts}
    response = Response(json_body=body, status=200 if report.is_ready else 503)
    if not report.is_ready:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def includeme(config: Any) -> None:
    config.add_view(live, route_name="health_live", request_method="GET")
    config.add_view(ready, route_name="health_ready", request_method="GET")
