"""The views of the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from linkauth.config.settings import Settings, SettingsError
from linkauth.mail.sink import sunk_mails
from linkauth.simulator import alexa, people
from linkauth.simulator.clients import SimulatedClient, simulated_clients
from linkauth.simulator.pages import FOLDER, MAILS_POLICY, Pages
from linkauth.simulator.platform import Answer, Sender

MAIL_LIMIT = 20
"""How many mails the page of mails shows."""
STATIC = {"simulator.css": "text/css", "simulator.js": "text/javascript"}
RESPONSE_TYPES = {"implicit": "token", "authorization_code": "code"}
"""The response type of each grant."""


class Simulator:
    """The views. Nothing is stored: the signed state tells which request a response belongs to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients = simulated_clients(settings)
        if settings.simulator.client not in self._clients:
            raise SettingsError([("linkauth.simulator.client", "names a client without grants, so nobody can link it")])
        self._first = self._clients[settings.simulator.client]
        self._state = alexa.State(settings.secret, *settings.previous_secrets)
        self._pages = Pages(f"{urlsplit(settings.public_url).path}/simulator", settings.default_language)

    def home(self, request: Request) -> Response:
        """The front page: starts account linking, and lists the demo users."""
        return self._pages.page(
            "home.jinja2",
            self._language(request),
            clients=self._clients.values(),
            locales=alexa.LANGUAGES,
            people=people.PEOPLE if self._settings.simulator.people else (),
            has_mails=bool(self._settings.mail and self._settings.mail.sink),
            page_language=dict(request.query).get("ui_locales", ""),
        )

    def enable(self, request: Request) -> Response:
        """Redirects to the authorization URL, as the Alexa app does when a user enables the skill."""
        query = dict(request.query)
        client = self._clients.get(query.get("client", self._first.name))
        if client is None:
            raise HTTPNotFound
        grant = query.get("grant", client.settings.grants[0])
        redirect_uri = client.redirect_uri(grant, query.get("region", ""))
        if redirect_uri is None:
            raise HTTPNotFound
        # the number, because a state has no room for a long name
        number = str(list(self._clients).index(client.name))
        state = self._state.new(client=number, grant=grant, language=self._language(request))
        parameters = {"client_id": client.client_id, "response_type": RESPONSE_TYPES[grant]}
        if client.settings.scopes:
            parameters["scope"] = " ".join(client.settings.scopes)
        parameters |= {"redirect_uri": redirect_uri, "state": state}
        if grant == "authorization_code":
            challenge = alexa.code_challenge(self._state.verifier(state))
            parameters |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        if query.get("language"):
            parameters["ui_locales"] = query["language"]
        return HTTPSeeOther(f"{self._settings.public_url}/authorize?{urlencode(parameters)}")

    def redirected(self, request: Request) -> Response:
        """Simulates the redirect endpoint of the platform.

        Only the script of the page can read a response in the fragment. It posts the response to the same URL.
        """
        query = request.environ.get("QUERY_STRING", "")
        received = alexa.parse_fragment(query)
        is_response = not {"code", "error"}.isdisjoint(received)
        facts = self._state.facts(received.get("state", ""))
        return self._pages.page(
            "redirected.jinja2",
            facts.get("language") or self._language(request),
            place=self._place(request.matchdict["region"]),
            response=query if is_response else "",
        )

    def received(self, request: Request) -> Response:
        """Processes an authorization response, the form field `response`, as the platform and the program do."""
        form = self._form(request)
        parameters = alexa.parse_fragment(form.get("response", ""))
        state = parameters.get("state", "")
        facts = self._state.facts(state)
        by_code = facts["grant"] == "authorization_code" if facts else "access_token" not in parameters
        clients = list(self._clients.values())
        client = clients[int(facts["client"])] if facts and int(facts["client"]) < len(clients) else self._first
        checks = list(alexa.check_authorization(parameters, self._state, by_code))
        if not parameters:
            checks = [alexa.Check("response", "missing")]
        answer = None
        if by_code and all(check.ok for check in checks):
            region = request.matchdict["region"]
            answer = Sender(request, client, self._settings.public_url).token(
                {
                    "grant_type": "authorization_code",
                    "code": parameters["code"],
                    "redirect_uri": client.redirect_uri("authorization_code", region) or "",
                    "code_verifier": self._state.verifier(state),
                }
            )
            checks += self._token_checks(client, answer)
        return self._result(
            request,
            client,
            checks,
            answer.json if answer else parameters,
            event="linked",
            language=facts.get("language") or self._language(request),
            parameters=parameters,
            answer=answer,
        )

    def refresh(self, request: Request) -> Response:
        """Refreshes the tokens as the platform does. The form field `refresh_token` is the newest refresh token."""
        form = self._form(request)
        client = self._named_client(form)
        refresh = {"grant_type": "refresh_token", "refresh_token": form.get("refresh_token", "")}
        answer = Sender(request, client, self._settings.public_url).token(refresh)
        checks = list(self._token_checks(client, answer))
        return self._result(request, client, checks, answer.json, event="refreshed", language=None, answer=answer)

    def disable(self, request: Request) -> Response:
        """Ends the link as for a disabled skill: the platform tells the program, which revokes the access token."""
        form = self._form(request)
        client, token = self._named_client(form), form.get("access_token", "")
        sender = Sender(request, client, self._settings.public_url)
        revoked, after = sender.revoke(token), sender.userinfo(token)
        checks = [
            alexa.Check("revoke", "" if revoked.status == 200 else "error", str(revoked.status)),
            alexa.Check("ended", "" if after.status == 401 else "error"),
        ]
        return self._result(request, client, checks, {"access_token": token}, event="disabled", language=None)

    def mails(self, request: Request) -> Response:
        """Shows the mails in the folder `linkauth.mail.sink`, the newest first."""
        mail = self._settings.mail
        folder = mail.sink if mail else ""
        found = sunk_mails(folder, MAIL_LIMIT) if folder else []
        return self._pages.page("mails.jinja2", self._language(request), MAILS_POLICY, folder=folder, mails=found)

    def static(self, request: Request) -> Response:
        name = request.matchdict["name"]
        if name not in STATIC:
            raise HTTPNotFound
        return Response((FOLDER / "static" / name).read_bytes(), content_type=STATIC[name], charset="utf-8")

    def _form(self, request: Request) -> Mapping[str, str]:
        """Returns the fields of a form of the simulator. Raises HTTPBadRequest if another site sent it."""
        request.form_tokens.check_origin(request.environ)
        form: Mapping[str, str] = request.form
        return form

    def _named_client(self, form: Mapping[str, str]) -> SimulatedClient:
        client = self._clients.get(form.get("client", ""))
        if client is None:
            raise HTTPNotFound
        return client

    def _token_checks(self, client: SimulatedClient, answer: Answer) -> Iterator[alexa.Check]:
        minimum = client.settings.preset.min_access_lifetime
        return alexa.check_tokens(answer.status, answer.json, answer.headers, minimum)

    def _language(self, request: Request) -> str:
        wanted = dict(request.query).get("ui_locales", "").split()
        if request.method == "POST":
            wanted = request.form.get("page_language", "").split() or wanted
        return self._pages.language(wanted, request.environ.get("HTTP_ACCEPT_LANGUAGE", ""))

    def _place(self, key: str) -> str:
        """Returns the name of a region, which the pages translate, or the host."""
        regions = (region for client in self._clients.values() for region in client.regions)
        return next((region.name for region in regions if region.key == key and region.name), key)

    def _result(
        self,
        request: Request,
        client: SimulatedClient,
        checks: list[alexa.Check],
        tokens: Mapping[str, Any],
        *,
        event: str,
        language: str | None,
        parameters: Mapping[str, str] | None = None,
        answer: Answer | None = None,
    ) -> Response:
        """Returns the page with the result of an event: "linked", "refreshed" or "disabled"."""
        token = str(tokens.get("access_token", ""))
        sender = Sender(request, client, self._settings.public_url)
        introspection = sender.introspect(token) if token else None
        userinfo = sender.userinfo(token) if token else None
        passed = all(check.ok for check in checks)
        is_known = userinfo is not None and userinfo.status == 200
        ok = passed and (event == "disabled" or is_known)
        name = userinfo.json.get("preferred_username", "") if userinfo else ""
        return self._pages.page(
            "result.jinja2",
            language or self._language(request),
            event=event,
            ok=ok,
            name=name,
            client=client,
            checks=checks,
            parameters=parameters or {},
            answer=answer.json if answer else {},
            introspection=introspection.json if introspection else {},
            userinfo=userinfo.json if is_known and userinfo else {},
            access_token=token if is_known else "",
            refresh_token=str(tokens.get("refresh_token", "")) if is_known else "",
        )
