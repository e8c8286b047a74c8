"""The front page, which explains the purpose of this server."""

from __future__ import annotations

from typing import Any

from pyramid.response import Response

from linkauth.web.request import Request


def home(request: Request) -> Response:
    response: Response = request.page("home")
    return response


def includeme(config: Any) -> None:
    config.add_view(home, route_name="home", request_method="GET")
