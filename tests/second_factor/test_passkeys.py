"""Tests of passkeys as a second factor, with an authenticator in Python instead of the script of the page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from webtest import TestApp

from tests.alexa import Alexa, fragment, https
from tests.unit.login.authenticator import PRESENT, Authenticator

ORIGIN = "https://link.example.com"
OPTIONS = re.compile(r'data-passkey="([^"]*)"')
SETTINGS = {"client.alexa.second_factor": "required", "passkeys": "true"}
WEB_VIEW = "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP1A; wv) AppleWebKit/537.36 Version/4.0 Chrome/126.0.0.0"


@pytest.fixture
def app(make_app: Callable[..., Any]) -> TestApp:
    """An application with a database of its own, so that nobody has a second factor."""
    return https(make_app(**SETTINGS))


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(ORIGIN)


def options(page: Any) -> str:
    """Returns the options for the script of a page, "" if there are none."""
    found = OPTIONS.search(page.text)
    return html.unescape(found[1]) if found else ""


def send(page: Any, status: int = 200, **fields: str) -> Any:
    """Sends the form of a page with other values of some fields."""
    form = next(form for form in page.forms.values() if form.method.lower() == "post")
    values = [(name, value) for name, value in form.submit_fields() if name not in fields]
    headers = {"Origin": ORIGIN}
    return page.test_app.post(form.action, [*values, *fields.items()], headers=headers, status=status)


def sign_in(app: TestApp, **headers: str) -> Any:
    """Signs in with the password, and returns the page of the second step."""
    alexa = Alexa(app, headers={"Origin": ORIGIN, **headers})
    return alexa.submit("ada", "lovelace-1815")


def code_of(page: Any) -> str:
    """Returns the code that an authenticator app shows for the key of the page."""
    (secret,) = re.findall(r"secret=([A-Z2-7]+)", page.text)
    return pyotp.TOTP(secret).now()


def enrol(app: TestApp, device: Authenticator | None = None, answer: str = "") -> Any:
    """Sets up an authenticator app, and a passkey. Returns the recovery codes."""
    page = sign_in(app)
    passkey = answer or (device.create(options(page)) if device else "")
    shown = send(page, code=code_of(page), passkey=passkey)
    codes = re.findall(r">([2-9A-Z]{4}-[2-9A-Z]{4})<", shown.text)
    assert len(codes) == 10
    send(shown, 303, saved="1")
    return codes


def use(page: Any, device: Authenticator, status: int = 303) -> Any:
    """Changes from another method to the passkey, uses it, and returns the response."""
    asked = send(page, switch="passkey")
    device.count += 1
    return send(asked, status, passkey=device.use(options(asked)))


def test_a_passkey_is_added_with_the_first_code_and_then_used_instead_of_one(
    app: TestApp, device: Authenticator
) -> None:
    enrol(app, device)
    page = sign_in(app)
    assert 'value="passkey"' in page.text
    assert len(fragment(use(page, device).location)["access_token"]) == 43
    # and again
    assert "access_token" in fragment(use(sign_in(app), device).location)


def test_a_passkey_is_also_added_with_a_recovery_code_later(app: TestApp, device: Authenticator) -> None:
    codes = enrol(app)
    page = sign_in(app)
    assert 'value="passkey"' not in page.text
    asked = send(page, switch="recovery_code")
    send(asked, 303, code=codes[0], passkey=device.create(options(asked)))
    assert "access_token" in fragment(use(sign_in(app), device).location)


def test_codes_remain_another_way(app: TestApp, device: Authenticator) -> None:
    codes = enrol(app, device)
    asked = send(sign_in(app), switch="passkey")
    assert {"totp", "recovery_code"} <= set(re.findall(r'name="switch" value="(\w+)"', asked.text))
    asked = send(asked, switch="recovery_code")
    assert "access_token" in fragment(send(asked, 303, code=codes[0]).location)


def test_an_answer_works_once_and_only_in_its_own_sign_in(app: TestApp, device: Authenticator) -> None:
    enrol(app, device)
    first, second = (send(sign_in(app), switch="passkey") for _ in range(2))
    device.count = 2
    answer = device.use(options(first))
    # the answer for another pending sign-in
    assert "access_token" not in send(second, 403, passkey=answer).text
    assert "access_token" in fragment(send(first, 303, passkey=answer).location)
    # replayed, in its own and in a new sign-in
    assert send(first, 403, passkey=answer).location is None
    assert send(send(sign_in(app), switch="passkey"), 403, passkey=answer).location is None


WRONG: dict[str, dict[str, Any]] = {
    "origin": {"origin": "https://link.example.com.attacker.example"},
    "relying party": {"rp_id": "example.com"},
    "no verification": {"flags": PRESENT},
    "copied passkey": {"count": 0},
    "another key": {"key": Authenticator(ORIGIN).key},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_refused_and_the_code_still_works(
    app: TestApp, device: Authenticator, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    device.count = 5
    codes = enrol(app, device)
    for name, value in wrong.items():
        setattr(device, name, value)
    refused = use(sign_in(app), device, 403)
    assert "The passkey did not work" in refused.text
    assert [record for record in caplog.records if "passkey refused" in record.getMessage()]
    asked = send(refused, switch="recovery_code")
    assert "access_token" in fragment(send(asked, 303, code=codes[0]).location)


def test_a_wrong_new_passkey_is_not_added_but_the_code_counts(app: TestApp, device: Authenticator) -> None:
    device.origin = "https://attacker.example"
    enrol(app, device)
    assert 'value="passkey"' not in sign_in(app).text


def test_a_passkey_is_not_added_without_a_correct_code(app: TestApp, device: Authenticator) -> None:
    codes = enrol(app)
    page = sign_in(app)
    send(page, 403, code="wrong", passkey=device.create(options(page)))
    assert 'value="passkey"' not in sign_in(app).text
    # nor by the method that is only for its use
    page = sign_in(app)
    send(page, 403, method="passkey", code="", passkey=device.create(options(page)))
    assert 'value="passkey"' not in sign_in(app).text
    assert codes


def test_many_wrong_answers_end_the_sign_in(app: TestApp, device: Authenticator) -> None:
    enrol(app, device)
    page = send(sign_in(app), switch="passkey")
    pages = [send(page, 403, passkey="{}") for _ in range(10)]
    assert "did not work" in pages[0].text
    assert "did not work" not in pages[-1].text
    device.count = 9
    assert send(page, 403, passkey=device.use(options(page))).location is None


def test_no_passkeys_are_offered_to_embedded_browsers(app: TestApp, device: Authenticator) -> None:
    enrol(app, device)
    page = sign_in(app, **{"User-Agent": WEB_VIEW})
    assert "passkey" not in page.text
    assert "passkey" in sign_in(app).text


def test_without_the_setting_nothing_is_offered_and_fields_are_ignored(
    make_app: Callable[..., Any], device: Authenticator
) -> None:
    app = https(make_app(**{**SETTINGS, "passkeys": "false"}))
    page = sign_in(app)
    assert "passkey" not in page.text
    asked = json.dumps({"rp": {"id": "link.example.com"}, "challenge": "AAAA"})
    enrol(app, answer=device.create(asked))
    page = sign_in(app)
    assert "passkey" not in page.text
    answer = device.use(json.dumps({"rpId": "link.example.com", "challenge": "AAAA"}))
    refused = send(page, 403, method="passkey", code="", passkey=answer)
    assert refused.location is None
