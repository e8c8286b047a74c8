"""Tests of the outcome of each status, and of the identity."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from linkauth.backends import (
    AccountRefused,
    BackendError,
    BackendMisconfigured,
    BackendUnavailable,
    UnknownUser,
    WrongPassword,
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
    names = ("locked", "disabled", "account_expired", "password_expired", "must_change", "wrong_password")
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
