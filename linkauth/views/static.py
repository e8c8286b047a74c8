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
    if file.gzipped is not None and "gzip" in request.environ.get("HTTP_ACCEPT_ENCODING", "").lower():
        headers.append(("Content-Encoding", "gzip"))
        body = file.gzipped
    response = Response(body)
    response.headers["Content-Type"] = file.content_type
    response.headerlist.extend(headers)
    return response


def includeme(config: Any) -> None:
    config.add_view(static, route_name="static", request_method="GET")
