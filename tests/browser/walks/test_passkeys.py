"""Walks with passkeys: Chromium, its virtual authenticator, and the script of the default theme."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import TIMEOUT
from tests.browser.test_web_authentication import WEB_VIEWS
from tests.browser.visitor import Visitor
from tests.browser.walks.account_server import PASSWORD, AccountServer
from tests.browser.walks.test_second_factor import Authenticator, secret_on
from tests.browser.walks.walker import SCREEN
from tests.servers.virtual_authenticator import add_authenticator

SETTINGS = {"client.ride-hailer.second_factor": "required", "passkeys": "true"}


@pytest.fixture(scope="module")
def server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountServer]:
    """A server at the host name localhost, because an IP address has no passkeys."""
    started = AccountServer(tmp_path_factory.mktemp("passkeys"), SETTINGS, host="localhost")
    started.start()
    yield started
    started.stop()


@pytest.fixture
def arrive(browser: Browser, server: AccountServer) -> Iterator[Callable[..., Page]]:
    """`arrive(name, **options)` signs in with the password, and returns the page of the second step.

    `page` is a page to use again, with its authenticator. The options are those of the browser context.
    """
    visitors: list[Visitor] = []

    def arrive(name: str, page: Page | None = None, **options: object) -> Page:
        if page is None:
            context = browser.new_context(**{"locale": "en-US", "viewport": SCREEN, **options})
            context.set_default_timeout(TIMEOUT)
            visitors.append(Visitor(context, (server.url,)))
            page = visitors[-1].page
        page.goto(f"{server.url}/simulator/enable")
        page.fill("#username", name)
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.locator("[name=challenge]").wait_for(state="attached")
        return page

    yield arrive
    for visitor in visitors:
        visitor.close()
    assert [fault for visitor in visitors for fault in visitor.faults] == []


@pytest.fixture
def name(server: AccountServer) -> str:
    """The name of a person without a second factor."""
    return server.new_person()


def box(page: Page) -> Locator:
    return page.locator("[data-adds-passkey]")


def button(page: Page) -> Locator:
    return page.locator("button[name=switch][value=passkey]")


def set_up(page: Page, adds_passkey: bool = True) -> Authenticator:
    """Sets up an authenticator app on the page for it, and links. Returns the app."""
    app = Authenticator(secret_on(page))
    page.fill("#code", app.code())
    if adds_passkey:
        box(page).check()
    page.click("button.primary")
    page.check("[name=saved]")
    page.click("button.primary")
    linked(page)
    return app


def linked(page: Page) -> None:
    page.wait_for_url(re.compile(r"/simulator/.*#.*access_token="))


def test_a_passkey_is_added_with_the_first_code_and_replaces_the_next_ones(
    arrive: Callable[..., Page], name: str
) -> None:
    page = arrive(name)
    authenticator = add_authenticator(page)
    # the page has asked before there was one
    page = arrive(name, page)
    set_up(page)
    (passkey,) = authenticator.credentials()
    assert passkey["rpId"] == "localhost"
    for _ in range(2):
        arrive(name, page)
        button(page).click()
        expect(page.locator("h1")).to_have_text("Confirm with your passkey")
        page.click("button.primary")
        linked(page)
    assert authenticator.credentials()[0]["signCount"] == passkey["signCount"] + 2


def test_a_passkey_is_added_later_and_only_once_for_a_device(arrive: Callable[..., Page], name: str) -> None:
    page = arrive(name)
    authenticator = add_authenticator(page)
    app = set_up(page, adds_passkey=False)
    for _ in range(2):
        arrive(name, page)
        box(page).check()
        page.fill("#code", app.code())
        page.click("button.primary")
        # the browser refuses a second passkey of the same device, and the code is sent without it
        linked(page)
    assert len(authenticator.credentials()) == 1


def test_a_failed_passkey_is_said_on_the_page_and_the_app_is_another_way(
    arrive: Callable[..., Page], name: str
) -> None:
    page = arrive(name)
    authenticator = add_authenticator(page)
    page = arrive(name, page)
    set_up(page)
    authenticator.verify_user(False)
    arrive(name, page)
    button(page).click()
    page.click("button.primary")
    expect(page.locator("[data-passkey-failed]")).to_be_visible()
    expect(page.locator("button.primary")).not_to_have_attribute("aria-busy", "true")
    authenticator.verify_user(True)
    page.click("button.primary")
    linked(page)
    arrive(name, page)
    button(page).click()
    page.click("button[name=switch][value=totp]")
    expect(page.locator("#code")).to_be_visible()


def test_a_copied_passkey_is_refused(arrive: Callable[..., Page], name: str) -> None:
    page = arrive(name)
    authenticator = add_authenticator(page)
    page = arrive(name, page)
    set_up(page)
    (copied,) = authenticator.credentials()
    arrive(name, page)
    button(page).click()
    page.click("button.primary")
    linked(page)
    authenticator.remove()
    add_authenticator(page).add(copied)
    arrive(name, page)
    button(page).click()
    page.click("button.primary")
    expect(page.locator("#error")).to_contain_text("The passkey did not work")


def test_without_an_authenticator_of_the_device_nothing_is_shown(arrive: Callable[..., Page], name: str) -> None:
    page = arrive(name)
    add_authenticator(page, transport="usb")
    arrive(name, page)
    # the script has asked the browser: its answer comes after those to earlier questions
    page.evaluate("PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable()")
    expect(box(page)).to_be_attached()
    expect(box(page)).to_be_hidden()
    set_up(page, adds_passkey=False)


def test_without_javascript_nothing_is_shown_although_the_person_has_a_passkey(
    arrive: Callable[..., Page], name: str
) -> None:
    page = arrive(name)
    add_authenticator(page)
    page = arrive(name, page)
    set_up(page)
    plain = arrive(name, java_script_enabled=False)
    expect(button(plain)).to_be_attached()
    expect(button(plain)).to_be_hidden()
    expect(box(plain)).to_be_hidden()
    expect(plain.locator("#code")).to_be_visible()


@pytest.mark.parametrize("user_agent", WEB_VIEWS, ids=["android", "ios"])
def test_a_web_view_gets_a_page_without_passkeys(arrive: Callable[..., Page], name: str, user_agent: str) -> None:
    page = arrive(name, user_agent=user_agent)
    add_authenticator(page)
    arrive(name, page)
    assert "passkey" not in page.content()
