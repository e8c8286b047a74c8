"""The front page: what this server is, for somebody who came here by accident."""

from __future__ import annotations

from pyramid.response import Response
from pyramid.view import view_config

from linkauth.web.request import Request


@view_config(route_name="home", request_method="GET")
def home(request: Request) -> Response:
    response: Response = request.page("home")
    return response
