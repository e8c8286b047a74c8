"""Tests of sign-ins at a provider in browsers without cookies, which somebody else may have begun: nothing is linked
before the person has confirmed it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from linkauth.login.pending import PENDING_SECONDS
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.services import services_of
from linkauth.web.sign_in_threads import RETRY_AFTER_KEY, is_sign_in
from tests.alexa import fragment, query
from tests.second_factor.browser import Browser, Site
from tests.sign_ins.phone import ADA, OTHER, Phone, error_of
from tests.sign_ins.stand_in import code_of
from tests.sign_ins.test_provider_attacks import links_of

CODE = code_of(**ADA)


class Forgetful(Phone):
    """A browser that keeps no cookies."""

    def started(self, provider: str = "google") -> dict[str, str]:
        page = self.alexa.open()
        self.client.reset()
        return query(self.go(provider, page).location)

    def confirm(self, page: Any, status: Any = "*", action: str = "", **changes: str) -> Any:
        """Sends the form of a confirmation page."""
        form = page.html.find("form", {"method": "post"})
        fields = {each["name"]: each["value"] for each in form.find_all("input")}
        url = action or form["action"]
        return self.client.post(url, {**fields, **changes}, headers=self.alexa.headers, status=status)


@pytest.fixture
def forgetful(provider_app: Any) -> Forgetful:
    return Forgetful(provider_app)


@pytest.fixture
def asked(forgetful: Forgetful) -> Any:
    """The page that asks Ada for her confirmation."""
    return forgetful.come_back(forgetful.started(), CODE, status=200)


def test_a_sign_in_that_an_attacker_has_begun_links_nothing_by_itself(
    provider_app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    attacker, victim = Forgetful(provider_app), Forgetful(provider_app)
    before = links_of(provider_app)
    for provider, claims in (("google", ADA), ("corp", {"sub": "7", "name": "Ada Lovelace"}), ("apple", ADA)):
        sent = attacker.started(provider)
        back = victim.post_back if provider == "apple" else victim.come_back
        page = back(sent, code_of(**claims), provider, status=200)
        assert "Location" not in page.headers
        assert page.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert "waits for a confirmation: provider=" in caplog.text
        # what would be linked, with whom, and by which account
        text = " ".join(page.html.find("main").get_text(" ").split())
        assert "Ride Hailer" in text
        assert "Alexa" in text
        assert "Order a taxi on your behalf" in text
        shown = [each.get_text() for each in page.html.find(id="which").find_all("bdi")]
        assert shown == [claims.get("email", "Ada Lovelace"), "Staff Portal" if provider == "corp" else "Stand-in"]
        # the attacker has neither the page nor another answer
        attacker.come_back(sent, CODE, provider, status="4*")
        assert victim.confirm(page, 303, cancel="1").location.startswith("https://layla.amazon.com/")
    assert links_of(provider_app) == before


def test_a_confirmation_links_once(provider_app: Any, forgetful: Forgetful, asked: Any) -> None:
    before = links_of(provider_app)
    linked = forgetful.confirm(asked, 303)
    assert fragment(linked.location)["state"] == forgetful.alexa.parameters["state"]
    assert forgetful.linked(linked)["sub"] == "staff:1"
    assert links_of(provider_app) == before + 1
    again = forgetful.confirm(asked, 403)
    assert "already ended" in error_of(again)
    assert forgetful.alexa.submit("ada", "lovelace-1815", page=again).status_int == 303


def test_one_of_two_forms_at_the_same_time_links(provider_app: Any, forgetful: Forgetful, asked: Any) -> None:
    before = links_of(provider_app)
    with ThreadPoolExecutor(8) as threads:
        found = [each.status_int for each in threads.map(lambda _: forgetful.confirm(asked), range(16))]
    assert sorted(set(found)) == [303, 403]
    assert found.count(303) == 1
    assert links_of(provider_app) == before + 1


def test_cancelling_links_nothing(provider_app: Any, forgetful: Forgetful, asked: Any) -> None:
    before = links_of(provider_app)
    cancelled = fragment(forgetful.confirm(asked, 303, cancel="1").location)
    assert cancelled.items() >= {"error": "access_denied", "state": forgetful.alexa.parameters["state"]}.items()
    assert links_of(provider_app) == before


def test_a_confirmation_belongs_to_one_request(provider_app: Any, forgetful: Forgetful, asked: Any) -> None:
    before = links_of(provider_app)
    for change in ({"state": "other"}, {"scope": "order_car"}, OTHER):
        other = Forgetful(provider_app)
        other.alexa.parameters |= change
        action, token = f"/authorize/confirm?{other.raw_query}", other.form_token()
        response = other.confirm(asked, 403, action, form_token=token)
        assert "Location" not in response.headers
        # a form token of another request
        assert other.confirm(asked, 400, action).status_int == 400
    assert links_of(provider_app) == before
    forgetful.linked(forgetful.confirm(asked, 303))


def test_forms_of_other_sites_and_stale_forms_are_refused(forgetful: Forgetful, asked: Any) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        forgetful.alexa.headers = headers
        forgetful.confirm(asked, 400)
    forgetful.alexa.headers = {"Origin": "https://link.example.com"}
    stale = forgetful.confirm(asked, 400, form_token="1.x")
    assert "open for too long" in error_of(stale)
    forgetful.linked(forgetful.confirm(stale, 303))


@pytest.mark.parametrize("value", ["", "x", "\0", "A" * 43, "x" * 10_000])
def test_unknown_values_link_nothing(provider_app: Any, forgetful: Forgetful, asked: Any, value: str) -> None:
    before = links_of(provider_app)
    assert "Location" not in forgetful.confirm(asked, 403, challenge=value).headers
    assert "Location" not in forgetful.confirm(asked, 400, challenge=value, form_token="1.x").headers
    assert links_of(provider_app) == before


def test_values_of_other_steps_do_not_confirm(forgetful: Forgetful, asked: Any) -> None:
    # the value at the provider, which the attacker knows
    forgetful.confirm(asked, 403, challenge=forgetful.started()["state"])


def test_a_confirmation_after_a_quarter_of_an_hour_is_too_late(
    provider_app: Any, forgetful: Forgetful, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmations = services_of(provider_app.registry).confirmations
    clock = confirmations._clock
    monkeypatch.setattr(confirmations, "_clock", lambda: clock() + PENDING_SECONDS)
    page = forgetful.confirm(asked, 403)
    assert "already ended" in error_of(page)
    assert forgetful.alexa.submit("ada", "lovelace-1815", page=page).status_int == 303


def test_a_database_that_is_down_and_a_crowd_lose_nothing(
    provider_app: Any, forgetful: Forgetful, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = services_of(provider_app.registry)

    def fail(*_: object, **__: object) -> Any:
        raise StorageUnavailableError("disk is full")

    for method in ("find", "take"):
        with monkeypatch.context() as broken:
            broken.setattr(services.pending, method, fail)
            response = forgetful.confirm(asked, 503)
            assert response.headers["Retry-After"]
            assert "Location" not in response.headers
            assert forgetful.confirm(asked, form_token="1.x").status_int == (503 if method == "find" else 400)
    sent = forgetful.started()
    with monkeypatch.context() as broken:
        broken.setattr(services.pending, "put", fail)
        assert "Location" not in forgetful.come_back(sent, CODE, status=503).headers
    forgetful.client.extra_environ[RETRY_AFTER_KEY] = 7  # type: ignore[assignment]
    busy = forgetful.confirm(asked, 503)
    assert busy.headers["Retry-After"] == "7"
    assert "Many people" in error_of(busy)
    del forgetful.client.extra_environ[RETRY_AFTER_KEY]
    forgetful.linked(forgetful.confirm(busy, 303))


def test_a_reload_begins_again_at_the_login_page(forgetful: Forgetful) -> None:
    response = forgetful.client.get(f"/authorize/confirm?{forgetful.raw_query}", status=303)
    assert response.location == f"https://link.example.com/authorize?{forgetful.raw_query}"
    # the form of a theme that does not know `action`
    fields = {"form_token": forgetful.form_token(), "username": "ada", "password": "lovelace-1815"}
    url = f"/authorize/confirm?{forgetful.raw_query}"
    assert forgetful.client.post(url, fields, headers=forgetful.alexa.headers).status_int == 303


def test_a_browser_with_its_cookie_is_not_asked(phone: Phone) -> None:
    phone.linked(phone.sign_in(**ADA))


def test_the_page_has_the_language_of_the_request_and_hostile_names_stay_text(provider_app: Any) -> None:
    forgetful = Forgetful(provider_app)
    forgetful.alexa.parameters |= {"ui_locales": "ar", "state": "".join(map(chr, range(32, 127))) + "s" * 4_001}
    name = "<b>\"'&{{7*7}}"
    page = forgetful.come_back(forgetful.started("corp"), code_of(sub="5", name=name), "corp", status=200)
    assert page.html.html["lang"] == "ar"
    assert page.html.find(id="which").find("bdi").get_text() == name
    linked = forgetful.confirm(page, 303)
    assert fragment(linked.location)["state"] == forgetful.alexa.parameters["state"]


def test_a_provider_that_is_offered_no_longer_links_nothing(
    make_provider_app: Callable[..., Any], provider_app: Any, forgetful: Forgetful, asked: Any
) -> None:
    database = services_of(provider_app.registry).settings.database
    forgetful.client.app = make_provider_app(database=database, client__alexa__sign_ins="corp")
    assert "already ended" in error_of(forgetful.confirm(asked, 403))


def test_the_second_factor_follows_the_confirmation(make_provider_app: Callable[..., Any]) -> None:
    forgetful = Forgetful(make_provider_app(client__alexa__second_factor="required"))
    page = forgetful.come_back(forgetful.started(), CODE, status=200)
    assert "otpauth:" not in page.text
    page = forgetful.confirm(page, 200)
    browser = Browser(Site(forgetful.client), forgetful.alexa, forgetful.address, page)
    assert browser.shown() == "second_factor_setup"
    assert browser.set_up() == "recovery_codes"
    assert browser.send("saved") == "linked"
    assert forgetful.linked(browser.page)["sub"] == "staff:1"


def test_the_confirmation_is_a_sign_in_for_the_threads() -> None:
    assert is_sign_in("POST", "/path/authorize/confirm")
    assert not is_sign_in("GET", "/authorize/confirm")
