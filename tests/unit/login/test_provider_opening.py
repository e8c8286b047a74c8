"""Tests of how sign-in providers are opened, and of the backends in which their people are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from linkauth.config import plugins
from linkauth.config.settings import Settings, SettingsError, read
from linkauth.login.opening import open_providers, opened_backends
from linkauth.login.providers import NamedProvider, log_state
from linkauth.services import services_of
from tests.providers.mailbox import MailboxProvider
from tests.unit.config.test_settings import VALID


@pytest.fixture(autouse=True)
def opened(provider_plugins: Path) -> list[MailboxProvider]:
    """Installs MailboxProvider, and returns the list of its instances."""
    MailboxProvider.opened.clear()
    return MailboxProvider.opened


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


EMAIL: dict[str, str | None] = {"backend__staff__email_column": "mail"}
QUERY = "linkauth.backend.staff.query"


def test_a_provider_is_opened_with_its_settings(opened: list[MailboxProvider]) -> None:
    read_settings = settings(sign_in__box__match="email:staff", **EMAIL)
    (named,) = open_all(read_settings)
    assert named.provider is opened[0]
    assert named.settings is read_settings.sign_ins[0]
    assert named.redirect_uri("https://link.example.com/x") == "https://link.example.com/x/authorize/return/box"


def test_people_are_found_only_in_a_backend_that_can_look_them_up() -> None:
    query = {key.replace(".", "__"): None for key in COLUMNS} | {"backend__staff__query": VALID[QUERY]}
    for match in ("upn:username:staff", "email:staff"):
        key, problem = fault(sign_in__box__match=match, **query)
        assert key == "linkauth.sign_in.box.match"
        assert problem.startswith("names the backend staff, which cannot look people up without their password")
    for match in ("upn:username:staff", "oid:subject:staff"):
        assert open_all(settings(sign_in__box__match=match))


def test_people_are_found_by_an_address_only_in_a_backend_that_knows_addresses() -> None:
    key, problem = fault(sign_in__box__match="email:staff")
    assert key == "linkauth.sign_in.box.match"
    assert problem.startswith("names the backend staff, which cannot find people by their email address")
    # a read-only account of the database is enough
    assert open_all(settings(sign_in__box__match="email:staff", **EMAIL))


def test_a_provider_without_a_name_needs_a_label() -> None:
    key, problem = fault(sign_in__box__behaviour="unnamed")
    assert (key, problem.partition(":")[0]) == ("linkauth.sign_in.box.label", "is missing")
    assert open_all(settings(sign_in__box__behaviour="unnamed", sign_in__box__label="Mail"))


def test_a_provider_that_cannot_be_opened_is_a_fault_without_secrets(opened: list[MailboxProvider]) -> None:
    with pytest.raises(SettingsError) as caught:
        open_all(
            settings(
                sign_ins="box other",
                sign_in__box__behaviour="crash",
                sign_in__other__use="mailbox",
                sign_in__other__match="own",
                sign_in__other__behaviour="unopenable",
                sign_in__other__secret="canary-of-this-test",
            )
        )
    assert caught.value.faults == [("linkauth.sign_in.other", "cannot be opened with ***")]
    # the other one is closed, although that fails
    assert [each.closed for each in opened] == [1]


def test_services_close_each_provider_once(make_app: Any, opened: list[MailboxProvider]) -> None:
    services = services_of(make_app(sign_ins="box", sign_in__box__use="mailbox", sign_in__box__match="own").registry)
    (named,) = services.providers
    assert (named.name, named.provider) == ("box", opened[0])
    assert opened[0].closed == 0
    services.close()
    services.close()
    assert opened[0].closed == 1


def test_the_log_of_the_start_says_which_providers_answer(
    make_app: Any, caplog: pytest.LogCaptureFixture, opened: list[MailboxProvider]
) -> None:
    changes = {"sign_ins": "box down crash"}
    for name in ("box", "down", "crash"):
        changes |= {f"sign_in__{name}__use": "mailbox", f"sign_in__{name}__match": "own"}
    changes |= {"sign_in__down__behaviour": "down", "sign_in__crash__behaviour": "crash"}
    services = services_of(make_app(sign_in__down__secret="canary-of-this-test", **changes).registry)
    with caplog.at_level("INFO", "linkauth"):
        log_state(services.providers)
    assert [record.getMessage() for record in caplog.records] == [
        "sign-in provider down: page: does not answer ***",
        "sign-in provider crash: check: violated its contract: it raised RuntimeError",
        "sign-in providers at the start: box=answers down=failed crash=failed",
    ]


DIRECTORY: dict[str, str | None] = {
    "backends": "staff corp",
    "backend__corp__use": "ldap",
    "backend__corp__uris": "ldaps://dc1.example.com",
    "backend__corp__bind_dn": "cn=reader,dc=example,dc=com",
    "backend__corp__bind_password": "a password",
    "backend__corp__user_base": "dc=example,dc=com",
    "sign_in__box__match": "email:corp",
}


def test_a_directory_that_hides_locks_needs_the_consent_of_the_deployer() -> None:
    key, problem = fault(**DIRECTORY)
    assert key == "linkauth.sign_in.box.match"
    assert problem.startswith(
        "names the backend corp, which cannot tell without a password whether an account is locked"
    )
    assert open_all(settings(**DIRECTORY, sign_in__box__accept_hidden_locks="true"))
    # Active Directory shows it
    assert open_all(settings(**DIRECTORY, backend__corp__preset="activedirectory"))


def test_a_claim_that_the_provider_never_verifies_finds_nobody() -> None:
    key, problem = fault(sign_in__box__match="phone:username:staff")
    assert key == "linkauth.sign_in.box.match"
    assert problem.startswith("uses the claim phone, for which this provider does not vouch with its settings")
    # its own identifier needs no word of it
    assert open_all(settings(sign_in__box__match="sub:username:staff"))
    amazon = {
        "sign_in__box__use": "oidc",
        "sign_in__box__preset": "amazon",
        "sign_in__box__client_id": "linkauth",
        "sign_in__box__client_secret": "a secret",
    }
    key, problem = fault(**amazon, **EMAIL, sign_in__box__match="email:staff")
    assert problem.startswith("uses the email address, for which this provider does not vouch with its settings")
    assert open_all(settings(**amazon))
