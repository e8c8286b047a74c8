"""A person with a browser who signs in at the stand-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from webtest import TestApp

from linkauth.services import services_of
from tests.alexa import Alexa, fragment, query
from tests.sign_ins.stand_in import CANARY, StandIn, code_of

ADA = {"sub": "provider-ada", "name": "Ada of the provider", "email": "ada@example.com", "verified": ["email"]}
OTHER = {"client_id": "other", "redirect_uri": "https://other.example.com/cb", "scope": "private"}
"""Parameters of another client, which offers only the provider corp."""
GO, RETURN = "/authorize/go/", "/authorize/return/"


@dataclass
class Phone:
    """A browser with cookies of its own, at `address`. `alexa` has the parameters of the authorization request."""

    app: Any
    address: str = "203.0.113.7"
    alexa: Alexa = field(init=False)

    def __post_init__(self) -> None:
        # another client has other cookies
        self.client = TestApp(self.app, extra_environ={**BROWSER, "REMOTE_ADDR": self.address})
        self.alexa = Alexa(self.client)

    @property
    def raw_query(self) -> str:
        return self.alexa.url.partition("?")[2]

    def form_token(self, page: Any = None) -> str:
        page = page or self.alexa.open()
        token: str = page.html.find("input", {"name": "form_token"})["value"]
        return token

    def go(self, provider: str = "google", page: Any = None, raw_query: str = "", status: int = 303) -> Any:
        """Presses the button of a provider and returns the response."""
        form = {"form_token": self.form_token(page)}
        url = f"{GO}{provider}?{raw_query or self.raw_query}"
        return self.client.post(url, form, headers=self.alexa.headers, status=status)

    def started(self, provider: str = "google") -> dict[str, str]:
        """Presses the button and returns the parameters that the provider receives."""
        return query(self.go(provider).location)

    def come_back(
        self, sent: dict[str, str], code: str, provider: str = "google", status: Any = "*", **changes: str
    ) -> Any:
        """Comes back from the provider, which has received `sent`, with a code."""
        return self.client.get(f"{RETURN}{provider}?{urlencode(answer(sent, code, **changes))}", status=status)

    def post_back(self, sent: dict[str, str], code: str, provider: str = "google", status: Any = "*") -> Any:
        """Comes back with a form that a page of the provider has posted."""
        headers = {"Origin": "https://login.example.net", "Sec-Fetch-Site": "cross-site"}
        return self.client.post(f"{RETURN}{provider}", answer(sent, code), headers=headers, status=status)

    def sign_in(self, provider: str = "google", **claims: Any) -> Any:
        """Signs in as the person with these claims and returns the response to the way back."""
        return self.come_back(self.started(provider), code_of(**(claims or ADA)), provider)

    def linked(self, response: Any) -> dict[str, Any]:
        """Returns what introspection says of the token in the redirect."""
        assert response.status_int == 303, response.text
        active: dict[str, Any] = self.alexa.introspect(fragment(response.location)["access_token"]).json
        assert active["active"] is True
        return active


BROWSER = {"wsgi.url_scheme": "https", "HTTP_HOST": "link.example.com"}


def answer(sent: dict[str, str], code: str, **changes: str) -> dict[str, str]:
    return {"state": sent["state"], "code": f"{sent['nonce']}.{CANARY}.{code}", **changes}


def stand_in(app: Any, name: str = "google") -> StandIn:
    """Returns the provider of an app."""
    (found,) = [each.provider for each in services_of(app.registry).providers if each.name == name]
    assert isinstance(found, StandIn)
    return found


def error_of(page: Any) -> str:
    """Returns the heading of an alert, or of the page."""
    found = page.html.find(id="error") or page.html.find("h1")
    return " ".join(found.get_text(" ").split())
