"""Simulates the Alexa app, Amazon's redirect endpoint and the skill, for development without them.

The simulator is enabled by `linkauth.simulator.client`. It works only for that client and on the origin of this server:
the client needs redirect URIs that begin with `<public_url>/simulator/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import jinja2
from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from linkauth.config.settings import Settings, SettingsError
from linkauth.services import services_of
from linkauth.simulator import alexa, people

CONTENT_SECURITY_POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
STATIC = {"simulator.css": "text/css", "simulator.js": "text/javascript"}


class Simulator:
    """The views of the simulator. It uses the client `settings.simulator.client`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.simulator.client
        self._client = settings.clients[self._name]
        self._client_id = self._client.client_id or self._name
        self._state = alexa.State(settings.secret, *settings.previous_secrets)
        self._path = urlsplit(settings.public_url).path
        base = f"{settings.public_url}/simulator/"
        self._redirects = {
            uri.removeprefix(base).split("/")[0]: uri for uri in self._client.redirect_uris if uri.startswith(base)
        }
        if not self._redirects:
            problem = f"names a client without a redirect URI like {base}pitangui/spa/skill/account-linking-status.html"
            raise SettingsError([("linkauth.simulator.client", problem)])
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("linkauth.simulator", "."),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def home(self, request: Request) -> Response:
        """The front page: starts account linking, and lists the demo users."""
        return self._page(
            "home.jinja2",
            settings=self._settings,
            simulated_client=self._name,
            regions=list(self._redirects),
            languages=alexa.LANGUAGES,
            people=people.PEOPLE if self._settings.simulator.people else (),
        )

    def enable(self, request: Request) -> Response:
        """Redirects to the authorization URL, as the Alexa app does when a user enables the skill."""
        query = dict(request.query)
        redirect_uri = self._redirects.get(query.get("region", next(iter(self._redirects))))
        if redirect_uri is None:
            raise HTTPNotFound
        parameters = {"client_id": self._client_id, "response_type": "token"}
        if self._client.scopes:
            parameters["scope"] = " ".join(self._client.scopes)
        parameters |= {"redirect_uri": redirect_uri, "state": self._state.new()}
        if query.get("language"):
            parameters["ui_locales"] = query["language"]
        return HTTPSeeOther(f"{self._settings.public_url}/authorize?{urlencode(parameters)}")

    def redirected(self, request: Request) -> Response:
        """Simulates Amazon's redirect endpoint. Only the script of the page can read the fragment with the response."""
        return self._page("redirected.jinja2", region=request.matchdict["region"])

    def check(self, request: Request) -> Response:
        """Checks an authorization response, the form field `fragment`. Returns checks and introspection as JSON."""
        request.form_tokens.check_origin(request.environ)
        received = alexa.parse_fragment(request.form.get("fragment", ""))
        checks = alexa.check_response(received, self._state)
        token = received.get("access_token")
        introspection = self._introspect(request, token) if token else None
        return Response(json_body={"received": received, "checks": checks, "introspection": introspection})

    def _introspect(self, request: Request, token: str) -> Any:
        """Calls /introspect of this server as the skill does, with the client's credentials."""
        subrequest = request.blank("/introspect", base_url=self._settings.public_url, POST={"token": token})
        subrequest.authorization = ("Basic", alexa.basic(self._client_id, self._client.secret))
        return request.invoke_subrequest(subrequest, use_tweens=True).json_body

    def static(self, request: Request) -> Response:
        name = request.matchdict["name"]
        if name not in STATIC:
            raise HTTPNotFound
        source, _, _ = self._environment.loader.get_source(self._environment, name)  # type: ignore[union-attr]
        return Response(source, content_type=STATIC[name], charset="utf-8")

    def _page(self, name: str, **context: Any) -> Response:
        body = self._environment.get_template(name).render(context, base=f"{self._path}/simulator")
        return Response(
            body,
            headerlist=[
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
            ],
        )


def includeme(config: Any) -> None:
    """Adds the routes of the simulator, and replaces the front page."""
    settings = services_of(config.registry).settings
    simulator = Simulator(settings)
    if settings.simulator.people:
        people.create(settings.simulator.people)
    views: tuple[tuple[str, str, Callable[[Request], Response], str], ...] = (
        ("home", "/", simulator.home, "GET"),
        ("simulator_enable", "/simulator/enable", simulator.enable, "GET"),
        ("simulator_check", "/simulator/check", simulator.check, "POST"),
        ("simulator_static", "/simulator/static/{name}", simulator.static, "GET"),
        ("simulator_redirected", "/simulator/{region}/*path", simulator.redirected, "GET"),
    )
    for name, pattern, view, method in views:
        if name != "home":
            config.add_route(name, pattern)
        # the additional predicate gives this view precedence over the normal front page
        predicates = {"path_info": "/"} if name == "home" else {}
        config.add_view(view, route_name=name, request_method=method, **predicates)
