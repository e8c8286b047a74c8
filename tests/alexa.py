"""A minimal Alexa app for tests. It opens the authorization URL, submits the real form and reads the redirect."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from webtest import TestApp

HOSTS = ("pitangui.amazon.com", "layla.amazon.com", "alexa.amazon.co.jp")
REDIRECT_URI = "https://layla.amazon.com/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA"
STATE = b64encode(bytes(range(256)) * 3 + b"\xfb\xff" * 31).decode("ascii")
"""1,108 characters of standard base64, which contain +, / and =."""


def https(app: Any) -> TestApp:
    """Returns a test client of `app` that behaves like a browser behind an https proxy."""
    return TestApp(app, extra_environ={"wsgi.url_scheme": "https", "HTTP_HOST": "link.example.com"})


@dataclass
class Alexa:
    """The Alexa app. `parameters` are those of the authorization request; change them before `open()` or `link()`."""

    app: TestApp
    parameters: dict[str, str] = field(
        default_factory=lambda: {
            "client_id": "alexa",
            "response_type": "token",
            "scope": "order_car basic_profile",
            "redirect_uri": REDIRECT_URI,
            "state": STATE,
        }
    )
    headers: dict[str, str] = field(default_factory=lambda: {"Origin": "https://link.example.com"})

    @property
    def url(self) -> str:
        return "/authorize?" + urlencode(self.parameters)

    def open(self, **kwargs: Any) -> Any:
        """Sends the authorization request and returns the response."""
        return self.app.get(self.url, **kwargs)

    def submit(self, username: str, password: str, page: Any = None, **kwargs: Any) -> Any:
        """Submits user name and password with the form of `page`, by default that of a new login page."""
        form = next(form for form in (page or self.open()).forms.values() if form.method.lower() == "post")
        form["username"], form["password"] = username, password
        return form.submit(headers=self.headers, **kwargs)

    def link(self, username: str = "ada", password: str = "lovelace-1815") -> dict[str, str]:
        """Links by the implicit grant and returns the parameters in the fragment of the redirect."""
        return fragment(self.submit(username, password, status=303).location)

    def code(self, username: str = "ada", password: str = "lovelace-1815", **changes: str) -> str:
        """Signs in with response_type=code and returns the code in the query of the redirect."""
        self.parameters |= {"response_type": "code", **changes}
        return query(self.submit(username, password, status=303).location)["code"]

    def token(self, form: dict[str, str], client: str = "home", secret: str = "the-home-clients-secret") -> Any:
        """Sends a request to the token endpoint with HTTP Basic authentication, and returns the response."""
        return self.app.post("/token", form, headers=basic(client, secret), status="*")

    def introspect(self, token: str, client: str = "alexa", secret: str = "the alexa client's secret") -> Any:
        return self.app.post("/introspect", {"token": token}, headers=basic(client, secret), status="*")


def fragment(location: str) -> dict[str, str]:
    """Returns the parameters in the fragment of a URL. Each must occur once."""
    pairs = parse_qsl(urlsplit(location).fragment, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def query(location: str) -> dict[str, str]:
    """Returns the parameters in the query of a URL. Each must occur once."""
    pairs = parse_qsl(urlsplit(location).query, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def basic(client: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{client}:{secret}".encode()).decode("ascii")}
