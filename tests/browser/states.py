"""A Pyramid include that adds a route to linkauth, on which every page is shown in every state.

`pyramid.includes = tests.browser.states` enables it. Headers, languages and static files are those of linkauth.
"""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.themes.states import State, page_states
from tests.alexa import STATE

STATES = page_states("ride-hailer", ("order_car", "profile"))
"""All page states for the demo client in development.ini and its scopes."""


def path(state: State, language: str) -> str:
    """Returns the path of a page in a state and a language."""
    return f"/states/{state.page}/{state.name}?ui_locales={language}"


def show(request: Any) -> Response:
    expected = request.matchdict["page"], request.matchdict["name"]
    for state in STATES:
        if (state.page, state.name) == expected:
            response: Response = request.page(state.page, query=[("state", STATE)], **state.context)
            return response
    raise HTTPNotFound("not_found")


def includeme(config: Any) -> None:
    config.add_route("state", "/states/{page}/{name}")
    config.add_view(show, route_name="state", request_method="GET")
