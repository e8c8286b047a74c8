"""Tests of every kind of condition."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from linkauth.backends import BackendUnavailable, WrongPassword
from linkauth_http import HTTPBackend

from .api import API, Reply
from .protocols import HTML, JSON, envelope, jwt
from .test_outcomes import GOOD, outcome

Make = Callable[..., HTTPBackend]
OLD = "Thu, 01-Jan-1970 00:00:01 GMT"
RULES = [
    # (rule of success, response, whether it matches)
    ("/ok = true", Reply(200, GOOD), True),
    ("/ok = True", Reply(200, GOOD), False),
    ("/ok", Reply(200, GOOD), True),
    ("/ok", Reply(200, '{"ok": false, "id": 7}'), False),
    ("/id = 7 and /ok = *", Reply(200, '{"id": 7}'), False),
    ("/id = 7 and /ok = *", Reply(200, '{"id": 7, "ok": false}'), True),
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
    ("/ok = true and not status:403", Reply(200, GOOD), True),
    ("/ok = true and not status:403", Reply(500, GOOD), False),
    ("/ok = false", Reply(200, '{"id": 7, "ok": "false"}'), True),
    ("header:X-OK", Reply(200, GOOD, (("X-OK", " False "),)), False),
    ("/ok and not /error", Reply(200, '{"ok": true, "id": 7, "error": "0"}'), True),
    ("header:X-A and not /error", Reply(200, GOOD, (("X-A", "1"),)), True),
    ("header:X-A and not /error", Reply(200, "null", (("X-A", "1"),)), True),
    ("header:X-A and not /error", Reply(200, "<h1>Maintenance", (("X-A", "1"),)), False),
    ("header:X-A and not /error", Reply(200, '{"error": 1, "ok": 1, "ok": 1}', (("X-A", "1"),)), False),
    ("header:X-A and not /error = x", Reply(200, "", (("X-A", "1"),)), False),
    ("header:X-A and not xpath:.//error", Reply(200, "<r/>", (("X-A", "1"),)), True),
    ("header:X-A and not xpath:.//error", Reply(200, "<r><error>x", (("X-A", "1"),)), False),
    ("/ok and not jwt:/t /blocked", Reply(200, json.dumps({"ok": 1, "t": jwt({"sub": "x"})})), True),
    ("/ok and not jwt:/t /blocked", Reply(200, json.dumps({"ok": 1, "t": "a.b.c"})), False),
    ("/ok and not jwt:/t /blocked", Reply(200, json.dumps({"ok": 1})), False),
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
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", f"sid=deleted; expires={OLD}; path=/"),)), False),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", "sid=x; Expires=Thu, 01-Jan-70 00:00:01 GMT"),)), False),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", "sid=x; Expires=Fri, 01 Jan 2100 00:00:00 GMT"),)), True),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", f"sid=x; Max-Age=60; Expires={OLD}"),)), True),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", f"sid=x; Max-Age=soon; Expires={OLD}"),)), False),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", "sid=x; Expires=0; HttpOnly"),)), True),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", "sid=x; Expires=Thu, 99 Foo 99999 99:99:99 GMT"),)), True),
    ("cookie:sid", Reply(200, GOOD, (("Set-Cookie", f"sid=x; Expires={OLD}"), ("Set-Cookie", "sid=y"))), True),
    ("location:/home*", Reply(302, GOOD, (("Location", "/home?x=1"),)), True),
    ("location:/home*", Reply(302, GOOD, (("Location", "/login?next=/home"),)), False),
    ("location:/home*", Reply(302, GOOD, (("Location", "https://evil.example/home"),)), False),
    ("location:/home*", Reply(302, GOOD, (("Location", "home?x=1"),)), True),
    ("location:/home*", Reply(302, GOOD, (("Location", "./a/../home"),)), True),
    ("location:/home*", Reply(302, GOOD, (("Location", "//evil.example/home"),)), False),
    ("location:/home*", Reply(302, GOOD, (("Location", "http://[/home"),)), False),
    ("location:*/", Reply(200, GOOD), False),
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
    api.handler = lambda request: reply
    backend = backend_on(api.url, success=rule, subject="username", statuses=())
    assert outcome(backend) == ("ada" if holds else BackendUnavailable)
    # the same rule for a refusal
    backend = backend_on(api.url, success="/never", locked=rule, subject="username", statuses=())
    assert outcome(backend) == ("locked" if holds else BackendUnavailable)


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        ("/ok", '{"ok": [true, false]}'),
        ("/ok = true", '{"ok": [false, true]}'),
        ("/ok = true", '{"ok": [null, true]}'),
        ("/ok = true", '{"ok": ["true", "no"]}'),
        ("/error = null and /ok", '{"ok": 1, "error": [null, "bad password"]}'),
        ("jwt:/t /ok = true", json.dumps({"t": jwt({"ok": [True, False]})})),
        ("xpath:.//ok = true", "<r><ok>true</ok><ok>false</ok></r>"),
    ],
)
def test_contradicting_values_are_not_a_success(api: API, backend_on: Make, rule: str, body: str) -> None:
    api.handler = lambda request: Reply(200, body)
    assert outcome(backend_on(api.url, success=rule, subject="username")) is BackendUnavailable
    # one of the values is sufficient for a refusal
    assert outcome(backend_on(api.url, locked=rule, success="/never", subject="username")) == "locked"


@pytest.mark.parametrize("text", ["false", "False", " 0 ", "0", "null", "no", "NO", ""])
def test_text_that_means_no_is_not_a_success(api: API, backend_on: Make, text: str) -> None:
    api.handler = lambda request: Reply(200, json.dumps({"ok": text}), JSON)
    assert outcome(backend_on(api.url, success="/ok", subject="username")) is BackendUnavailable
    api.handler = lambda request: Reply(200, f"<r><ok>{text}</ok></r>")
    assert outcome(backend_on(api.url, success="xpath:.//ok", subject="username")) is BackendUnavailable
    # but a comparison may expect it, and it may be a subject
    if text.strip():
        assert outcome(backend_on(api.url, success=f"xpath:ok = {text}", subject="xpath:ok")) is BackendUnavailable
        assert outcome(backend_on(api.url, success=f"xpath:r/ok = {text}", subject="xpath:r/ok")) == text.strip()


@pytest.mark.parametrize("rule", ["not status:200", "not /ok", "not /ok = true"])
def test_server_error_is_an_outage(api: API, backend_on: Make, rule: str) -> None:
    backend = backend_on(api.url, wrong_password=rule, statuses=())
    for status in (500, 501, 507):
        api.handler = lambda request, status=status: Reply(status, "{}")  # type: ignore[misc]
        assert outcome(backend) is BackendUnavailable
    api.handler = lambda request: Reply(400, "{}")
    assert outcome(backend) is WrongPassword


def test_redirect_to_the_same_origin_matches_a_path(api: API, backend_on: Make) -> None:
    api.handler = lambda request: Reply(302, "", (("Location", f"{api.url}/home"),))
    assert outcome(backend_on(api.url, success="location:/home", subject="username")) == "ada"
    assert len(api.requests) == 1
    # without a scheme, and relative to a folder
    api.handler = lambda request: Reply(302, "", (("Location", f"{api.url.removeprefix('http:')}/home"),))
    assert outcome(backend_on(api.url, success="location:/home", subject="username")) == "ada"
    api.handler = lambda request: Reply(302, "", (("Location", "home"),))
    backend = backend_on(f"{api.url}/app/login", success="location:/app/home", subject="username")
    assert outcome(backend) == "ada"


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
        ("xpath:.//{*}login/@other = x*", False),
        ("xpath:.//{*}mail", False),
        ("xpath:.//state", False),
        ("xpath:.//{*}state = ok", False),
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "iso-8859-1"])
def test_xpath(api: API, backend_on: Make, rule: str, holds: bool, charset: str) -> None:
    text = XML.replace('version="1.0"', f'version="1.0" encoding="{charset}"')
    api.handler = lambda request: Reply(200, text.encode(charset), (("Content-Type", "text/xml"),))
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
def test_hostile_xml_matches_nothing(api: API, backend_on: Make, kind: str, charset: str) -> None:
    text = f'<?xml version="1.0" encoding="{charset}"?>' + HOSTILE_XML[kind]
    api.handler = lambda request: Reply(200, text.encode(charset), (("Content-Type", "text/xml"),))
    backend = backend_on(api.url, success="xpath:ok", subject="xpath:ok/@id")
    assert outcome(backend) is BackendUnavailable
    api.handler = lambda request: Reply(200, '<ok id="7">ok</ok>')
    assert outcome(backend) == "7"
