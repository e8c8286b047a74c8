"""Property tests of /authorize: any input gives a safe response, and redirects go only to registered URIs."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from webtest import TestApp

from tests.web.raw_requests import (
    FORM,
    ORIGIN,
    PLAIN_URI,
    REGISTERED,
    VALID,
    assert_page,
    assert_safe,
    form_token,
    query,
    send,
)

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
MANY_EXAMPLES = settings(derandomize=True, deadline=None, database=None, max_examples=600, suppress_health_check=CHECKS)
FEW_EXAMPLES = settings(MANY_EXAMPLES, max_examples=150)
MARK = b"<svg/onload=alert(1)>"
NAMES = (*VALID, "response_mode", "request", "ui_locales", "prompt", "extra", "redirect_uri[]", "Client_Id", "")
PIECES = st.sampled_from(
    [
        MARK,
        b"%00",
        b"%FF",
        b"&",
        b"=",
        b";",
        b"+",
        b"%",
        b"%2",
        b"%zz",
        b"#",
        b"?",
        b"client_id=alexa",
        b"redirect_uri=",
    ]
)
RAW = st.one_of(st.binary(max_size=200), st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=20).map(b"".join))
URI_PIECES = [
    "/",
    "//",
    "\\",
    "..",
    ".",
    ";",
    "@",
    ":",
    ":443",
    "#",
    "?",
    "&",
    "%2f",
    "%00",
    "\t",
    "\n",
    " ",
    "*",
    "evil.example",
    "é",
    "．",
]


@MANY_EXAMPLES
@given(raw=RAW)
def test_any_bytes_as_query_give_safe_response(app: TestApp, raw: bytes) -> None:
    response = send(app, query=raw)
    assert_safe(response, MARK)
    assert response.status in (200, 303, 400, 414)


@MANY_EXAMPLES
@given(raw=RAW, position=st.integers(0, 300))
def test_any_bytes_inside_valid_query_give_safe_response(app: TestApp, raw: bytes, position: int) -> None:
    valid = query()
    response = send(app, query=valid[:position] + raw + valid[position:])
    assert_safe(response, MARK)


VALUES = st.one_of(
    st.sampled_from(
        ["", "alexa", "other", "single", "token", "code", "order_car", "private", "S", *REGISTERED, MARK.decode()]
    ),
    st.text(st.characters(codec="utf-8"), max_size=40),
)
CHANGE = st.tuples(st.sampled_from(["drop", "twice", "set", "add"]), st.sampled_from(NAMES), VALUES)


@MANY_EXAMPLES
@given(changes=st.lists(CHANGE, min_size=1, max_size=4))
def test_random_change_of_valid_request_gives_safe_response(app: TestApp, changes: list[tuple[str, str, str]]) -> None:
    pairs = list(VALID.items())
    for action, name, value in changes:
        if action in ("drop", "set"):
            pairs = [pair for pair in pairs if pair[0] != name]
        if action in ("set", "add"):
            pairs.append((name, value))
        if action == "twice":
            pairs += [pair for pair in pairs if pair[0] == name]
    raw = urlencode(pairs).encode("ascii")
    response = send(app, query=raw)
    assert_safe(response, MARK)
    if response.status == 303:
        sent_values = dict(pairs)
        assert [name for name, _ in pairs if name in ("client_id", "redirect_uri", "state")].count("state") <= 1
        location = response.location
        parts = urlsplit(location)
        parameters = dict(parse_qsl(parts.fragment or parts.query, keep_blank_values=True))
        assert parameters["error"]
        assert "access_token" not in parameters
        if "state" in parameters:
            assert parameters["state"] == sent_values["state"]
        uri = sent_values.get("redirect_uri") or "https://single.example.com/cb"
        assert location.startswith(uri)


@MANY_EXAMPLES
@given(
    position=st.integers(0, len(PLAIN_URI)),
    cut=st.integers(0, 3),
    piece=st.one_of(st.sampled_from(URI_PIECES), st.text(st.characters(codec="utf-8"), max_size=4)),
    swap=st.booleans(),
)
def test_changed_redirect_uri_gives_error_page(app: TestApp, position: int, cut: int, piece: str, swap: bool) -> None:
    uri = PLAIN_URI[:position] + piece + PLAIN_URI[position + cut :]
    uri = uri.swapcase() if swap else uri
    assume(uri not in REGISTERED)
    assert_page(send(app, query=query(redirect_uri=uri)))


STATE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=300)


@MANY_EXAMPLES
@given(state=STATE, uri=st.sampled_from([uri for uri in REGISTERED if "amazon" in uri]))
def test_state_is_echoed_exactly(app: TestApp, state: str, uri: str) -> None:
    response = send(app, query=query(state=state, redirect_uri=uri, scope="unknown"))
    assert_safe(response)
    assert response.location.startswith(uri + "#")
    assert dict(parse_qsl(urlsplit(response.location).fragment, keep_blank_values=True))["state"] == state


FIELDS = st.lists(
    st.tuples(st.sampled_from(["username", "password", "cancel", "redirect_uri", "state", "x", ""]), VALUES), max_size=5
)


@FEW_EXAMPLES
@given(fields=FIELDS, fresh=st.booleans(), raw=RAW)
def test_any_form_gives_safe_response(app: TestApp, fields: list[tuple[str, str]], fresh: bool, raw: bytes) -> None:
    token = form_token(app, query()) if fresh else "stale"
    body = urlencode([("form_token", token), *fields]).encode("ascii") + (b"" if fresh else b"&" + raw)
    response = send(app, "POST", "/authorize", query(), body, {**FORM, "Origin": ORIGIN})
    assert_safe(response, MARK)
    assert response.status in (303, 400, 403)
    if response.status == 303:
        assert fresh
        assert response.location.startswith(VALID["redirect_uri"] + "#state=S&error=access_denied&")


@MANY_EXAMPLES
@given(raw=RAW)
def test_any_introspection_body_is_inactive_or_refused(app: TestApp, raw: bytes) -> None:
    authorization = "Basic YWxleGE6dGhlIGFsZXhhIGNsaWVudCdzIHNlY3JldA=="
    response = send(app, "POST", "/introspect", b"", raw, {**FORM, "Authorization": authorization})
    assert_safe(response, MARK)
    assert response.status in (200, 400, 415)
    assert response.json.get("active", False) is False


@MANY_EXAMPLES
@given(authorization=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60), prefix=st.booleans())
def test_any_authorization_header_is_refused(app: TestApp, authorization: str, prefix: bool) -> None:
    headers = {**FORM, "Authorization": ("Basic " if prefix else "") + authorization}
    response = send(app, "POST", "/introspect", b"", b"token=x", headers)
    assert_safe(response)
    assert response.status == 401
