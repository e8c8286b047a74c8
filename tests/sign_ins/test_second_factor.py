"""Tests of the second factor after a sign-in at a provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.alexa import fragment
from tests.second_factor.browser import Browser, Site
from tests.sign_ins.phone import ADA, Phone
from tests.sign_ins.stand_in import code_of

REQUIRED = {"client__alexa__second_factor": "required"}


@pytest.fixture
def make_phone(make_provider_app: Callable[..., Any]) -> Callable[..., Phone]:
    return lambda **settings: Phone(make_provider_app(**REQUIRED, **settings))


def browser_at(phone: Phone, page: Any) -> Browser:
    """Returns the browser of a phone that shows a page."""
    return Browser(Site(phone.client), phone.alexa, phone.address, page)


JO = {
    "sub": "7f:3",
    "name": "Jo Doe",
    "email": "jo@example.com",
    "verified": ["email"],
    "department": ["Cars", "Ships"],
}


@pytest.mark.parametrize(("provider", "claims"), [("google", ADA), ("corp", JO)])
def test_a_provider_is_the_first_step_only(
    make_phone: Callable[..., Phone], provider: str, claims: dict[str, Any]
) -> None:
    phone = make_phone()
    browser = browser_at(phone, phone.sign_in(provider, **claims))
    assert browser.shown() == "second_factor_setup"
    assert browser.site.links() == 0
    assert browser.set_up() == "recovery_codes"
    assert browser.send("saved") == "linked"
    assert fragment(browser.page.location)["state"] == phone.alexa.parameters["state"]
    linked = phone.linked(browser.page)
    assert linked["sub"] == ("staff:1" if provider == "google" else "corp:7f:3")
    # what the client may know of the person is the same as without the second step
    assert linked["name"] == ("Ada Lovelace" if provider == "google" else "Jo Doe")
    assert linked["email"] == ("ada@example.com" if provider == "google" else "jo@example.com")
    assert linked.get("department") == (None if provider == "google" else ["Cars", "Ships"])
    browser.site.clock.ahead += 30
    browser.page = phone.sign_in(provider, **claims)
    assert browser.shown() == "second_factor"
    assert browser.send(code=browser.code()) == "linked"


def test_a_provider_and_a_password_lead_to_the_same_second_factor(make_phone: Callable[..., Phone]) -> None:
    phone = make_phone()
    browser = browser_at(phone, phone.sign_in("google", **ADA))
    browser.set_up()
    assert browser.send("saved") == "linked"
    browser.site.clock.ahead += 30
    assert browser.sign_in("ada") == "second_factor"
    assert browser.send(code=browser.code()) == "linked"


def test_a_posted_answer_leads_to_the_second_factor(make_phone: Callable[..., Phone]) -> None:
    phone = make_phone()
    page = phone.post_back(phone.started("apple"), code_of(sub="001.a", name="Ada"), "apple")
    browser = browser_at(phone, page)
    assert browser.shown() == "second_factor_setup"
    assert browser.set_up() == "recovery_codes"
    assert browser.send("saved") == "linked"


def test_only_people_of_the_named_backends_and_providers_are_asked(make_phone: Callable[..., Phone]) -> None:
    phone = make_phone(second_factor__backends="corp")
    assert phone.sign_in("google", **ADA).status_int == 303
    assert browser_at(phone, phone.sign_in("corp", sub="7f:3")).shown() == "second_factor_setup"


def test_a_query_of_4096_characters_and_a_language_survive_both_steps(make_phone: Callable[..., Phone]) -> None:
    phone = make_phone()
    state = "".join(map(chr, range(32, 127))) + "s" * 4_001
    phone.alexa.parameters |= {"state": state, "ui_locales": "ar"}
    browser = browser_at(phone, phone.sign_in("google", **ADA))
    assert 'lang="ar"' in browser.page.text
    assert browser.set_up() == "recovery_codes"
    assert 'lang="ar"' in browser.page.text
    assert browser.send("saved") == "linked"
    assert fragment(browser.page.location)["state"] == state


@pytest.mark.parametrize(("provider", "claims"), [("google", ADA), ("corp", {**ADA, "sub": "7"})])
def test_people_of_a_provider_get_no_codes_by_mail(
    make_phone: Callable[..., Phone], provider: str, claims: dict[str, Any]
) -> None:
    """The provider may have the mailbox, so that access to it would be enough for both steps."""
    mail = {"mail__host": "127.0.0.1", "mail__sender": "link@example.com", "mail__security": "none"}
    phone = make_phone(second_factor__mail_codes="true", **mail)
    browser = browser_at(phone, phone.sign_in(provider, **claims))
    assert browser.shown() == "second_factor_setup"
    assert not browser.page.html.find_all("button", {"value": "mail"})
    browser.send("switch", "mail")
    assert browser.shown() == "second_factor_setup"
    browser.sign_in("ada")
    assert browser.page.html.find_all("button", {"value": "mail"})
