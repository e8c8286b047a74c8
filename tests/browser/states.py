"""Every page in every state under an address of its own: linkauth as it is, with one more route.

`pyramid.includes = tests.browser.states` brings it in, so that headers, languages and static files are the real ones.
"""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.themes.states import State, page_states
from tests.alexa import STATE

STATES = page_states("ride-hailer", ("order_car", "basic_profile"))
"""All of them, for the demo skill of development.ini and what it asks for."""


def path(state: State, language: str) -> str:
    """The address of a page in a state, as somebody gets it who wants `language`."""
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
