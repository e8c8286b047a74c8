"""What each answer means: every status, every kind of rule, over real HTTP."""

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
from .protocols import HTML, JSON, envelope, jwt

Make = Callable[..., HTTPBackend]
GOOD = json.dumps({"ok": True, "id": "7"})


def outcome(backend: HTTPBackend, username: str = "ada", password: str = "secret") -> Any:
    """The subject; or the exception's class, for a refused account its reason."""
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
def test_a_status_without_a_rule(api: API, backend_on: Make, status: int, expected: Any) -> None:
    api.answers = lambda asked: Reply(status, json.dumps({"ok": False}), (*JSON, ("Location", "/elsewhere")))
    assert outcome(backend_on(api.url)) == expected


@pytest.mark.parametrize("status", [*range(400, 431), 500, 502, 503, 504])
def test_a_marker_on_a_status_of_errors_is_no_success(api: API, backend_on: Make, status: int) -> None:
    api.answers = lambda asked: Reply(status, GOOD, JSON)
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
def test_a_success_that_is_none_lets_nobody_in(api: API, backend_on: Make, body: Any) -> None:
    api.answers = lambda asked: Reply(200, body, JSON)
    assert outcome(backend_on(api.url)) is BackendUnavailable


RULES = [
    # (rule of success, answer, does it hold)
    ("/ok = true", Reply(200, GOOD), True),
    ("/ok = True", Reply(200, GOOD), False),
    ("/ok", Reply(200, GOOD), True),
    ("/ok", Reply(200, '{"ok": false, "id": 7}'), False),
    ("/ok = *", Reply(200, '{"id": 7}'), False),
    ("/error = null and /ok", Reply(200, '{"id": 7, "ok": 1, "error": null}'), True),
    ("/error = null and /ok", Reply(200, '{"id": 7, "ok": 1}'), False),
    ("/code = 0 and /ok", Reply(200, '{"id": 7, "ok": 1, "code": 0}'), True),
    ("/a~1b/0/c~0d = x*z", Reply(200, '{"id": 7, "a/b": [{"c~d": "xyz"}]}'), True),
    ("/a/1", Reply(200, '{"id": 7, "a": ["x"]}'), False),
    ("/a/01", Reply(200, '{"id": 7, "a": ["x", "y"]}'), False),
    ("/roles = staff", Reply(200, '{"id": 7, "roles": ["guest", "staff"]}'), True),
    ("/roles = staff", Reply(200, '{"id": 7, "roles": ["guests", "staff2"]}'), False),
    ("status:200 201 and /ok", Reply(201, GOOD), True),
    ("status:200 201 and /ok", Reply(202, GOOD), False),
    ("status:409 and /ok", Reply(409, GOOD), True),
    ("/ok and not /error", Reply(200, GOOD), True),
    ("/ok and not /error", Reply(200, '{"ok": true, "id": 7, "error": "x"}'), False),
    ("/no\n\n  /ok = true", Reply(200, GOOD), True),
    ("header:X-Result = o*", Reply(200, GOOD, (("x-result", "ok"),)), True),
    ("header:X-Result = ok", Reply(200, GOOD, (("X-Result", "nok"),)), False),
    ("header:X-Result", Reply(200, GOOD), False),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", "a=1"), ("Set-Cookie", "sid=x; Path=/"))), True),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", "sid=; Path=/"),)), False),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", 'sid=""; expires=Thu, 01 Jan 1970 00:00:00 GMT'),)), False),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", "sid=x; Max-Age=0"),)), False),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", "asid=x"),)), False),
    ("location:/home*", Reply(302, GOOD, (("Location", "/home?x=1"),)), True),
    ("location:/home*", Reply(302, GOOD, (("Location", "/login?next=/home"),)), False),
    ("location:/home*", Reply(302, GOOD, (("Location", "https://evil.example/home"),)), False),
    ("location:*/home", Reply(302, GOOD, (("Location", "https://app.example/home"),)), True),
    (r"regex:(?i)WELCOME, \w+ and friends", Reply(200, 'Welcome, ada and friends {"id"'), True),
    (r"regex:user = (\d+)", Reply(200, "user = 7"), True),
    (r"regex:^Welcome", Reply(200, "You are not Welcome"), False),
    ("cookie:sid and not form:", Reply(200, "<p>hello", (*HTML, ("Set-Cookie", "sid=1"))), True),
    ("cookie:sid and not form:", Reply(200, "<input type=PASSWORD name=p>", (("Set-Cookie", "sid=1"),)), False),
    ("jwt:/t /sub", Reply(200, json.dumps({"id": 7, "t": jwt({"sub": "x"})})), True),
    ("jwt:/t /sub = y", Reply(200, json.dumps({"id": 7, "t": jwt({"sub": "x"})})), False),
    ("jwt:/t /sub", Reply(200, json.dumps({"id": 7, "t": "a.b.c"})), False),
    ("jwt:/t /sub", Reply(200, json.dumps({"id": 7, "t": 7})), False),
]


@pytest.mark.parametrize(("rule", "reply", "holds"), RULES)
def test_rules(api: API, backend_on: Make, rule: str, reply: Reply, holds: bool) -> None:
    api.answers = lambda asked: reply
    backend = backend_on(api.url, success=rule, subject="username", statuses=())
    assert outcome(backend) == ("ada" if holds else BackendUnavailable)
    # the same of a refusal
    backend = backend_on(api.url, success="/never", locked=rule, subject="username", statuses=())
    assert outcome(backend) == ("locked" if holds else BackendUnavailable)


