"""Tests of the outcome of each status, and of the identity."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendError,
    BackendMisconfigured,
    BackendUnavailable,
    UnknownUser,
    WrongPassword,
    watched,
)
from linkauth_http import HTTPBackend

from .api import API, Reply
from .protocols import JSON

Make = Callable[..., HTTPBackend]
GOOD = json.dumps({"ok": True, "id": "7"})


def outcome(backend: HTTPBackend, username: str = "ada", password: str = "secret") -> Any:
    """Returns the subject, the class of the exception, or the reason of an AccountRefused."""
    try:
        return backend.authenticate(username, password).subject
    except AccountRefused as refused:
        return refused.reason
    except BackendError as error:
        return type(error)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, WrongPassword),
        (403, "disabled"),
        (404, UnknownUser),
        (412, "account_expired"),
        (423, "locked"),
        (428, "must_change_password"),
        *((status, BackendUnavailable) for status in (204, 301, 302, 307, 400, 402, 405, 410, 418, 422, 429, 451)),
        *((status, BackendUnavailable) for status in (500, 501, 502, 503, 504, 507, 599, 200, 201, 299)),
    ],
)
def test_status_without_a_rule(api: API, backend_on: Make, status: int, expected: Any) -> None:
    api.handler = lambda request: Reply(status, json.dumps({"ok": False}), (*JSON, ("Location", "/elsewhere")))
    assert outcome(backend_on(api.url)) == expected


@pytest.mark.parametrize("status", [*range(400, 431), 500, 502, 503, 504])
def test_marker_with_error_status_is_not_a_success(api: API, backend_on: Make, status: int) -> None:
    api.handler = lambda request: Reply(status, GOOD, JSON)
    assert outcome(backend_on(api.url)) != "7"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<!DOCTYPE html><title>Maintenance</title><p>ok = true",
        "{",
        "null",
        "[true]",
        '"ok"',
        '{"ok": "yes", "id": 7}',
        '{"ok": true}',
        '{"ok": true, "id": null}',
        '{"ok": true, "id": ""}',
        '{"ok": true, "id": "  "}',
        '{"ok": true, "id": "\\u00a0\\u2003"}',
        '{"ok": true, "id": 0}',
        '{"ok": true, "id": true}',
        '{"ok": true, "id": 7.5}',
        '{"ok": true, "id": {"a": 1}}',
        '{"ok": true, "id": ["7", "8"]}',
        '{"ok": true, "id": "a\\u0000b"}',
        '{"ok": true, "id": "\\ud800"}',
        '{"ok": true, "id": "' + "x" * 256 + '"}',
        '{"ok": false, "id": 7, "ok": true}',
        '{"ok": true, "id": 7, "x": NaN}',
        '{"ok": true, "id": ' + "9" * 5000 + "}",
        "[" * 60_000,
        b"\xff\xfe\x00",
        b'{"ok": true, "id": "\xff"}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_response_without_marker_is_not_a_success(api: API, backend_on: Make, body: Any) -> None:
    api.handler = lambda request: Reply(200, body, JSON)
    assert outcome(backend_on(api.url)) is BackendUnavailable


def test_refusals_take_precedence_over_success(api: API, backend_on: Make) -> None:
    api.handler = lambda request: Reply(200, json.dumps({"ok": True, "id": 7, "state": request.headers["X-Name"]}))
    states = ("locked", "disabled", "account_expired", "password_expired", "must_change")
    names = (*states, "logon_restricted", "not_entitled", "wrong_password")
    rules = {name: f"/state = {name}" for name in (*names, "unknown_user", "misconfigured")}
    backend = backend_on(api.url, header={"X-Name": "{username}"}, **rules)
    assert outcome(backend, "nothing") == "7"
    expected = {
        **{name: name for name in names},
        "must_change": "must_change_password",
        "wrong_password": WrongPassword,
        "unknown_user": UnknownUser,
        "misconfigured": BackendMisconfigured,
    }
    assert {name: outcome(backend, name) for name in expected} == expected


@pytest.mark.parametrize("reveal", ["never", "proven", "always"])
def test_only_configured_outcomes_are_proven(api: API, backend_on: Make, reveal: str) -> None:
    api.handler = lambda request: Reply(int(request.headers["X-Name"]))
    url = "https://example.com/new"
    settings = {"proven": ("must_change",), "reveal_state": reveal, "password_change_url": url}
    backend = backend_on(api.url, header={"X-Name": "{username}"}, **settings)
    refusals = {}
    for status in ("423", "428"):
        with pytest.raises(AccountRefused) as refused:
            backend.authenticate(status, "x")
        refusals[status] = (refused.value.proven, refused.value.revealed, refused.value.change_url)
    assert refusals == {
        "423": (False, reveal == "always", ""),
        "428": (True, reveal != "never", url),
    }


def test_second_factor_is_not_told_as_an_outage(api: API, backend_on: Make) -> None:
    synology = json.dumps({"success": False, "error": {"code": 403}})
    api.handler = lambda request: Reply(200, synology, JSON)
    for proven in ((), ("logon_restricted",)):
        rules = {"logon_restricted": "/error/code = 403", "not_entitled": "/error/code = 105", "proven": proven}
        with pytest.raises(AccountRefused) as refused:
            backend_on(api.url, success="/success = true", subject="/data/did", **rules).authenticate("ada", "x")
        assert (refused.value.reason, refused.value.proven) == ("logon_restricted", bool(proven))
        assert refused.value.revealed is bool(proven)
    assert outcome(backend_on(api.url, statuses=("403:not_entitled",))) is BackendUnavailable
    api.handler = lambda request: Reply(403)
    assert outcome(backend_on(api.url, statuses=("403:not_entitled",))) == "not_entitled"


def test_doctor_says_that_people_do_not_read_of_a_second_factor(api: API, backend_on: Make) -> None:
    for changes, is_warned in (
        ({"second_factor": "/state = mfa"}, True),
        ({"second_factor": "/state = mfa", "proven": ("second_factor",)}, False),
        ({"second_factor": "/state = mfa", "reveal_state": "always"}, False),
        ({}, False),
    ):
        checks = [check for check in backend_on(api.url, **changes).check() if check.name == "proven"]
        assert [check.warning for check in checks] == [True] * is_warned


def test_log_names_the_target_of_a_redirect_without_its_query(api: API, backend_on: Make) -> None:
    """The redirect is not followed with the password."""
    elsewhere = API()
    password = "P\xe4ss/w0rt"
    try:
        for location, shown in (
            (f"{elsewhere.url}/login?user=ada&password=secret#x", f"'{elsewhere.url}/login'"),
            ("/v2/login;jsessionid=4711?next=1", f"'{api.url}/v2/login'"),
            ("https://user:pw@login.example.com:8443/a", "'https://login.example.com:8443/a'"),
            ("/P%C3%84SS%2fw0rt/next", f"'{api.url}/...'"),
            ("/P%25C3%2584SS%252fw0rt/next", f"'{api.url}/...'"),
            ("/sso/3f2a9c71-b6d84e05f1/home", f"'{api.url}/sso/.../home'"),
            ("/v1/tickets/TGT-11-Kd8cM1QWe5-cas01", f"'{api.url}/v1/tickets/...'"),
            ("/account/second-factor-required/2", f"'{api.url}/account/second-factor-required/2'"),
            ("https://[", None),
            ("/" + "a" * 9000, None),
        ):
            api.handler = lambda request, location=location: Reply(307, "", (("Location", location),))  # type: ignore[misc]
            with pytest.raises(BackendUnavailable) as failed:
                backend_on(api.url).authenticate("ada", password)
            message = str(failed.value)
            assert f", a redirect to {shown}; add a condition" in message if shown else "redirect to" not in message, (
                message
            )
        assert elsewhere.requests == []
    finally:
        elsewhere.stop()


def test_log_names_the_code_of_an_error(api: API, backend_on: Make) -> None:
    api.handler = lambda request: Reply(400, json.dumps({"code": ["E17", "s3cret"], "bad": "client"}), JSON)
    settings = {"error_code": "/code", "body_template": '{"a": {username}, "b": {password_md5}}'}
    with pytest.raises(BackendUnavailable, match=r", /code = 'E17'; its JSON has 'code', 'bad'; add a condition"):
        backend_on(api.url, **settings).authenticate("ada", "s3cret")
    with pytest.raises(BackendMisconfigured, match=r", /code = 'E17'$"):
        backend_on(api.url, misconfigured="/bad = client", **settings).authenticate("ada", "s3cret")
    # a part of the digest of the password is as secret as the password
    api.handler = lambda request: Reply(400, json.dumps({"code": ["33e1b232a4e6fa0028a6"[:12]]}), JSON)
    with pytest.raises(BackendUnavailable, match=r"json'; its JSON has 'code'; add"):
        backend_on(api.url, **settings).authenticate("ada", "s3cret")


def reports(backend: HTTPBackend, username: str, password: str) -> list[tuple[str, str]]:
    """Signs in and returns what the backend reports, as (what, seen) pairs."""
    found: list[tuple[str, str]] = []
    with watched(lambda what, seen: found.append((what, seen))), suppress(BackendError):
        backend.authenticate(username, password)
    return found


def test_the_response_and_each_rule_up_to_the_one_that_decides_are_reported(api: API, backend_on: Make) -> None:
    rules = {"wrong_password": "/code = E17\n/echo = E99", "locked": "status:403 and /state = locked"}
    backend = backend_on(f"{api.url}?key=k3y", **rules)

    def answer(status: int, **members: object) -> None:
        api.handler = lambda request: Reply(status, json.dumps({"ok": False, **members}), JSON)

    answer(200, code="E17", echo="s3cret word")
    found = reports(backend, "ada", "s3cret word")
    assert found[0] == ("request", f"POST {api.url}")
    assert found[1][0] == "response"
    assert found[1][1].startswith("status 200, ")
    assert found[2:] == [
        ("rule locked", "status:403 and /state = locked: does not match, /state is missing"),
        ("rule wrong_password", "/code = E17: matches, /code = 'E17'"),
        ("outcome of the rules", "wrong_password"),
    ]
    answer(200, ok=True, id=7, echo="s3cret word")
    shown = reports(backend, "ada", "s3cret word")[3:]
    assert shown == [
        ("rule wrong_password", "/code = E17: does not match, /code is missing"),
        # the value is not shown, because it contains the password
        ("rule wrong_password", "/echo = E99: does not match, /echo is there"),
        ("rule success", "/ok = true: matches, /ok = 'true'"),
        ("outcome of the rules", "success"),
    ]
    unclear = backend_on(api.url, disabled="/off = true")
    answer(200, ok=True, id=7, off="vielleicht")
    assert reports(unclear, "ada", "s3cret word")[-3:] == [
        ("rule success", "/ok = true: matches, /ok = 'true'"),
        ("rule disabled", "may match too, because it reads a value that is not understood"),
        ("outcome of the rules", "disabled"),
    ]
    answer(401)
    assert reports(backend, "ada", "s3cret word")[-2:] == [
        ("statuses", "401:wrong_password"),
        ("outcome of the rules", "wrong_password"),
    ]
    api.handler = lambda request: Reply(302, "", (("Location", "/second?s3cret%20word"),))
    found = reports(backend, "ada", "s3cret word")
    assert ("Location", f"'{api.url}/second'".replace("/login", "")) in found
    assert found[-1] == ("outcome of the rules", "none, so the response counts as an outage")


def test_identity(api: API, backend_on: Make) -> None:
    person = {"ok": True, "id": 7, "n": "Ada", "m": "a@example.com", "g": ["x", 3, True, None, {"y": 1}]}
    more = {"dept": "R&D", "age": 36, "tags": ["a", "b"], "none": None}
    api.handler = lambda request: Reply(200, json.dumps(person | more), (("X-Login", "Ada.L"),))
    claims = {"dept": "/dept", "age": "/age", "tags": "/tags", "none": "/none", "missing": "/missing"}
    named = {"username": "header:X-Login", "name": "/n", "email": "/m", "groups": "/g", "claims": claims}
    identity = backend_on(api.url, **named).authenticate("ADA", "x")
    assert (identity.subject, identity.username, identity.name) == ("7", "Ada.L", "Ada")
    assert (identity.email, identity.groups) == ("a@example.com", ("x", "3"))
    assert identity.claims == {"dept": "R&D", "age": 36, "tags": ["a", "b"]}


def test_subject_from_text(api: API, backend_on: Make) -> None:
    api.handler = lambda request: Reply(200, "Welcome, <b>Ada</b> (no. 4711)")
    backend = backend_on(api.url, success="regex:Welcome", subject=r"regex:no\. (\d+)", name="regex:<b>(.*?)</b>")
    assert backend.authenticate("ada", "x").name == "Ada"
    assert outcome(backend) == "4711"


@pytest.mark.parametrize(
    ("case", "typed", "subject"),
    [
        ("insensitive", "Ada", "ada"),
        ("insensitive", "MU\u0308LLER", "m\u00fcller"),
        ("insensitive", "Straße", "straße"),
        ("insensitive", "STRASSE", "strasse"),
        ("sensitive", "Ada", "Ada"),
        ("sensitive", "Mu\u0308ller", "M\u00fcller"),
    ],
)
def test_typed_name_as_subject(api: API, backend_on: Make, case: str, typed: str, subject: str) -> None:
    api.handler = lambda request: Reply(200, '{"ok": true}')
    backend = backend_on(api.url, subject="username", username_case=case)
    identity = backend.authenticate(typed, "x")
    assert (identity.subject, identity.username) == (subject, subject)
    (warning,) = [check for check in backend.check() if check.warning and check.name == "subject"]
    assert "typed" in warning.detail


def test_a_response_without_a_rule_names_its_keys_and_the_settings(api: API, backend_on: Make) -> None:
    body = {"state": "pending", "user": {"name": "ada"}, "ada": 1, "my-secret": 2}
    api.handler = lambda request: Reply(200, json.dumps(body), JSON)
    with pytest.raises(BackendUnavailable) as raised:
        backend_on(api.url).authenticate("ada", "secret")
    # names that contain the typed name or password are left out
    assert "; its JSON has 'state', 'user'; add a condition for it to success, to wrong_password" in str(raised.value)
