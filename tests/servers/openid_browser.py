"""A browser without scripts that signs in at the provider of tests.servers.openid_provider."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

TIMEOUT = 30
_FORM = re.compile(r'<form method="post" action="([^"]+)"')
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


@dataclass
class Return:
    """How the provider sends the browser back: to `url`, with `parameters` in its query or in a posted form."""

    url: str
    parameters: dict[str, str]
    posted: bool


@dataclass
class ProviderBrowser:
    """Keeps the session at the provider, as a browser does."""

    session: requests.Session = field(default_factory=requests.Session)

    def sign_in(self, url: str, login: str) -> Return:
        """Opens the authorization URL, signs in as `login`, and returns what the provider sends back to the client."""
        return self._answer(url, {"login": login, "action": "login"})

    def cancel(self, url: str) -> Return:
        """Opens the authorization URL and cancels."""
        return self._answer(url, {"action": "cancel"})

    def _answer(self, url: str, fields: dict[str, str]) -> Return:
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        response = self._follow(self.session.get(url, allow_redirects=False, timeout=TIMEOUT), origin)
        action = _FORM.search(response.text)
        # with a session at the provider there is no form
        if response.status_code == 200 and action and "/interaction/" in action[1]:
            target = urljoin(response.url, unescape(action[1]))
            posted = self.session.post(target, fields, allow_redirects=False, timeout=TIMEOUT)
            response = self._follow(posted, origin)
        return _returned(response)

    def _follow(self, response: requests.Response, origin: str) -> requests.Response:
        """Follows redirects within the provider."""
        while response.is_redirect and urljoin(response.url, response.headers["Location"]).startswith(origin + "/"):
            target = urljoin(response.url, response.headers["Location"])
            response = self.session.get(target, allow_redirects=False, timeout=TIMEOUT)
        return response


def _returned(response: requests.Response) -> Return:
    if response.is_redirect:
        url = urlsplit(response.headers["Location"])
        return Return(url._replace(query="").geturl(), dict(parse_qsl(url.query, keep_blank_values=True)), posted=False)
    action = _FORM.search(response.text)
    assert action, f"{response.status_code}: {response.text}"
    fields = {name: unescape(value) for name, value in _HIDDEN.findall(response.text)}
    return Return(unescape(action[1]), fields, posted=True)
