"""Tests of recovery and sign-up in a real browser with the screen size of a phone, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor
from tests.browser.walks.account_server import AccountServer
from tests.browser.walks.walker import LOCALES, leave_and_return, send

NEW_PASSWORD = "quartz lantern 52 meadow"


def fill_fields(page: Page) -> None:
    """Fills in the required fields of the sign-up page, except the user name and the address."""
    page.fill("#field-name", "Mary Somerville")
    page.select_option("#field-country", "DE")
    page.fill("#field-postal_code", "1011")
    page.check("#field-accept_terms")


def enter_code(visitor: Visitor, code: str) -> None:
    """Types a wrong code, then the right one in another spelling."""
    visitor.page.fill("#code", "22222222")
    send(visitor)
    expect(visitor.alert).to_be_visible()
    expect(visitor.page.locator("#code")).to_have_attribute("aria-invalid", "true")
    visitor.page.fill("#code", code.lower().replace("-", " "))
    send(visitor)


def choose_password(visitor: Visitor, account_server: AccountServer, username: str) -> None:
    """Chooses a common password, then a good one, and checks that the person is linked and can sign in with it."""
    page = visitor.page
    expect(page.locator("#username")).to_have_value(username)
    for chosen in ("password1", NEW_PASSWORD):
        page.fill("#new_password", chosen)
        page.fill("#repeated_password", chosen)
        send(visitor)
        if chosen != NEW_PASSWORD:
            expect(page.locator("#new_password")).to_have_attribute("aria-invalid", "true")
    page.wait_for_url(f"{account_server.url}/simulator/pitangui/**")
    assert len(visitor.fragment["access_token"]) == 43
    assert visitor.fragment["state"] == visitor.sent_state


def sign_in_again(visitor: Visitor, account_server: AccountServer, username: str) -> None:
    visitor.enable(account_server)
    visitor.sign_in(username, NEW_PASSWORD)
    visitor.page.wait_for_url(f"{account_server.url}/simulator/pitangui/**")


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("language", LOCALES)
def test_a_person_who_forgot_the_password_recovers_and_is_linked(
    enter: Callable[..., Visitor], account_server: AccountServer, language: str, script: bool
) -> None:
    person = account_server.new_person()
    visitor = enter(language, script)
    page = visitor.page
    page.click("button[formaction$='/authorize/recover']")
    expect(page.locator("html")).to_have_attribute("lang", language)
    page.fill("#username", person)
    send(visitor)
    leave_and_return(visitor)
    enter_code(visitor, account_server.code_for(f"{person}@example.com"))
    leave_and_return(visitor)
    choose_password(visitor, account_server, person)
    sign_in_again(visitor, account_server, person)
    # one code, although forms were sent again, and one notice
    assert len(account_server.mails(f"{person}@example.com", 2)) == 2


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("language", LOCALES)
def test_a_new_person_signs_up_and_is_linked(
    enter: Callable[..., Visitor], account_server: AccountServer, language: str, script: bool
) -> None:
    person = f"new-{language}-{script}".lower()
    visitor = enter(language, script)
    page = visitor.page
    page.click("button[formaction$='/authorize/register']")
    expect(page.locator("html")).to_have_attribute("lang", language)
    page.fill("#field-username", person)
    page.fill("#field-email", f"{person}@example.com")
    fill_fields(page)
    send(visitor)
    # postal codes of Germany have five digits
    expect(page.locator("#field-postal_code")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#field-email")).to_have_value(f"{person}@example.com")
    page.fill("#field-postal_code", "10115")
    send(visitor)
    leave_and_return(visitor)
    enter_code(visitor, account_server.code_for(f"{person}@example.com"))
    leave_and_return(visitor)
    choose_password(visitor, account_server, person)
    sign_in_again(visitor, account_server, person)
    assert len(account_server.mails(f"{person}@example.com", 1)) == 1


def test_a_forgotten_user_name_is_in_the_mail(enter: Callable[..., Visitor], account_server: AccountServer) -> None:
    person = account_server.new_person()
    visitor = enter("en", True)
    visitor.page.click("button[formaction$='/authorize/recover']")
    visitor.page.fill("#username", f"{person}@EXAMPLE.com")
    send(visitor)
    assert f"- {person}" in account_server.mails(f"{person}@example.com")[0].text.splitlines()
