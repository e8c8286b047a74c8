"""Tests that services are closed exactly once, also after a failed start, and that includes work in any order."""

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


class ClosableBackend(CredentialBackend):
    """A backend that counts calls of `close`. The first one that is opened raises SystemExit in `close`."""

    opened: list[ClosableBackend]

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
    created: Settings = services_of(make_app().registry).settings
    entries = [replace(created.backends[0], name=name, shadow=name == "trial") for name in ("corp", "other", "trial")]
    return replace(created, backends=tuple(entries))


@pytest.fixture
def opened_backends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[ClosableBackend]:
    """Replaces every backend plugin by ClosableBackend, and returns the list of opened backends in their order."""
    load, created = plugins.load, list[ClosableBackend]()
    backend_class = type("Closing", (ClosableBackend,), {"opened": created})
    monkeypatch.setattr(
        plugins, "load", lambda family, name: backend_class if family == "backends" else load(family, name)
    )
    return created


def test_close_closes_each_backend_once(settings: Settings, opened_backends: list[ClosableBackend]) -> None:
    services = build(settings)
    found = opened_backends[-3:]
    assert [backend.closed for backend in found] == [0, 0, 0]
    services.close()
    services.close()
    assert [backend.closed for backend in found] == [1, 1, 1]


def test_a_failed_start_closes_each_backend_once(
    settings: Settings, opened_backends: list[ClosableBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (
        "open_themes",
        "_create_throttle",
        "open_engine",
        "require_current",
        "key_store",
        "_create_issuer",
        "SignIn",
    ):
        del opened_backends[:]
        with monkeypatch.context() as patch, pytest.raises(SettingsError):
            patch.setattr(services_module, step, refuse)
            build(settings)
        assert [backend.closed for backend in opened_backends] == [1, 1, 1], step


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


def test_the_registry_has_one_key_of_linkauth(make_app: Callable[..., Any]) -> None:
    registry = make_app().registry
    objects = {key: value for key, value in registry.settings.items() if not isinstance(value, str)}
    assert [value for value in objects.values() if type(value).__module__.startswith("linkauth")] == [
        services_of(registry)
    ]
