"""The metrics in the text format of Prometheus, for those whom `linkauth.metrics` permits."""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.web.metrics_access import may_read
from linkauth.web.request import Request


def metrics(request: Request) -> Response:
    """Respond with the metrics. Without permission, the response is that of a URL that does not exist."""
    settings, found = request.services.settings, request.services.metrics
    if found is None or not may_read(settings.metrics, settings.metrics_token, request.environ):
        raise HTTPNotFound("not_found")
    return Response(found.render(), content_type="text/plain; version=0.0.4", charset="utf-8")


def includeme(config: Any) -> None:
    config.add_view(metrics, route_name="metrics", request_method="GET")
