"""Tests of how sign-in providers are opened, and of the backends in which their people are found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from linkauth.backends import Identity
from linkauth.config import plugins
from linkauth.config.settings import Settings, SettingsError, read
from linkauth.login.opening import open_providers, opened_backends
from linkauth.login.providers import NamedProvider
from linkauth.sign_ins import ProvidedIdentity, Redirect, SignInProvider, SignInRequest, SignInResponse
from tests.unit.config.test_settings import VALID

opened: list[MailboxProvider] = []


@dataclass(frozen=True)
class MailboxSettings:
    host: str = "mail.example.com"
    secret: str = field(default="", repr=False)


class MailboxProvider(SignInProvider):
    """A provider that cannot be opened with the host `none`, and whose name is known unless the host is `unnamed`."""

    Settings: ClassVar[type] = MailboxSettings

    def __init__(self, settings: MailboxSettings) -> None:
        if settings.host == "none":
            raise ValueError(f"has no host; its secret is {settings.secret}")
        self.brand_name = "" if settings.host == "unnamed" else "Mailbox"
        self.closed = 0
        opened.append(self)

    def begin(self, request: SignInRequest) -> Redirect:
        return Redirect("https://mail.example.com/authorize")

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        return ProvidedIdentity(Identity("1", "ada"))

    def close(self) -> None:
        self.closed += 1
        raise SystemExit("cannot")


@pytest.fixture(autouse=True)
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Installs MailboxProvider as the sign-in provider `mailbox`."""
    load = plugins.load
    monkeypatch.setattr(
        plugins, "load", lambda family, name: MailboxProvider if name == "mailbox" else load(family, name)
    )
    yield
    del opened[:]


COLUMNS = {
    "backend.staff.query": None,
    "backend.staff.table": "people",
    "backend.staff.subject_column": "id",
    "backend.staff.username_columns": "login",
    "backend.staff.password_column": "password_hash",
}


def settings(**changes: str | None) -> Settings:
    """Returns the settings with the provider `box`; `__` stands for a dot in a key."""
    named = {key.replace("__", "."): value for key, value in changes.items()}
    ini: dict[str, Any] = {**VALID, "linkauth.sign_ins": "box", "linkauth.sign_in.box.use": "mailbox"}
    ini |= {f"linkauth.{key}": value for key, value in {**COLUMNS, "sign_in.box.match": "own", **named}.items()}
    return read({key: value for key, value in ini.items() if value is not None}, plugins.settings_class)


def open_all(read_settings: Settings) -> tuple[NamedProvider, ...]:
    with opened_backends(read_settings) as backends:
        return open_providers(read_settings, backends)


def fault(**changes: str | None) -> tuple[str, str]:
    with pytest.raises(SettingsError) as caught:
        open_all(settings(**changes))
    (found,) = caught.value.faults
    return found


def test_a_provider_is_opened_with_its_settings() -> None:
    read_settings = settings(sign_in__box__host="other.example.com", sign_in__box__match="email:staff", **EMAIL)
    (named,) = open_all(read_settings)
    assert named.provider is opened[0]
    assert named.settings is read_settings.sign_ins[0]
    assert named.redirect_uri("https://link.example.com/x") == "https://link.example.com/x/authorize/return/box"


EMAIL: dict[str, str | None] = {"backend__staff__email_column": "mail"}


def test_people_are_found_only_in_a_backend_that_can_look_them_up() -> None:
    query = {key.replace(".", "__"): None for key in COLUMNS} | {"backend__staff__query": VALID[QUERY]}
    key, problem = fault(sign_in__box__match="upn:username:staff", **query)
    assert key == "linkauth.sign_in.box.match"
    assert problem.startswith("names the backend staff, which cannot look people up without their password")
    for match in ("upn:username:staff", "oid:subject:staff"):
        assert open_all(settings(sign_in__box__match=match))


QUERY = "linkauth.backend.staff.query"


def test_people_are_found_by_an_address_only_in_a_backend_that_knows_addresses() -> None:
    key, problem = fault(sign_in__box__match="email:staff")
    assert key == "linkauth.sign_in.box.match"
    assert problem.startswith("names the backend staff, which cannot find people by their email address")
    # a read-only account of the database is enough
    assert open_all(settings(sign_in__box__match="email:staff", **EMAIL))


def test_a_provider_without_a_name_needs_a_label() -> None:
    key, problem = fault(sign_in__box__host="unnamed")
    assert (key, problem.partition(":")[0]) == ("linkauth.sign_in.box.label", "is missing")
    assert open_all(settings(sign_in__box__host="unnamed", sign_in__box__label="Mail"))


def test_a_provider_that_cannot_be_opened_is_a_fault_without_secrets() -> None:
    with pytest.raises(SettingsError) as caught:
        open_all(
            settings(
                sign_ins="box other",
                sign_in__other__use="mailbox",
                sign_in__other__match="own",
                sign_in__other__host="none",
                sign_in__other__secret="canary-of-this-test",
            )
        )
    assert caught.value.faults == [("linkauth.sign_in.other", "has no host; its secret is ***")]
    # the other one is closed, although that fails
    assert [each.closed for each in opened] == [1]


def test_services_close_each_provider_once(make_app: Any) -> None:
    from linkauth.services import services_of

    app = make_app(sign_ins="box", sign_in__box__use="mailbox", sign_in__box__match="own")
    services = services_of(app.registry)
    (named,) = services.providers
    assert (named.name, named.provider) == ("box", opened[0])
    with closing(services):
        assert opened[0].closed == 0
    services.close()
    assert opened[0].closed == 1
