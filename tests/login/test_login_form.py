"""Tests of the login page: equal responses to wrong attempts, the form token, the origin check, and no cookies."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from webtest import TestApp

from linkauth.web.forms import FormTokens
from tests.alexa import REDIRECT_URI, STATE, Alexa
from tests.backends import outcomes
from tests.conftest import HIGH_THROTTLE_LIMITS, https
from tests.web.raw_requests import (
    FORM,
    FORM_TOKEN,
    ORIGIN,
    Response,
    assert_page,
    form_token,
    login,
    post,
    query,
    redirect_parameters,
    send,
)

SECRET = "only for tests, 32 characters or more"
GOOD = {"username": "ada", "password": "lovelace-1815"}
WRONG = "The name or the password is wrong"


def comparable(response: Response) -> tuple[int, str, list[tuple[str, str]]]:
    """Returns status, text and headers without the form token, the typed name and the length."""
    text = re.sub(r'(?<=name="username" value=")[^"]*', "", FORM_TOKEN.sub("", response.text))
    return response.status, text, [header for header in response.headers if header[0] != "Content-Length"]


def test_right_password_gives_303(app: TestApp) -> None:
    # after a 307 or 308 the browser would post the password to the client
    assert login(app, query(), **GOOD).status == 303


@pytest.mark.parametrize(
    "password", [" lovelace-1815", "lovelace-1815 ", "LOVELACE-1815", "lovelace-1815\0", "lovelace-181"]
)
def test_password_is_compared_exactly(app: TestApp, password: str) -> None:
    assert login(app, query(), "ada", password).status == 403


def test_password_is_compared_after_unicode_normalisation(app: TestApp) -> None:
    assert login(app, query(), "jörg", "müller größe 7").status == 303
    assert login(app, query(), "jörg", "mu\u0308ller gro\u0308ße 7").status == 303


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("grace", "wrong"),
        ("ghost", "wrong"),
        ("konrad", "wrong"),
        *((name, "anything") for name in outcomes.UNPROVEN),
        *((name, "wrong") for name in outcomes.PROVEN),
        ("grace", ""),
        ("ghost", ""),
        ("grace", "x" * 1025),
        ("ghost", "x" * 1025),
        ("grace", "hopper-1906\0"),
        ("gra\0ce", "hopper-1906"),
        ("x" * 254, "wrong"),
        ("' OR 1=1--", "wrong"),
        ("%", "wrong"),
        ("_da", "lovelace-1815"),
        ("*", "wrong"),
    ],
)
def test_each_wrong_attempt_gets_same_response(outcomes_app: TestApp, username: str, password: str) -> None:
    expected = login(outcomes_app, query(), "ada", "wrong")
    response = login(outcomes_app, query(), username, password)
    assert response.status == 403
    assert comparable(response) == comparable(expected)
    page = BeautifulSoup(response.text, "html.parser")
    assert page.find(role="alert").find("h2").text == WRONG
    # an HTML parser drops NUL
    assert page.find(id="username")["value"].replace("\ufffd", "\0") == username
    assert page.find(id="password").get("value") is None


def test_empty_name_is_refused_as_wrong(app: TestApp) -> None:
    for username in ("", "   ", "\u3000"):
        response = login(app, query(), username, "wrong")
        assert response.status == 403
        assert WRONG in response.text


def test_overlong_name_is_truncated_on_page(app: TestApp) -> None:
    response = login(app, query(), "n" * 5000, "wrong")
    assert response.status == 403
    assert f'value="{"n" * 254}"' in response.text
    assert "n" * 255 not in response.text


@pytest.mark.parametrize("reason", outcomes.PROVEN)
def test_refusal_with_right_password_shows_its_reason(outcomes_app: TestApp, reason: str) -> None:
    wrong = login(outcomes_app, query(), reason, "wrong")
    response = login(outcomes_app, query(), reason, outcomes.PASSWORD)
    assert response.status == 403
    assert WRONG in wrong.text
    assert WRONG not in response.text
    heading = BeautifulSoup(response.text, "html.parser").find(role="alert").find("h2").text
    others = [login(outcomes_app, query(), each, outcomes.PASSWORD).text for each in outcomes.PROVEN if each != reason]
    assert not [page for page in others if f"<h2>{heading}</h2>" in page]


def test_disabled_account_is_shown_only_with_right_password(app: TestApp) -> None:
    assert WRONG in login(app, query(), "konrad", "zuse-1911").text
    response = login(app, query(), "konrad", "zuse-1910")
    assert response.status == 403
    assert "Your account is deactivated" in response.text
    assert response.get("Location") is None


FORGERIES = {
    "none": None,
    "empty": "",
    "garbage": "garbage",
    "no signature": "99999999999.",
    "another signature": "99999999999." + "A" * 24,
    "a huge expiry": "9" * 5000 + "." + "A" * 24,
    "digits of another script": "１２３４５." + "A" * 24,
    "letters": "\u00e9\u0100",
    "NUL": "\0",
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_post_without_valid_form_token_gets_new_form(app: TestApp, kind: str) -> None:
    token = FORGERIES[kind]
    response = post(app, query(), GOOD if token is None else {**GOOD, "form_token": token})
    assert response.status == 400
    assert response.get("Location") is None
    page = BeautifulSoup(response.text, "html.parser")
    assert page.find(id="username")["value"] == "ada"
    fresh = page.find("input", attrs={"name": "form_token"})["value"]
    assert "access_token" in redirect_parameters(post(app, query(), {**GOOD, "form_token": fresh}))


def test_form_token_with_other_secret_is_refused(app: TestApp) -> None:
    foreign = FormTokens("another secret of 32 characters or more", ORIGIN).token(query().decode())
    assert post(app, query(), {**GOOD, "form_token": foreign}).status == 400
    # with our own secret the token is accepted, so only the signature made the difference
    own = FormTokens(SECRET, ORIGIN).token(query().decode())
    assert post(app, query(), {**GOOD, "form_token": own}).status == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://link.example.com"},
        {"Origin": ORIGIN + ".evil.example"},
        {"Origin": ORIGIN + ":8443"},
        {"Origin": "https://evil.link.example.com"},
        {"Origin": "null", "Referer": "https://evil.example/https://link.example.com/"},
        {"Origin": "null", "Referer": ORIGIN + ".evil.example/"},
    ],
)
@pytest.mark.parametrize("fields", [GOOD, {"cancel": "1"}])
def test_post_from_other_site_is_refused(app: TestApp, headers: dict[str, str], fields: dict[str, str]) -> None:
    response = post(app, query(), {"form_token": form_token(app, query()), **fields}, headers)
    assert_page(response)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "cross-site"}, {"Referer": "https://evil.example/"}, {"Sec-Fetch-Site": "none"}],
)
def test_post_without_proof_of_origin_is_refused(app: TestApp, headers: dict[str, str]) -> None:
    body = f"form_token={form_token(app, query())}&username=ada&password=lovelace-1815".encode()
    assert_page(send(app, "POST", "/authorize", query(), body, {**FORM, **headers}))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ORIGIN},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Referer": ORIGIN + "/authorize?x"},
    ],
)
def test_post_of_own_form_is_accepted_from_any_browser(app: TestApp, headers: dict[str, str]) -> None:
    body = f"form_token={form_token(app, query())}&username=ada&password=lovelace-1815".encode()
    assert send(app, "POST", "/authorize", query(), body, {**FORM, **headers}).status == 303


def test_no_response_sets_cookie(app: TestApp) -> None:
    responses = [send(app, query=query()), login(app, query(), "ada", "wrong"), login(app, query(), **GOOD)]
    responses += [post(app, query(), {}), send(app, path="/"), send(app, query=query(client_id="nobody"))]
    assert [response.status for response in responses] == [200, 403, 303, 400, 200, 400]
    assert not [response for response in responses if response.get("Set-Cookie") is not None]


def test_two_tabs_complete_their_own_requests(app: TestApp) -> None:
    first, second = query(state="first"), query(state="second", redirect_uri=REDIRECT_URI.replace("layla", "pitangui"))
    tokens = form_token(app, first), form_token(app, second)
    parameters = redirect_parameters(
        post(app, second, {**GOOD, "form_token": tokens[1]}), REDIRECT_URI.replace("layla", "pitangui")
    )
    assert parameters["state"] == "second"
    assert redirect_parameters(post(app, first, {**GOOD, "form_token": tokens[0]}))["state"] == "first"


def test_linked_user_must_sign_in_again(alexa: Alexa) -> None:
    alexa.link()
    page = alexa.open()
    assert page.status_int == 200
    assert "Ride Hailer" in page.html.find("h1").text
    assert "Example Rides" in page.html.find(id="which").text
    assert "not your Amazon account" in page.html.find(id="which").text
    granted = [item.text for item in page.html.find(class_="consent").find_all("li")]
    assert granted == ["Order a taxi on your behalf", "See your name"]
    assert page.forms[0]["password"].value == ""


def test_form_sent_twice_creates_two_links(alexa: Alexa) -> None:
    page = alexa.open()
    locations = [alexa.submit("ada", "lovelace-1815", page, status=303).location for _ in range(2)]
    for location in locations:
        assert location.startswith(REDIRECT_URI + "#state=")
    assert len(set(locations)) == 2


def test_expired_form_is_shown_again(app: TestApp) -> None:
    raw = query(state=STATE)
    expired = FormTokens(SECRET, ORIGIN, lambda: time.time() - 1000).token(raw.decode())
    response = post(app, raw, {**GOOD, "form_token": expired})
    assert response.status == 400
    assert "This page was open for too long" in response.text
    fresh = FORM_TOKEN.search(response.text)
    assert fresh is not None
    assert redirect_parameters(post(app, raw, {**GOOD, "form_token": fresh[0]}))["state"] == STATE


@pytest.mark.parametrize(
    "cookie", ["x", "=", ";;;", "session=" + "x" * 60_000, "a=\xff", "__Host-x=1; x=1; x=2", '"', "\t"]
)
def test_cookies_are_ignored(app: TestApp, cookie: str) -> None:
    fields = {**GOOD, "form_token": form_token(app, query())}
    assert send(app, query=query(), headers={"Cookie": cookie}).status == 200
    assert "access_token" in redirect_parameters(post(app, query(), fields, {"Cookie": cookie}))


def test_other_steps_do_not_exist(app: TestApp) -> None:
    assert post(app, query(), {"consent": "1", "allow": "1"}).status == 400
    for path in ("/finish", "/consent", "/authorize/finish", "/authorize/consent"):
        assert_page(send(app, path=path, query=query()), 404)


def test_throttled_user_gets_retry_after(make_app: Callable[..., Any]) -> None:
    app = https(
        make_app(**{**HIGH_THROTTLE_LIMITS, "throttle__account_failures": "2", "throttle__account_window": "60"})
    )
    assert [login(app, query(), "ada", "wrong").status for _ in range(3)] == [403, 403, 429]
    response = login(app, query(), **GOOD)
    assert response.status == 429
    assert 1 <= int(response.get("Retry-After") or 0) <= 60
    assert "Too many attempts" in response.text
    assert login(app, query(), "grace", "hopper-1906").status == 303
