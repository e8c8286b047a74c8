"""Tests of the responses to requests about accounts: what they mean, and that nothing unknown is a success."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from linkauth.backends import (
    PASSWORD_RULES,
    AccountRefused,
    BackendMisconfigured,
    BackendUnavailable,
    NameTaken,
    PasswordRefused,
    UnknownUser,
)
from linkauth_http import HTTPBackend

from .accounts_api import KEY, answer
from .api import API, ReceivedRequest, Reply
from .protocols import HTML
from .test_account_contract import documented_settings

Make = Callable[..., HTTPBackend]
ADA = {"id": 7, "login": "ada", "mail": "ada@example.com", "state": "active"}
PASSWORD = "Quartz-52-meadow"


def account_settings(**changes: Any) -> dict[str, Any]:
    return {**documented_settings(), **changes}


@pytest.fixture
def backend(api: API, backend_on: Make) -> HTTPBackend:
    return backend_on(api.url + "/login", **account_settings())


def always(api: API, reply: Reply) -> None:
    api.handler = lambda request: reply


def calls_of(backend: HTTPBackend) -> dict[str, Callable[[], object]]:
    return {
        "recipient": lambda: backend.recipient("ada"),
        "people_at": lambda: backend.people_at("ada@example.com"),
        "reset_password": lambda: backend.reset_password("7", PASSWORD),
        "is_taken": lambda: backend.is_taken("ada"),
        "register": lambda: backend.register("ada", PASSWORD, {"email": "ada@example.com"}),
    }


NOT_UNDERSTOOD = (
    *(
        Reply(200),
        answer(200),
        Reply(200, "[]"),
        Reply(200, "null"),
        Reply(200, "OK"),
        Reply(202),
        answer(200, ok=True),
    ),
    *(Reply(200, "<h1>Welcome, Ada</h1>", HTML), Reply(302, "", (("Location", "/accounts"),)), answer(404)),
    *(answer(400, error="unknown"), answer(403), answer(409), answer(500, account=ADA), Reply(503), Reply(429)),
    *(answer(200, account={}), answer(200, account={**ADA, "state": "frozen"}), answer(200, account={"id": 7})),
    *(answer(200, account=[ADA, {**ADA, "id": 8}]), answer(200, account={**ADA, "id": ""})),
    *(answer(200, account={**ADA, "id": [7, 8]}), answer(200, account={**ADA, "login": ["ada", "eve"]})),
    *(answer(200, accounts=None), answer(200, accounts={"0": ADA}), answer(200, accounts=[{"mail": ADA["mail"]}])),
    *(answer(200, accounts=["ada"]), answer(302, accounts=[ADA]), answer(500, accounts=[])),
    *(answer(200, accounts=[{**ADA, "login": ""}]), Reply(200, "x" * 70_000), Reply(302, json.dumps({"account": ADA}))),
)


def test_a_response_that_no_rule_covers_is_an_outage(api: API, backend: HTTPBackend) -> None:
    for reply in NOT_UNDERSTOOD:
        always(api, reply)
        for name, call in calls_of(backend).items():
            with pytest.raises(BackendUnavailable):
                pytest.fail(f"{name} returned {call()} for {reply}")


def test_the_api_that_refuses_linkauth_is_misconfigured(api: API, backend: HTTPBackend) -> None:
    always(api, answer(401, account=ADA, accounts=[ADA]))
    for call in calls_of(backend).values():
        with pytest.raises(BackendMisconfigured):
            call()


def test_only_the_key_of_linkauth_is_sent_with_requests_about_accounts(api: API, backend_on: Make) -> None:
    backend = backend_on(api.url + "/login", **account_settings(header={"X-Login-Key": "abc"}))
    for call in calls_of(backend).values():
        with pytest.raises(BackendUnavailable):
            call()
    assert {request.headers["Authorization"] for request in api.requests} == {KEY}
    assert not [request for request in api.requests if "X-Login-Key" in request.headers]
    api.requests.clear()
    with pytest.raises(UnknownUser):
        backend.authenticate("ada", PASSWORD)
    (login,) = api.requests
    assert login.headers["X-Login-Key"] == "abc"
    assert "Authorization" not in login.headers


def test_a_redirect_is_not_followed(api: API, backend: HTTPBackend) -> None:
    always(api, Reply(307, "", (("Location", "/elsewhere"),)))
    for call in calls_of(backend).values():
        with pytest.raises(BackendUnavailable):
            call()
    assert "/elsewhere" not in {request.path for request in api.requests}


def test_a_person_is_found(api: API, backend: HTTPBackend) -> None:
    always(api, answer(200, account=ADA))
    person = backend.recipient("Ada")
    assert (person.subject, person.username, person.email) == ("7", "ada", "ada@example.com")
    always(api, answer(200, account={**ADA, "mail": None}))
    assert backend.recipient("ada").email == ""
    always(api, answer(200, account={**ADA, "state": "blocked"}))
    with pytest.raises(AccountRefused) as refused:
        backend.recipient("ada")
    assert not refused.value.proven


def test_the_typed_name_can_be_the_subject(api: API, backend_on: Make) -> None:
    settings = account_settings(
        find_subject="username", find_username=None, find_found="/account/state = active", search_subject="username"
    )
    backend = backend_on(api.url + "/login", **{**settings, "subject": "username"})
    always(api, answer(200, account=ADA, accounts=[{**ADA, "login": "ADA"}]))
    assert backend.recipient("A\u0308DA").subject == "\u00e4da"
    assert [person.subject for person in backend.people_at("ada@example.com")] == ["ada"]


def test_a_name_that_the_request_cannot_contain_costs_a_request(api: API, backend: HTTPBackend) -> None:
    always(api, answer(404, error="no_such_account"))
    for name in ("\ud800", "a\0b", ".", ""):
        api.requests.clear()
        with pytest.raises(UnknownUser):
            backend.recipient(name)
        assert len(api.requests) == 1
    always(api, answer(200, account=ADA))
    with pytest.raises(BackendMisconfigured):
        backend.recipient("\ud800")


def test_a_taken_name_is_told_by_a_request_of_its_own(api: API, backend_on: Make) -> None:
    rules = {"taken_url": "/taken/{username}", "taken_yes": "/taken = true", "taken_no": "/taken = false"}
    backend = backend_on(api.url + "/login", **account_settings(**rules))
    for value, expected in ((True, True), (False, False)):
        always(api, answer(200, taken=value))
        assert backend.is_taken("a/b?c") is expected
        assert api.requests[-1].target == "/taken/a%2Fb%3Fc"
    always(api, answer(200, taken=[True, False]))
    assert backend.is_taken("ada")
    for strange in (None, "maybe", [False, "maybe"], {}):
        always(api, answer(200, taken=strange))
        with pytest.raises(BackendUnavailable):
            backend.is_taken("ada")
    assert backend.is_taken(" ")


def test_disabled_accounts_take_their_names(api: API, backend: HTTPBackend) -> None:
    always(api, answer(200, account={**ADA, "state": "blocked"}))
    assert backend.is_taken("ada")


@pytest.mark.parametrize("rule", PASSWORD_RULES)
def test_a_refused_password_has_the_declared_rule(api: API, backend_on: Make, rule: str) -> None:
    backend = backend_on(api.url + "/login", **account_settings(password_refused={rule: f"/error = {rule}"}))
    always(api, answer(400, error=rule))
    for name in ("reset_password", "register"):
        with pytest.raises(PasswordRefused) as refused:
            calls_of(backend)[name]()
        assert refused.value.rule == rule
        assert refused.value.minimum == (8 if rule == "too_short" else 0)


def test_a_short_password_or_one_that_cannot_be_sent_is_not_sent(api: API, backend: HTTPBackend) -> None:
    for password, rule in (("short", "too_short"), ("", "too_short"), ("long enough\ud800", "not_allowed")):
        with pytest.raises(PasswordRefused) as refused:
            backend.reset_password("7", password)
        assert refused.value.rule == rule
        with pytest.raises(PasswordRefused):
            backend.register("ada", password, {})
    assert api.requests == []


def test_a_new_account_that_cannot_sign_in_is_misconfigured(api: API, backend: HTTPBackend) -> None:
    api.handler = lambda request: answer(201) if request.path == "/accounts" else answer(404)
    with pytest.raises(BackendMisconfigured, match="UnknownUser"):
        backend.register("ada", PASSWORD, {"email": "ada@example.com"})


def test_a_field_of_the_profile_cannot_change_the_request(api: API, backend_on: Make) -> None:
    def register(request: ReceivedRequest) -> Reply:
        return answer(201) if request.path == "/accounts" else answer(200, result={"ok": True, **ADA})

    templates: dict[str, tuple[str, Callable[[ReceivedRequest], object]]] = {
        "json": (
            '{"n": {username}, "p": {password}, "f": [{phone}], "c": {town}}',
            lambda request: list(json.loads(request.body).values()),
        ),
        "form": (
            "n={username}&p={password}&f={phone}&c={town}",
            lambda request: [request.form["n"], request.form["p"], [request.form["f"]], request.form["c"]],
        ),
        "xml": (
            "<a n='{username}'><p>{password}</p><f>{phone}</f><c>{town}</c></a>",
            lambda request: [
                ElementTree.fromstring(request.body).attrib["n"],
                ElementTree.fromstring(request.body).findtext("p"),
                [ElementTree.fromstring(request.body).findtext("f")],
                ElementTree.fromstring(request.body).findtext("c") or "",
            ],
        ),
    }
    api.handler = register
    phone = "\"}&f=9</f><c>x&amp;{password}{username}'%41\\ü"
    for body, (template, read) in templates.items():
        settings = account_settings(account_body=body, register_body_template=template)
        if body != "json":
            settings |= {"search_url": "/accounts?mail={email}", "search_method": None, "search_body_template": None}
            settings |= {key: None for key in settings if key.startswith("reset_")}
        backend = backend_on(api.url + "/login", **settings)
        assert backend.profile_fields == {"phone", "town"}
        api.requests.clear()
        backend.register("ada", PASSWORD, {"phone": phone})
        assert read(api.requests[0]) == ["ada", PASSWORD, [phone], ""], body


def test_a_name_that_is_taken_is_not_registered(api: API, backend: HTTPBackend) -> None:
    always(api, answer(409, error="login_taken"))
    with pytest.raises(NameTaken):
        backend.register("ada", PASSWORD, {"email": "ada@example.com"})


def test_no_log_or_message_names_a_person(api: API, backend: HTTPBackend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    person = {"login": "ada-7f3", "mail": "ada-7f3@example.com", "state": "ada-7f3", "id": "ada-7f3"}
    texts = []
    for status in (200, 201, 204, 302, 400, 401, 500, 503):
        always(api, answer(status, account=person, error=PASSWORD, accounts=person))
        for call in (
            lambda: backend.recipient("ada-7f3"),
            lambda: backend.people_at("ada-7f3@example.com"),
            lambda: backend.reset_password("ada-7f3", PASSWORD),
            lambda: backend.register("ada-7f3", PASSWORD, {"email": "ada-7f3@example.com"}),
        ):
            try:
                call()
            except BackendUnavailable as error:
                texts.append(f"{error} {error!r} {error.__cause__!r}")
    assert len(texts) > 20
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("linkauth")]
    assert not [text for text in (*texts, *ours) if "ada-7f3" in text or PASSWORD in text]
