"""Whatever is sent to /token, /introspect and /revoke: JSON, an error of the RFCs, and never a crash."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webtest import TestApp

from tests.alexa import basic
from tests.protocol.flow import HOME, VERIFIER, Skill
from tests.web.raw_requests import FORM, Response, assert_safe, send

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
MANY = settings(derandomize=True, deadline=None, database=None, max_examples=300, suppress_health_check=CHECKS)
ERRORS = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
}
"""RFC 6749 section 5.2."""
RIGHT = basic("home", "the-home-clients-secret")["Authorization"]
DOORS = st.sampled_from(["/token", "/token/refresh", "/introspect", "/revoke"])
PIECES = [b"%00", b"%FF", b"&", b"=", b";", b"+", b"%", b"%zz", b"grant_type=refresh_token", b"token=", b"code="]
RAW = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=20).map(b"".join),
)
NAMES = st.sampled_from(
    [
        *("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id"),
        *("client_secret", "token", "token_type_hint", "Token", "token[]", "state", ""),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *("authorization_code", "refresh_token", "password", "home", "app", "alexa", "the-home-clients-secret"),
            *("x", "", HOME, VERIFIER, "order_car", "order_car  email", "access_token", "\0", "\ud7ff"),
        ]
    ),
    st.text(st.characters(codec="utf-8"), max_size=50),
)
HEADERS = st.one_of(
    st.just(RIGHT),
    st.none(),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60).map(lambda text: "Basic " + text),
    st.tuples(VALUES, VALUES).map(lambda pair: basic(*pair)["Authorization"]),
)
TYPES = st.one_of(
    st.just(FORM["Content-Type"]),
    st.sampled_from(["application/json", "multipart/form-data; boundary=x", "x;charset=utf-16", ""]),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40),
)


def judge(answer: Response, door: str) -> None:
    """What holds of every answer."""
    assert_safe(answer)
    assert answer.status in (200, 400, 401, 415), answer.text
    assert (answer.get("Content-Type") or "").split(";")[0] == "application/json"
    assert answer.get("Cache-Control") == "no-store"
    if answer.status == 200:
        if door == "/revoke":
            assert answer.body == b""
        elif door == "/introspect":
            assert answer.json == {"active": False}
        else:
            assert set(answer.json) >= {"access_token", "token_type"}
        return
    assert set(answer.json) == {"error", "error_description"}
    assert answer.json["error"] in ERRORS
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", answer.json["error_description"])
    assert (answer.status == 401) == (answer.json["error"] == "invalid_client")
    assert (answer.get("WWW-Authenticate") is not None) == (answer.status == 401)


def ask(app: TestApp, door: str, body: bytes, authorization: str | None, **headers: str) -> Response:
    given_headers = {} if authorization is None else {"Authorization": authorization}
    return send(app, "POST", door, b"", body, {**FORM, **headers, **given_headers})


@MANY
@given(door=DOORS, body=RAW, authorization=HEADERS)
def test_any_bytes_as_the_body(app: TestApp, door: str, body: bytes, authorization: str | None) -> None:
    judge(ask(app, door, body, authorization), door)


@MANY
@given(door=DOORS, pairs=st.lists(st.tuples(NAMES, VALUES), max_size=8), authorization=HEADERS)
def test_any_form(app: TestApp, door: str, pairs: list[tuple[str, str]], authorization: str | None) -> None:
    judge(ask(app, door, urlencode(pairs).encode("ascii"), authorization), door)


@MANY
@given(door=DOORS, content_type=TYPES, body=RAW)
def test_any_content_type(app: TestApp, door: str, content_type: str, body: bytes) -> None:
    judge(ask(app, door, body, RIGHT, **{"Content-Type": content_type}), door)


@MANY
@given(door=DOORS, raw=RAW)
def test_any_query(app: TestApp, door: str, raw: bytes) -> None:
    judge(send(app, "POST", door, raw, b"token=x", {**FORM, "Authorization": RIGHT}), door)


CHANGES = st.lists(st.tuples(st.sampled_from(["drop", "twice", "set"]), NAMES, VALUES), min_size=1, max_size=3)


@settings(MANY, max_examples=150)
@given(changes=CHANGES)
def test_a_good_redemption_changed_at_random(app: TestApp, changes: list[tuple[str, str, str]]) -> None:
    """Only what changes nothing that counts may still succeed."""
    code = Skill(app).code()
    good = {"grant_type": "authorization_code", "code": code, "redirect_uri": HOME}
    pairs = list(good.items())
    for what, name, value in changes:
        if what == "twice":
            pairs += [pair for pair in pairs if pair[0] == name][:1]
        else:
            pairs = [pair for pair in pairs if pair[0] != name] + ([(name, value)] if what == "set" else [])
    answer = ask(app, "/token", urlencode(pairs).encode("utf-8"), RIGHT)
    judge(answer, "/token")
    if answer.status == 200:
        # RFC 6749 section 3.2: a parameter without a value is as if it were not there
        sent = [(name, value) for name, value in pairs if value]
        assert len(dict(sent)) == len(sent)
        assert {name: value for name, value in sent if name in good} == good
        assert dict(sent).get("client_id", "home") == "home"
        assert "client_secret" not in dict(sent)
