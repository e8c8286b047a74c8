"""Plays the Alexa app, Amazon's redirect endpoint and the skill, for trying linkauth without any of them.

It is there only where the ini names a client for it (`linkauth.simulator.client`), answers only for that
client and only on this server's own origin: the client's redirect URIs must begin with `<public_url>/simulator/`.
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
    """The pages of the simulator; `settings.simulator.client` names the client that it plays."""

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
            problem = (
                f"names a client without a redirect URI such as {base}pitangui/spa/skill/account-linking-status.html"
            )
            raise SettingsError([("linkauth.simulator.client", problem)])
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("linkauth.simulator", "."),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def home(self, request: Request) -> Response:
        """The skills, and whom to sign in as."""
        return self._page(
            "home.jinja2",
            settings=self._settings,
            playing=self._name,
            regions=list(self._redirects),
            languages=alexa.LANGUAGES,
            people=people.PEOPLE if self._settings.simulator.people else (),
        )

    def enable(self, request: Request) -> Response:
        """What the Alexa app does when somebody enables the skill: opens the authorization URL."""
        asked = dict(request.query)
        redirect_uri = self._redirects.get(asked.get("region", next(iter(self._redirects))))
        if redirect_uri is None:
            raise HTTPNotFound
        parameters = {"client_id": self._client_id, "response_type": "token"}
        if self._client.scopes:
            parameters["scope"] = " ".join(self._client.scopes)
        parameters |= {"redirect_uri": redirect_uri, "state": self._state.new()}
        if asked.get("language"):
            parameters["ui_locales"] = asked["language"]
        return HTTPSeeOther(f"{self._settings.public_url}/authorize?{urlencode(parameters)}")

    def redirected(self, request: Request) -> Response:
        """Amazon's redirect endpoint: shows what came back. The fragment is only there for the page's own script."""
        return self._page("redirected.jinja2", region=request.matchdict["region"])

    def check(self, request: Request) -> Response:
        """The verdict on an answer (the part after # in `fragment`), and whose the token is, as the skill sees it."""
        request.form_tokens.check_origin(request.environ)
        answer = alexa.read(request.form.get("fragment", ""))
        verdict = alexa.verdict(answer, self._state)
        found = self._introspect(request, answer["access_token"]) if answer.get("access_token") else None
        return Response(json_body={"received": answer, "verdict": verdict, "introspection": found})

    def _introspect(self, request: Request, token: str) -> Any:
        """Ask our own /introspect as the skill does, with the client's secret."""
        asked = request.blank("/introspect", base_url=self._settings.public_url, POST={"token": token})
        asked.authorization = ("Basic", alexa.basic(self._client_id, self._client.secret))
        return request.invoke_subrequest(asked, use_tweens=True).json_body

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
    """The simulator's routes, and its page in place of the front page."""
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
        # one predicate more than the other view of the front page has, so that this one is asked first
        more = {"path_info": "/"} if name == "home" else {}
        config.add_view(view, route_name=name, request_method=method, **more)
