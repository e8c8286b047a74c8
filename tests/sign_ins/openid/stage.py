"""An app with two sign-in providers that can be hostile: the people of `corp` are those of a backend, and `own`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from linkauth.services import services_of
from plugins.oidc.tests.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.alexa import Alexa, https

RETURN = "/authorize/return/"


def provider_settings(name: str, provider: Provider, **changes: str | None) -> dict[str, Any]:
    """Returns the settings of the provider `name`; `__` stands for a dot. None removes a setting.

    The timeouts are those of a busy machine.
    """
    values: dict[str, str | None] = {
        "use": "oidc",
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "connect_timeout": "10",
        "receive_timeout": "10",
        "total_timeout": "30",
        "retry_down_after": "1",
        **changes,
    }
    return {f"sign_in__{name}__{key}": value for key, value in values.items()}


class Stage:
    """One browser, and the two providers. `corp` admits only people of the organization example.com."""

    def __init__(self, make_app: Callable[..., Any], corp: Provider, own: Provider, **changes: Any) -> None:
        self.corp, self.own = corp, own
        settings = {
            "sign_ins": "corp own",
            **provider_settings("corp", corp, preset="google", match="email:staff", label="Example Corp"),
            "sign_in__corp__hosted_domains": "example.com",
            **provider_settings("own", own, match="own", label="Example Home"),
        }
        corp.person["hd"] = "example.com"
        self.app = make_app(**{**settings, **changes})
        self.alexa = Alexa(https(self.app))

    def go(self, name: str = "corp") -> Any:
        """Presses the button of a provider, and returns linkauth's response."""
        form = {"form_token": self.alexa.open().html.find("input", {"name": "form_token"})["value"]}
        url = self.alexa.url.replace("/authorize?", f"/authorize/go/{name}?")
        return self.alexa.app.post(url, form, headers=self.alexa.headers, status="*")

    def answer(self, name: str = "corp", **changes: str | None) -> dict[str, str]:
        """Begins a sign-in, and returns the parameters of the provider's answer, with `changes`."""
        provider = self.corp if name == "corp" else self.own
        return provider.authorize(self.go(name).location, **changes)

    def back(self, parameters: dict[str, str], name: str = "corp", app: Any = None) -> Any:
        """Comes back with an answer, and returns linkauth's response. `app` is another browser."""
        return (app or self.alexa.app).get(f"{RETURN}{name}?{urlencode(parameters)}", status="*")

    def sign_in(self, **changes: str | None) -> Any:
        """Signs in at `corp`; `changes` are those of the parameters of the answer."""
        return self.back(self.answer(**changes))

    @property
    def services(self) -> Any:
        return services_of(self.app.registry)
