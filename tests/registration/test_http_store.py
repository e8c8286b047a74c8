"""Tests of registrations at a login API, with the settings of docs/backends.md."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from linkauth.backends import BackendUnavailable, PasswordRefused
from linkauth.config.backends import BackendSettings
from linkauth.config.settings import SettingsError
from linkauth.login.dispatch import NamedBackend
from linkauth.login.opening import open_backends
from linkauth.login.registration import AccountCreated
from linkauth_http import HTTPBackend
from plugins.http.tests.accounts_api import AccountsAPI
from plugins.http.tests.api import API, ReceivedRequest, Reply
from plugins.http.tests.conftest import settings_for
from plugins.http.tests.test_account_contract import documented_settings
from tests.registration.desk import FIELDS, Desk
from tests.registration.test_field_settings import settings

KEPT = tuple(each for each in FIELDS if each.name != "name")
"""The fields that the documented API keeps, and the consent."""


@pytest.fixture
def accounts(tmp_path: Path) -> AccountsAPI:
    return AccountsAPI(tmp_path / "accounts.sqlite")


@pytest.fixture
def api(accounts: AccountsAPI) -> Iterator[API]:
    api = API(accounts)
    yield api
    api.stop()


@pytest.fixture
def desk(api: API, make_desk: Callable[..., Desk]) -> Iterator[Desk]:
    backend = HTTPBackend(settings_for(api.url + "/login", **documented_settings()))
    yield make_desk(NamedBackend("legacy", backend, registration_fields=KEPT))
    backend.close()


def test_a_request_that_does_not_contain_the_address_stops_the_start() -> None:
    options = settings_for("https://api.example.com/login", **documented_settings())
    body = options.register_body_template.replace("{email}", "{username}")
    entry = BackendSettings("legacy", "http", (), False, replace(options, register_body_template=body), KEPT)
    with pytest.raises(SettingsError) as caught:
        open_backends(replace(settings("email"), backends=(entry,)))
    ((key, problem),) = caught.value.faults
    assert key == "linkauth.backend.legacy.registration_fields"
    assert problem.startswith("contains fields that the user store does not keep: email; ")


def test_a_person_signs_up_and_can_sign_in(desk: Desk, accounts: AccountsAPI) -> None:
    fred = desk.newcomer(username="Fred.E", email="fred@example.com")
    fred.start()
    assert accounts.count("fred.e") == 0
    person = fred.finish()
    assert (person.username, person.identity.email) == ("Fred.E", "fred@example.com")
    assert accounts.count("fred.e") == 1


def test_names_and_addresses_of_the_api_are_taken(desk: Desk) -> None:
    assert desk.newcomer(username="MÜLLER").start().kind == "name_taken"
    assert desk.newcomer(username="blocked").start().kind == "name_taken"
    mail = desk.newcomer(email="M@Example.com").start()
    assert (mail.kind, mail.names) == ("account_exists", ("müller",))


def test_a_password_that_the_api_refuses_can_be_typed_again(desk: Desk, accounts: AccountsAPI, api: API) -> None:
    fred = desk.newcomer(username="fred-short")
    fred.start()
    api.handler = lambda request: Reply(422, '{"error": "used_before"}') if is_new(request) else accounts(request)
    with pytest.raises(PasswordRefused) as refused:
        fred.finish()
    assert refused.value.rule == "used_before"
    api.handler = accounts
    assert fred.finish().username == "fred-short"


def test_an_account_whose_confirmation_was_lost_is_not_made_twice(desk: Desk, accounts: AccountsAPI, api: API) -> None:
    """The API creates the account, and its response never arrives."""

    def lose(connection: socket.socket) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    def handle(request: ReceivedRequest) -> Reply:
        reply = accounts(request)
        return Reply(raw=lose) if is_new(request) else reply

    fred = desk.newcomer(username="fred-lost")
    fred.start()
    api.handler = handle
    with pytest.raises(BackendUnavailable):
        fred.finish()
    with pytest.raises(AccountCreated):
        fred.finish()
    assert accounts.count("fred-lost") == 1
    assert len([request for request in api.requests if is_new(request)]) == 1


def test_an_api_that_is_down_makes_no_account_and_keeps_the_code(desk: Desk, accounts: AccountsAPI, api: API) -> None:
    fred = desk.newcomer(username="fred-later")
    fred.start()
    api.stop()
    with pytest.raises(BackendUnavailable):
        fred.finish()
    api.start()
    assert fred.finish().username == "fred-later"
    assert accounts.count("fred-later") == 1


def is_new(request: ReceivedRequest) -> bool:
    """Returns whether a request creates an account."""
    return request.method == "POST" and request.path == "/accounts"
