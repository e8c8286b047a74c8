"""Tests of the protocols of the presets, beyond the backend contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import AccountRefused, BackendMisconfigured, BackendUnavailable, UnknownUser, WrongPassword
from linkauth_http import HTTPBackend

from . import protocols
from .api import API, Reply
from .protocols import HTML, JSON, envelope
from .test_outcomes import outcome

Make = Callable[..., HTTPBackend]


def keycloak(backend_on: Make, api: API, **changes: Any) -> HTTPBackend:
    api.handler = protocols.keycloak
    client = {"client_id": "linkauth", "client_secret": "s3cret of the client"}
    return backend_on(api.url, preset="keycloak", success=None, subject=None, **(client | changes))


def test_keycloak_errors(api: API, backend_on: Make) -> None:
    backend = keycloak(backend_on, api)
    for name, password, reason, proven in (
        ("blocked", "x", "disabled", False),
        ("newcomer", "first", "must_change_password", True),
    ):
        with pytest.raises(AccountRefused) as refused:
            backend.authenticate(name, password)
        assert (refused.value.reason, refused.value.proven) == (reason, proven)
    assert outcome(backend, "newcomer", "wrong") is WrongPassword
    identity = backend.authenticate("MÜLLER", protocols.MUELLER.password)
    assert (identity.username, identity.name, identity.groups) == ("müller", "Maria Müller", ("staff",))


def test_unknown_keycloak_client_is_misconfigured(api: API, backend_on: Make) -> None:
    backend = keycloak(backend_on, api, client_secret="an old secret of the client")
    with pytest.raises(BackendMisconfigured) as refused:
        backend.authenticate("müller", protocols.MUELLER.password)
    assert "secret of" not in str(refused.value)


def test_public_client_sends_no_secret(api: API, backend_on: Make) -> None:
    assert outcome(keycloak(backend_on, api, client_secret="")) is BackendMisconfigured
    assert "client_secret" not in api.requests[0].form


@pytest.mark.parametrize(
    ("exceptions", "expected"),
    [
        (["FailedLoginException"], WrongPassword),
        (["AccountNotFoundException", "FailedLoginException"], WrongPassword),
        (["AccountNotFoundException"], UnknownUser),
        (["AccountLockedException"], "locked"),
        (["AccountDisabledException"], "disabled"),
        (["AccountExpiredException"], "account_expired"),
        (["CredentialExpiredException"], "password_expired"),
        (["AccountPasswordMustChangeException"], "must_change_password"),
        (["Invalid credentials"], WrongPassword),
    ],
)
def test_cas_exceptions(api: API, backend_on: Make, exceptions: list[str], expected: Any) -> None:
    api.handler = lambda request: Reply(401, json.dumps({"authentication_exceptions": exceptions}), JSON)
    assert outcome(backend_on(api.url, preset="cas-rest", success=None, subject=None)) == expected


@pytest.mark.parametrize("status", [200, 201, 400, 403, 404, 415])
def test_cas_response_without_ticket_is_an_outage(api: API, backend_on: Make, status: int) -> None:
    api.handler = lambda request: Reply(status, "", (("Location", f"{api.url}/cas/login"),))
    assert outcome(backend_on(api.url, preset="cas-rest", success=None, subject=None)) is BackendUnavailable


@pytest.mark.parametrize("status", [200, 403, 404, 302])
def test_page_without_form_is_an_outage(api: API, backend_on: Make, status: int) -> None:
    api.handler = lambda request: Reply(status, "<h1>Maintenance</h1>", HTML)
    form = {"preset": "html-form", "success": "location:/home", "subject": "username"}
    assert outcome(backend_on(api.url, **form)) is BackendUnavailable
    assert {request.method for request in api.requests} == {"GET"}


@pytest.mark.parametrize("code", ["soap:Server", "soap:Client", "soap:VersionMismatch"])
def test_other_soap_fault_is_an_outage(api: API, backend_on: Make, code: str) -> None:
    fault = f"<soap:Fault><faultcode>{code}</faultcode></soap:Fault>"
    api.handler = lambda request: Reply(500, envelope(fault))
    template = "<a><b>{username}</b><c>{password}</c></a>"
    soap = {"preset": "soap", "body_template": template, "success": "xpath:.//ok", "subject": "username"}
    assert outcome(backend_on(api.url, **soap)) is BackendUnavailable
