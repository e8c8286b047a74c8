"""What an application opens is closed once, also when the start is refused halfway; the order of includes is free."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pyramid.config import Configurator

from linkauth import services as services_module
from linkauth.backends import CredentialBackend, Identity
from linkauth.config import plugins
from linkauth.config.settings import Settings, SettingsError
from linkauth.services import REGISTRY_KEY, build, services_of
from tests.alexa import Alexa
from tests.conftest import https

INCLUDES = ("request", "headers", "forwarded", "limits", "routes")


class Closing(CredentialBackend):
    """A backend that remembers whether it was closed; the one named `broken` cannot be."""

    opened: list[Closing]

    def __init__(self, settings: Any) -> None:
        self.closed = 0
        self.opened.append(self)

    def authenticate(self, username: str, password: str) -> Identity:
        return Identity("1", username)

    def check(self) -> Iterator[Any]:
        return iter(())

    def close(self) -> None:
        self.closed += 1
        if self is self.opened[0]:
            raise SystemExit("cannot")


@pytest.fixture
def settings(make_app: Callable[..., Any]) -> Settings:
    """The settings of the app with three backends, the last of which is a shadow."""
    made: Settings = services_of(make_app().registry).settings
    entries = [replace(made.backends[0], name=name, shadow=name == "trial") for name in ("corp", "other", "trial")]
    return replace(made, backends=tuple(entries))


@pytest.fixture
def opened(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[Closing]:
    """The backends that are opened, in their order: each plugin of the ini is replaced by `Closing`."""
    load, made = plugins.load, list[Closing]()
    kind = type("Closing", (Closing,), {"opened": made})
    monkeypatch.setattr(plugins, "load", lambda family, name: kind if family == "backends" else load(family, name))
    return made


def test_everything_is_closed_once(settings: Settings, opened: list[Closing]) -> None:
    services = build(settings)
    found = opened[-3:]
    assert [each.closed for each in found] == [0, 0, 0]
    services.close()
    services.close()
    assert [each.closed for each in found] == [1, 1, 1]


def test_a_start_that_is_refused_leaves_nothing_open(
    settings: Settings, opened: list[Closing], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (
        "_open_themes",
        "_create_throttle",
        "open_engine",
        "require_current",
        "key_store",
        "_create_issuer",
        "SignIn",
    ):
        del opened[:]
        with monkeypatch.context() as patched, pytest.raises(SettingsError):
            patched.setattr(services_module, step, refuse)
            build(settings)
        assert [each.closed for each in opened] == [1, 1, 1], step


def refuse(*_: object, **__: object) -> None:
    raise SettingsError([("linkauth.x", "is refused")])


@pytest.mark.parametrize("order", [INCLUDES[::-1], INCLUDES[2:] + INCLUDES[:2], ("routes", "limits", *INCLUDES[:3])])
def test_the_order_of_includes_does_not_matter(make_app: Callable[..., Any], order: tuple[str, ...]) -> None:
    services = services_of(make_app().registry)
    with Configurator(settings={REGISTRY_KEY: services}) as config:
        config.include("linkauth.views")
        for name in order:
            config.include(f"linkauth.web.{name}")
        app = https(config.make_wsgi_app())
    assert Alexa(app).link()["access_token"]
    plain = app.get("/authorize", extra_environ={"wsgi.url_scheme": "http"}, status=403)
    assert "Content-Security-Policy" in plain.headers


def test_linkauth_has_one_key_in_the_registry(make_app: Callable[..., Any]) -> None:
    registry = make_app().registry
    ours = {key: value for key, value in registry.settings.items() if not isinstance(value, str)}
    assert [value for value in ours.values() if type(value).__module__.startswith("linkauth")] == [
        services_of(registry)
    ]
