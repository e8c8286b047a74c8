"""Tests of answers that are repeated, forged, mixed up or brought by another browser. None of them makes a link."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select

from linkauth.login.pending import PENDING_SECONDS
from linkauth.services import services_of
from linkauth.storage.tables import challenges, links
from tests.alexa import fragment
from tests.sign_ins.phone import ADA, OTHER, RETURN, Phone, answer, stand_in
from tests.sign_ins.stand_in import CANARY, code_of

CODE = code_of(**ADA)


def links_of(app: Any) -> int:
    with services_of(app.registry).engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(links)) or 0)


@pytest.fixture
def no_link(provider_app: Any) -> Any:
    """Checks that the test makes no link."""
    before = links_of(provider_app)
    yield
    assert links_of(provider_app) == before


def test_an_answer_is_used_once(provider_app: Any, phone: Phone) -> None:
    sent = phone.started()
    phone.linked(phone.come_back(sent, CODE))
    before = links_of(provider_app)
    # also with a new code, and by the same browser
    for code in (CODE, code_of(**{**ADA, "sub": "2"})):
        assert phone.come_back(sent, code, status=403).location is None
    assert links_of(provider_app) == before


def test_an_answer_that_failed_is_used_too(phone: Phone, no_link: None) -> None:
    sent = phone.started()
    phone.come_back(sent, "invalid", status=403)
    phone.come_back(sent, CODE, status=403)


def test_one_of_two_answers_at_the_same_time_is_used(make_provider_app: Callable[..., Any]) -> None:
    app = make_provider_app()
    phone = Phone(app)
    sent = phone.started("corp")
    provider = stand_in(app, "corp")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(phone.come_back, sent, "slow", "corp")
        assert provider.waiting.acquire(timeout=60)
        # the first one is still at the provider
        assert phone.come_back(sent, "slow", "corp").status_int == 403
        provider.released.set()
        phone.linked(first.result())
    assert links_of(app) == 1


def test_the_state_of_another_browser_is_refused(provider_app: Any, phone: Phone, no_link: None) -> None:
    sent = phone.started()
    for other in (Phone(provider_app), Phone(provider_app)):
        other.come_back(sent, CODE, status=403)
        # a browser with a cookie of its own
        other.alexa.open()
        other.come_back(sent, CODE, status=403)


def test_the_state_of_another_browser_is_not_used_up(provider_app: Any, phone: Phone) -> None:
    sent = phone.started()
    Phone(provider_app).come_back(sent, CODE, status=403)
    phone.linked(phone.come_back(sent, CODE))


def test_a_posted_answer_is_bound_to_the_browser_too(provider_app: Any, phone: Phone) -> None:
    sent = phone.started("apple")
    Phone(provider_app).post_back(sent, CODE, "apple", status=403)
    phone.linked(phone.post_back(sent, CODE, "apple"))


def test_the_state_of_another_provider_is_refused(phone: Phone) -> None:
    sent = phone.started("google")
    phone.come_back(sent, CODE, "corp", status=403)
    phone.post_back(sent, CODE, "apple", status=403)
    phone.come_back(sent, CODE, "unknown", status=404)
    phone.linked(phone.come_back(sent, CODE, "google"))


def test_a_link_goes_to_the_client_that_began(provider_app: Any, phone: Phone) -> None:
    other = Phone(provider_app)
    other.alexa.parameters |= OTHER
    sent = phone.started("corp")
    # parameters of an authorization request at the way back change nothing
    foreign = {**OTHER, "response_type": "token", "scope": "private", "client_id": "other"}
    response = phone.come_back(sent, code_of(sub="1"), "corp", **foreign)
    assert response.location.startswith("https://layla.amazon.com/")
    assert phone.linked(response)["scope"] == "order_car basic_profile"
    # the provider is not offered by the other client, so nobody can have begun there
    other.go("google", status=404)
    other.alexa.parameters["client_id"] = "single"
    assert other.client.post("/authorize/go/corp", {}, status=400)


def test_two_pages_of_a_browser_finish_their_own_requests(phone: Phone) -> None:
    own = dict(phone.alexa.parameters)
    first = phone.started("corp")
    phone.alexa.parameters |= {**OTHER, "state": "second"}
    second = phone.started("corp")
    for sent, host, state in (
        (second, "https://other.example.com/", "second"),
        (first, "https://layla.amazon.com/", own["state"]),
    ):
        response = phone.come_back(sent, code_of(sub="1"), "corp")
        assert response.location.startswith(host)
        assert fragment(response.location)["state"] == state


def test_a_changed_query_needs_a_page_of_its_own(phone: Phone) -> None:
    page = phone.alexa.open()
    changed = phone.raw_query.replace("+basic_profile", "")
    assert phone.go(page=page, raw_query=changed, status=400).location is None
    for other in (phone.raw_query.replace("layla", "pitangui"), phone.raw_query + "&x=1"):
        assert phone.go(page=page, raw_query=other, status=400).location is None
    # before the redirect URI is trusted, an error is a page
    assert "location" not in phone.go(page=page, raw_query=phone.raw_query.replace("layla", "evil"), status=400).headers


def test_a_button_on_another_site_begins_nothing(provider_app: Any, phone: Phone) -> None:
    page = phone.alexa.open()
    before = rows(provider_app)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        phone.alexa.headers = headers
        phone.go(page=page, status=400)
    phone.alexa.headers = {"Origin": "https://link.example.com"}
    for token in ("", "1.x", "9" * 12 + "." + "A" * 24):
        url = f"/authorize/go/google?{phone.raw_query}"
        phone.client.post(url, {"form_token": token}, headers=phone.alexa.headers, status=400)
    assert rows(provider_app) == before


def rows(app: Any) -> int:
    with services_of(app.registry).engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(challenges)) or 0)


@pytest.mark.parametrize("state", ["", "x", "A" * 43, "A" * 64, "A" * 9_000, "%00", "\udcff"])
def test_an_unknown_state_is_an_error_page(phone: Phone, no_link: None, state: str) -> None:
    encoded = urlencode({"state": state, "code": "x"}, errors="surrogatepass").replace("%ED%B3%BF", "%C3%BF")
    page = phone.client.get(f"{RETURN}google?{encoded}", status=400)
    assert "Alexa app" in page.text
    assert page.html.find("form", {"method": "post"}) is None


def test_malformed_answers_are_refused(phone: Phone, no_link: None, caplog: pytest.LogCaptureFixture) -> None:
    sent = phone.started()
    raw = urlencode(answer(sent, CODE))
    for repeated in (f"{raw}&code=x", f"{raw}&iss=a&iss=b"):
        phone.client.get(f"{RETURN}google?{repeated}", status=403)
        assert caplog.messages[-1].startswith("sign-in at a provider refused: provider=google reason=")
    phone.client.get(f"{RETURN}google?{raw}&state={sent['state']}", status=400)
    phone.client.get(f"{RETURN}google?{raw}&x=%FF", status=400)
    phone.client.get(f"{RETURN}google?{raw}&x={'y' * 17_000}", status=414)
    phone.client.get(f"{RETURN}google?{raw}{'&x=1' * 100}", status=400)
    posted = phone.started("apple")
    raw = urlencode(answer(posted, CODE))
    for body, kind, status in (
        (f"{raw}&code=x", "application/x-www-form-urlencoded", 400),
        (f"{raw}&x=%FF", "application/x-www-form-urlencoded", 400),
        (f"{raw}&x={'y' * 70_000}", "application/x-www-form-urlencoded", 413),
        (raw, "text/plain", 415),
        ('{"state": "x"}', "application/json", 415),
        ("", "application/x-www-form-urlencoded", 400),
    ):
        phone.client.post(f"{RETURN}apple", body, headers={"Content-Type": kind}, status=status)
    # a provider that answers with a redirect does not post a form
    phone.post_back(phone.started("google"), CODE, "google", status=403)


def test_a_look_at_the_answer_does_not_use_it(phone: Phone) -> None:
    sent = phone.started()
    phone.client.head(f"{RETURN}google?{urlencode(answer(sent, CODE))}", status=200)
    phone.linked(phone.come_back(sent, CODE))


def test_an_answer_after_a_quarter_of_an_hour_is_too_late(
    provider_app: Any, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in = services_of(provider_app.registry).provider_sign_in
    first, second = phone.started(), phone.started()
    clock = sign_in._clock
    monkeypatch.setattr(sign_in, "_clock", lambda: clock() + PENDING_SECONDS)
    phone.come_back(first, CODE, status=403)
    monkeypatch.setattr(sign_in, "_clock", lambda: clock() + PENDING_SECONDS - 60)
    # expired is expired, also if the clock is set back
    phone.come_back(first, CODE, status=403)
    phone.linked(phone.come_back(second, CODE))


def test_logs_have_no_code_and_no_state(phone: Phone, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for code in ("cancelled", "refused", "invalid", "down", "misconfigured", "bug", "exit", code_of(sub="9"), CODE):
        sent = phone.started()
        phone.come_back(sent, code)
        lines = [record.getMessage() for record in caplog.records]
        assert any("provider=google" in line and "client=alexa" in line for line in lines), (code, lines)
        assert CANARY not in caplog.text
        assert sent["state"] not in caplog.text
        assert sent["nonce"] not in caplog.text
        caplog.clear()
