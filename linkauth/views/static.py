"""Serves the static files of themes from memory. Their names contain a hash of their content."""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.web.request import Request


def static(request: Request) -> Response:
    """Return the file, compressed if the browser accepts gzip. It can be cached for a year, as its name is hashed."""
    file = request.static_file(request.matchdict["theme"], request.matchdict["name"])
    if file is None:
        raise HTTPNotFound
    headers = [("Cache-Control", "public, max-age=31536000, immutable"), ("Vary", "Accept-Encoding")]
    body = file.body
    if file.gzipped is not None and accepts_gzip(request.environ.get("HTTP_ACCEPT_ENCODING", "")):
        headers.append(("Content-Encoding", "gzip"))
        body = file.gzipped
    response = Response(body)
    response.headers["Content-Type"] = file.content_type
    response.headerlist.extend(headers)
    return response


def accepts_gzip(header: str) -> bool:
    """Return whether a header Accept-Encoding allows gzip (RFC 9110 section 12.5.3). A weight of 0 forbids it."""
    weights = {}
    for element in header.lower().split(","):
        name, _, parameters = element.partition(";")
        key, _, weight = parameters.strip().partition("=")
        weights[name.strip()] = weight.strip() if key.strip() == "q" else ""
    weight = weights.get("gzip", weights.get("*", "0"))
    # 0, 0.0 and 0.000 are the same
    return not weight or bool(weight.strip("0."))


def includeme(config: Any) -> None:
    config.add_view(static, route_name="static", request_method="GET")
