"""A person with a browser who signs in to linkauth at the provider of tests.servers.openid_provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.alexa import Alexa, fragment, https
from tests.servers.openid_browser import ProviderBrowser, Return

NAME = "corp"
"""The name of the provider in the settings of the tests."""


@dataclass
class Visit:
    """One browser: its cookies at linkauth (`alexa.app`), and its session at the provider."""

    alexa: Alexa
    provider: ProviderBrowser = field(default_factory=ProviderBrowser)
    name: str = NAME

    def go(self, page: Any = None) -> str:
        """Presses the button of the provider on `page`, by default a new login page. Returns the provider's URL."""
        return str(self.press(page).location)

    def press(self, page: Any = None, status: int = 303) -> Any:
        """Presses the button of the provider, and returns linkauth's response."""
        form = {"form_token": (page or self.alexa.open()).html.find("input", {"name": "form_token"})["value"]}
        url = self.alexa.url.replace("/authorize?", f"/authorize/go/{self.name}?")
        return self.alexa.app.post(url, form, headers=self.alexa.headers, status=status)

    def back(self, answer: Return, status: int = 303) -> Any:
        """Comes back from the provider, as the provider says. A posted form comes from the provider's page."""
        path = urlsplit(answer.url).path
        if not answer.posted:
            return self.alexa.app.get(f"{path}?{urlencode(answer.parameters)}", status=status)
        headers = {"Origin": "https://provider.example", "Sec-Fetch-Site": "cross-site"}
        return self.alexa.app.post(path, answer.parameters, headers=headers, status=status)

    def finish(self, login: str, status: int = 303, page: Any = None) -> Any:
        """Signs in at the provider as `login` and comes back. Returns linkauth's response."""
        return self.back(self.provider.sign_in(self.go(page), login), status)

    def link(self, login: str) -> dict[str, str]:
        """Links by the implicit grant, and returns the parameters in the fragment of the redirect."""
        return fragment(self.finish(login).location)

    def sub(self, login: str) -> str:
        """Links, and returns the `sub` of the person that the skill sees."""
        introspected = self.alexa.introspect(self.link(login)["access_token"]).json
        assert introspected["active"], introspected
        return str(introspected["sub"])


def new_visit(app: Any, name: str = NAME) -> Visit:
    """Returns a new browser that uses the WSGI app."""
    return Visit(Alexa(https(app)), name=name)
