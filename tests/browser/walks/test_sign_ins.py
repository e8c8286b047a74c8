"""Walks to a real sign-in provider and back, on a phone, in three languages, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor
from tests.browser.walks.account_server import AccountServer
from tests.browser.walks.walker import LANGUAGES, expect_error, expect_link, go, photograph, send
from tests.servers.openid_browser import ProviderBrowser
from tests.servers.openid_provider import OpenIDProvider

languages = pytest.mark.parametrize("language", LANGUAGES)
scripts = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


def choose(page: Page, name: str) -> None:
    """Presses the button of a provider on the login page."""
    page.click(f"button[form='go-{name}']")


def to_provider(visitor: Visitor, openid: OpenIDProvider, name: str) -> None:
    choose(visitor.page, name)
    visitor.page.wait_for_url(f"{openid.url}/interaction/**")


def sign_in(page: Page, login: str) -> None:
    """Signs in on the page of the provider."""
    page.fill("#login", login)
    page.click("#sign-in")


@scripts
@languages
def test_a_person_links_with_one_press_and_the_page_of_the_provider(
    enter: Callable[..., Visitor],
    sign_in_server: AccountServer,
    openid: OpenIDProvider,
    language: str,
    script: bool,
) -> None:
    visitor = enter(language, script)
    photograph(visitor, f"login-{language}-{script}")
    to_provider(visitor, openid, "own")
    # back to the login page, and to the provider again
    go(visitor, visitor.page.go_back)
    expect(visitor.page.locator("#username")).to_be_visible()
    to_provider(visitor, openid, "own")
    sign_in(visitor.page, "nameless")
    expect_link(visitor, sign_in_server)
    # the answer of the provider was used; the page says so, and the person can begin again
    used = next(each.url for each in reversed(visitor.requests) if "/authorize/return/own" in each.url)
    visitor.page.goto(used)
    expect_error(visitor, language)
    photograph(visitor, f"used-{language}-{script}")
    # the provider remembers the person
    choose(visitor.page, "own")
    expect_link(visitor, sign_in_server)


@scripts
@languages
def test_a_person_who_cancels_goes_on_with_the_same_request(
    enter: Callable[..., Visitor],
    sign_in_server: AccountServer,
    openid: OpenIDProvider,
    language: str,
    script: bool,
) -> None:
    visitor = enter(language, script)
    to_provider(visitor, openid, "own")
    visitor.page.click("#cancel")
    visitor.page.wait_for_url(f"{sign_in_server.url}/authorize/return/own**")
    expect_error(visitor, language)
    photograph(visitor, f"cancelled-{language}-{script}")
    visitor.page.reload()
    expect_error(visitor, language)
    photograph(visitor, f"reloaded-{language}-{script}")
    to_provider(visitor, openid, "own")
    visitor.page.click("#cancel")
    visitor.page.wait_for_url(f"{sign_in_server.url}/authorize/return/own**")
    visitor.sign_in("ada", "lovelace-1815")
    expect_link(visitor, sign_in_server)


@scripts
@languages
def test_a_person_whom_no_backend_knows_may_sign_in_otherwise(
    enter: Callable[..., Visitor],
    sign_in_server: AccountServer,
    openid: OpenIDProvider,
    language: str,
    script: bool,
) -> None:
    visitor = enter(language, script)
    to_provider(visitor, openid, "corp")
    sign_in(visitor.page, "unproven")
    expect_error(visitor, language)
    photograph(visitor, f"unmatched-{language}-{script}")
    # the page must not say which address the provider named
    assert "ada@example.com" not in visitor.page.content()
    visitor.sign_in("grace", "hopper-1906")
    expect_link(visitor, sign_in_server)


@scripts
@languages
def test_a_person_without_an_account_creates_one_with_what_the_provider_knows(
    enter: Callable[..., Visitor],
    sign_in_server: AccountServer,
    openid: OpenIDProvider,
    language: str,
    script: bool,
) -> None:
    login = f"new-{language}-{script}".lower()
    email = f"{login}@example.com"
    openid.accounts[login] = {"sub": login, "email": email, "email_verified": True, "name": "Mary Somerville"}
    openid.reload()
    visitor = enter(language, script)
    page = visitor.page
    to_provider(visitor, openid, "corp")
    sign_in(page, login)
    expect_error(visitor, language)
    page.locator("button[form='prefilled']").first.click()
    expect(page.locator("#field-email")).to_have_value(email)
    expect(page.locator("#field-name")).to_have_value("Mary Somerville")
    photograph(visitor, f"register-{language}-{script}")
    page.fill("#field-username", login)
    page.select_option("#field-country", "DE")
    page.fill("#field-postal_code", "10115")
    page.check("#field-accept_terms")
    send(visitor)
    page.fill("#code", sign_in_server.code_for(email))
    send(visitor)
    page.fill("#new_password", "quartz lantern 52 meadow")
    page.fill("#repeated_password", "quartz lantern 52 meadow")
    send(visitor)
    expect_link(visitor, sign_in_server)
    # from now on the provider is enough
    visitor.enable(sign_in_server)
    choose(page, "corp")
    expect_link(visitor, sign_in_server)


@scripts
@languages
def test_a_disabled_person_is_told_so(
    enter: Callable[..., Visitor], openid: OpenIDProvider, sign_in_server: AccountServer, language: str, script: bool
) -> None:
    visitor = enter(language, script)
    to_provider(visitor, openid, "corp")
    sign_in(visitor.page, "konrad")
    expect_error(visitor, language)
    photograph(visitor, f"disabled-{language}-{script}")


@scripts
@languages
def test_a_provider_that_is_down_is_explained_and_can_be_tried_again(
    enter: Callable[..., Visitor],
    sign_in_server: AccountServer,
    openid: OpenIDProvider,
    language: str,
    script: bool,
) -> None:
    visitor = enter(language, script)
    to_provider(visitor, openid, "own")
    url = authorization_url(visitor, openid)
    answer = ProviderBrowser().sign_in(url, "ada")
    openid.stop()
    try:
        visitor.page.goto(f"{answer.url}?{urlencode(answer.parameters)}")
        expect_error(visitor, language)
        photograph(visitor, f"unavailable-{language}-{script}")
    finally:
        openid.start()
    to_provider(visitor, openid, "own")
    sign_in(visitor.page, "ada")
    expect_link(visitor, sign_in_server)


@scripts
@languages
def test_the_answer_for_another_browser_is_refused(
    enter: Callable[..., Visitor],
    sign_in_server: AccountServer,
    openid: OpenIDProvider,
    language: str,
    script: bool,
) -> None:
    other = enter(language, script)
    to_provider(other, openid, "own")
    answer = ProviderBrowser().sign_in(authorization_url(other, openid), "grace")
    visitor = enter(language, script)
    visitor.page.goto(f"{answer.url}?{urlencode(answer.parameters)}")
    expect_error(visitor, language)
    photograph(visitor, f"other-browser-{language}-{script}")
    assert "access_token" not in visitor.page.url


def authorization_url(visitor: Visitor, openid: OpenIDProvider) -> str:
    """Returns the URL to which linkauth has sent the browser."""
    return next(each.url for each in reversed(visitor.requests) if each.url.startswith(f"{openid.url}/auth?"))
