"""Property tests of /token, /introspect and /revoke: any input gives JSON with a standard error, and never a crash."""

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
MANY_EXAMPLES = settings(derandomize=True, deadline=None, database=None, max_examples=300, suppress_health_check=CHECKS)
ERRORS = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
}
"""The error codes of RFC 6749 section 5.2."""
VALID_AUTHORIZATION = basic("home", "the-home-clients-secret")["Authorization"]
ENDPOINTS = st.sampled_from(["/token", "/token/refresh", "/introspect", "/revoke"])
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
    st.just(VALID_AUTHORIZATION),
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


def assert_conforms(response: Response, endpoint: str) -> None:
    """Checks what holds for every response of the endpoint."""
    assert_safe(response)
    assert response.status in (200, 400, 401, 415), response.text
    assert (response.get("Content-Type") or "").split(";")[0] == "application/json"
    assert response.get("Cache-Control") == "no-store"
    if response.status == 200:
        if endpoint == "/revoke":
            assert response.body == b""
        elif endpoint == "/introspect":
            assert response.json == {"active": False}
        else:
            assert set(response.json) >= {"access_token", "token_type"}
        return
    assert set(response.json) == {"error", "error_description"}
    assert response.json["error"] in ERRORS
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", response.json["error_description"])
    assert (response.status == 401) == (response.json["error"] == "invalid_client")
    assert (response.get("WWW-Authenticate") is not None) == (response.status == 401)


def post(app: TestApp, endpoint: str, body: bytes, authorization: str | None, **headers: str) -> Response:
    authorization_header = {} if authorization is None else {"Authorization": authorization}
    return send(app, "POST", endpoint, b"", body, {**FORM, **headers, **authorization_header})


@MANY_EXAMPLES
@given(endpoint=ENDPOINTS, body=RAW, authorization=HEADERS)
def test_any_body_gives_conforming_response(
    app: TestApp, endpoint: str, body: bytes, authorization: str | None
) -> None:
    assert_conforms(post(app, endpoint, body, authorization), endpoint)


@MANY_EXAMPLES
@given(endpoint=ENDPOINTS, pairs=st.lists(st.tuples(NAMES, VALUES), max_size=8), authorization=HEADERS)
def test_any_form_gives_conforming_response(
    app: TestApp, endpoint: str, pairs: list[tuple[str, str]], authorization: str | None
) -> None:
    assert_conforms(post(app, endpoint, urlencode(pairs).encode("ascii"), authorization), endpoint)


@MANY_EXAMPLES
@given(endpoint=ENDPOINTS, content_type=TYPES, body=RAW)
def test_any_content_type_gives_conforming_response(
    app: TestApp, endpoint: str, content_type: str, body: bytes
) -> None:
    assert_conforms(post(app, endpoint, body, VALID_AUTHORIZATION, **{"Content-Type": content_type}), endpoint)


@MANY_EXAMPLES
@given(endpoint=ENDPOINTS, raw=RAW)
def test_any_query_gives_conforming_response(app: TestApp, endpoint: str, raw: bytes) -> None:
    assert_conforms(
        send(app, "POST", endpoint, raw, b"token=x", {**FORM, "Authorization": VALID_AUTHORIZATION}), endpoint
    )


CHANGES = st.lists(st.tuples(st.sampled_from(["drop", "twice", "set"]), NAMES, VALUES), min_size=1, max_size=3)


@settings(MANY_EXAMPLES, max_examples=150)
@given(changes=CHANGES)
def test_random_change_of_valid_redemption_succeeds_only_if_equivalent(
    app: TestApp, changes: list[tuple[str, str, str]]
) -> None:
    """A changed request may succeed only if all relevant parameters are the same."""
    code = Skill(app).code()
    valid = {"grant_type": "authorization_code", "code": code, "redirect_uri": HOME}
    pairs = list(valid.items())
    for action, name, value in changes:
        if action == "twice":
            pairs += [pair for pair in pairs if pair[0] == name][:1]
        else:
            pairs = [pair for pair in pairs if pair[0] != name] + ([(name, value)] if action == "set" else [])
    response = post(app, "/token", urlencode(pairs).encode("utf-8"), VALID_AUTHORIZATION)
    assert_conforms(response, "/token")
    if response.status == 200:
        # RFC 6749 section 3.2: a parameter without a value is treated as omitted
        sent = [(name, value) for name, value in pairs if value]
        assert len(dict(sent)) == len(sent)
        assert {name: value for name, value in sent if name in valid} == valid
        assert dict(sent).get("client_id", "home") == "home"
        assert "client_secret" not in dict(sent)
