"""Simulates the Alexa app, Amazon and the skill, for development without them. Other platforms work too.

The simulator is enabled by `linkauth.simulator.client` and plays every client with grants. It works only on the origin
of this server: the redirect URIs are below `<public_url>/simulator/` (see `linkauth.config.simulation`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from linkauth.services import services_of
from linkauth.simulator import people
from linkauth.simulator.views import Simulator


def includeme(config: Any) -> None:
    """Adds the routes of the simulator, and replaces the front page."""
    settings = services_of(config.registry).settings
    simulator = Simulator(settings)
    if settings.simulator.people:
        people.create(settings.simulator.people)
    routes: tuple[tuple[str, str, dict[str, Callable[[Request], Response]]], ...] = (
        ("home", "/", {"GET": simulator.home}),
        ("simulator_enable", "/simulator/enable", {"GET": simulator.enable}),
        ("simulator_mails", "/simulator/mails", {"GET": simulator.mails}),
        ("simulator_refresh", "/simulator/refresh", {"POST": simulator.refresh}),
        ("simulator_disable", "/simulator/disable", {"POST": simulator.disable}),
        ("simulator_static", "/simulator/static/{name}", {"GET": simulator.static}),
        (
            "simulator_redirected",
            "/simulator/{region}/*path",
            {"GET": simulator.redirected, "POST": simulator.received},
        ),
    )
    for name, pattern, views in routes:
        if name != "home":
            config.add_route(name, pattern)
        # the additional predicate gives this view precedence over the normal front page
        predicates = {"path_info": "/"} if name == "home" else {}
        for method, view in views.items():
            config.add_view(view, route_name=name, request_method=method, **predicates)