def test_a_redirect_to_our_own_origin_is_a_path(api: API, backend_on: Make) -> None:
    api.answers = lambda asked: Reply(302, "", (("Location", f"{api.url}/home"),))
    assert outcome(backend_on(api.url, success="location:/home", subject="username")) == "ada"
    assert len(api.seen) == 1


XML = envelope('<r:login xmlns:r="urn:r" id="7" empty=""><r:state>OK</r:state><r:mail/></r:login>')


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("xpath:.//{urn:r}state = OK", True),
        ("xpath:.//{*}state = O*", True),
        ("xpath:{*}Envelope/{*}Body/{*}login/{*}state", True),
        ("xpath:.//{*}login[@id='7']/{*}state = OK", True),
        ("xpath:.//{*}login/@id = 7", True),
        ("xpath:.//{*}login/@empty", False),
        ("xpath:.//{*}login/@other = *", False),
        ("xpath:.//{*}mail", False),
        ("xpath:.//state", False),
        ("xpath:.//{*}state = ok", False),
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "iso-8859-1"])
def test_xpath(api: API, backend_on: Make, rule: str, holds: bool, charset: str) -> None:
    text = XML.replace('version="1.0"', f'version="1.0" encoding="{charset}"')
    api.answers = lambda asked: Reply(200, text.encode(charset), (("Content-Type", "text/xml"),))
    assert outcome(backend_on(api.url, success=rule, subject="username")) == ("ada" if holds else BackendUnavailable)


HOSTILE_XML = {
    "billion laughs": '<!DOCTYPE x [<!ENTITY a "ok"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><ok id="7">&b;</ok>',
    "external entity": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><ok id="7">&a;</ok>',
    "external DTD": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><ok id="7">ok</ok>',
    "undeclared entity": '<ok id="7">&a;</ok>',
    "cut off": '<ok id="7">ok',
    "two roots": '<ok id="7">ok</ok><ok id="7">ok</ok>',
    "not XML": "ok",
}


@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
@pytest.mark.parametrize("kind", HOSTILE_XML)
def test_hostile_xml_says_nothing(api: API, backend_on: Make, kind: str, charset: str) -> None:
    text = f'<?xml version="1.0" encoding="{charset}"?>' + HOSTILE_XML[kind]
    api.answers = lambda asked: Reply(200, text.encode(charset), (("Content-Type", "text/xml"),))
    backend = backend_on(api.url, success="xpath:ok", subject="xpath:ok/@id")
    assert outcome(backend) is BackendUnavailable
    api.answers = lambda asked: Reply(200, '<ok id="7">ok</ok>')
    assert outcome(backend) == "7"


def test_what_is_against_a_person_comes_before_success(api: API, backend_on: Make) -> None:
    api.answers = lambda asked: Reply(200, json.dumps({"ok": True, "id": 7, "state": asked.headers["X-Name"]}))
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
def test_only_what_the_ini_says_is_proven(api: API, backend_on: Make, reveal: str) -> None:
    api.answers = lambda asked: Reply(int(asked.headers["X-Name"]))
    url = "https://example.com/new"
    settings = {"proven": ("must_change",), "reveal_state": reveal, "password_change_url": url}
    backend = backend_on(api.url, header={"X-Name": "{username}"}, **settings)
    told = {}
    for status in ("423", "428"):
        with pytest.raises(AccountRefused) as refused:
            backend.authenticate(status, "x")
        told[status] = (refused.value.proven, refused.value.revealed, refused.value.change_url)
    assert told == {
        "423": (False, reveal == "always", ""),
        "428": (True, reveal != "never", url),
    }


def test_who_it_is(api: API, backend_on: Make) -> None:
    person = {"ok": True, "id": 7, "n": "Ada", "m": "a@example.com", "g": ["x", 3, True, None, {"y": 1}]}
    more = {"dept": "R&D", "age": 36, "tags": ["a", "b"], "none": None}
    api.answers = lambda asked: Reply(200, json.dumps(person | more), (("X-Login", "Ada.L"),))
    claims = {"dept": "/dept", "age": "/age", "tags": "/tags", "none": "/none", "missing": "/missing"}
    named = {"username": "header:X-Login", "name": "/n", "email": "/m", "groups": "/g", "claims": claims}
    identity = backend_on(api.url, **named).authenticate("ADA", "x")
    assert (identity.subject, identity.username, identity.name) == ("7", "Ada.L", "Ada")
    assert (identity.email, identity.groups) == ("a@example.com", ("x", "3"))
    assert identity.claims == {"dept": "R&D", "age": 36, "tags": ["a", "b"]}


def test_a_subject_from_a_text(api: API, backend_on: Make) -> None:
    api.answers = lambda asked: Reply(200, "Welcome, <b>Ada</b> (no. 4711)")
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
def test_the_typed_name_as_the_subject(api: API, backend_on: Make, case: str, typed: str, subject: str) -> None:
    api.answers = lambda asked: Reply(200, '{"ok": true}')
    backend = backend_on(api.url, subject="username", username_case=case)
    identity = backend.authenticate(typed, "x")
    assert (identity.subject, identity.username) == (subject, subject)
    (warning,) = [check for check in backend.check() if check.warning and check.name == "subject"]
    assert "typed" in warning.detail
