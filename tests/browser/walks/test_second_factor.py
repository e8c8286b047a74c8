"""Walks through the second factor on a phone, in three languages, with and without JavaScript."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect
from pyotp import TOTP

from tests.browser.visitor import Visitor
from tests.browser.walks.account_server import PASSWORD, AccountServer
from tests.browser.walks.walker import LANGUAGES, expect_error, expect_link, photograph, send
from tests.servers.openid_provider import OpenIDProvider

STEP = 30
"""Seconds for which a code is shown (RFC 6238)."""
WRONG_CODE = "000000"

languages = pytest.mark.parametrize("language", LANGUAGES)
scripts = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


class Authenticator:
    """The app of a person. Each code is newer than the last one; the server accepts the previous and the next one."""

    def __init__(self, secret: str) -> None:
        self._totp = TOTP(secret)
        self._step = 0

    def code(self) -> str:
        self._step = max(int(time.time()) // STEP - 1, self._step + 1)
        return self._totp.at(self._step * STEP)


def enter_code(visitor: Visitor, code: str) -> None:
    visitor.page.fill("#code", code)
    send(visitor)


def expect_wrong_code(visitor: Visitor, language: str) -> None:
    expect_error(visitor, language)
    expect(visitor.page.locator("#code")).to_have_attribute("aria-invalid", "true")


def secret_on(page: Page) -> str:
    """Returns the secret on the page that sets up the second factor. The link for the app contains it too."""
    # after an error, the first part of the page is folded
    secret = str(page.text_content("#key")).replace(" ", "")
    uri = urlsplit(str(page.get_attribute("a[href^='otpauth:']", "href")))
    assert parse_qs(uri.query)["secret"] == [secret]
    return secret


def set_up(visitor: Visitor, language: str, name: str) -> tuple[Authenticator, list[str]]:
    """Sets up a second factor after a sign-in. Returns the app and the recovery codes."""
    page = visitor.page
    expect(page.locator("html")).to_have_attribute("lang", language)
    page.click("details.qr summary")
    expect(page.locator("details.qr svg")).to_be_visible()
    photograph(visitor, f"set-up-{name}")
    secret = secret_on(page)
    enter_code(visitor, WRONG_CODE)
    expect_wrong_code(visitor, language)
    photograph(visitor, f"set-up-wrong-{name}")
    # the entry in the app stays valid
    assert secret_on(page) == secret
    app = Authenticator(secret)
    enter_code(visitor, app.code())
    expect(page.locator("#codes code")).to_have_count(10)
    photograph(visitor, f"recovery-codes-{name}")
    codes = page.locator("#codes code").all_inner_texts()
    assert len(set(codes)) == 10
    page.check("input[name=saved]")
    send(visitor)
    return app, codes


@scripts
@languages
def test_a_person_sets_up_a_second_factor_and_needs_it_from_then_on(
    enter: Callable[..., Visitor], second_factor_server: AccountServer, language: str, script: bool
) -> None:
    name = f"{language}-{script}"
    person = second_factor_server.new_person()
    visitor = enter(language, script)
    visitor.sign_in(person, PASSWORD)
    app, recovery_codes = set_up(visitor, language, name)
    expect_link(visitor, second_factor_server)

    visitor.enable(second_factor_server)
    visitor.sign_in(person, PASSWORD)
    expect(visitor.page.locator("#code")).to_be_visible()
    photograph(visitor, f"code-{name}")
    enter_code(visitor, WRONG_CODE)
    expect_wrong_code(visitor, language)
    code = app.code()
    enter_code(visitor, f"{code[:3]} {code[3:]}")
    expect_link(visitor, second_factor_server)

    visitor.enable(second_factor_server)
    visitor.sign_in(person, PASSWORD)
    enter_code(visitor, code)
    expect_wrong_code(visitor, language)
    photograph(visitor, f"code-used-{name}")
    visitor.page.click("button[name=switch][value=recovery_code]")
    expect(visitor.page.locator("input[name=method]")).to_have_value("recovery_code")
    photograph(visitor, f"recovery-code-{name}")
    enter_code(visitor, recovery_codes[0].upper())
    expect_link(visitor, second_factor_server)

    visitor.enable(second_factor_server)
    visitor.sign_in(person, PASSWORD)
    visitor.page.click("button[name=switch][value=recovery_code]")
    enter_code(visitor, recovery_codes[0])
    expect_wrong_code(visitor, language)
    enter_code(visitor, recovery_codes[1])
    expect_link(visitor, second_factor_server)


@scripts
@languages
def test_a_person_of_a_provider_needs_the_second_factor_too(
    enter: Callable[..., Visitor],
    second_factor_server: AccountServer,
    openid: OpenIDProvider,
    language: str,
    script: bool,
) -> None:
    login = f"second-{language}-{script}"
    openid.accounts[login] = {"sub": login}
    openid.reload()
    visitor = enter(language, script)
    page = visitor.page
    page.click("button[form='go-own']")
    page.fill("#login", login)
    page.click("#sign-in")
    page.wait_for_url(f"{second_factor_server.url}/authorize/return/own**")
    set_up(visitor, language, f"provider-{language}-{script}")
    expect_link(visitor, second_factor_server)


@scripts
@languages
def test_a_person_comes_back_from_a_provider_with_a_posted_form(
    enter: Callable[..., Visitor], posting_server: AccountServer, openid: OpenIDProvider, language: str, script: bool
) -> None:
    login = f"posted-{language}-{script}".lower()
    openid.accounts[login] = {"sub": login}
    openid.reload()
    visitor = enter(language, script)
    page = visitor.page
    page.click("button[form='go-own']")
    page.fill("#login", login)
    page.click("#sign-in")
    if not script:
        # the page of the provider sends its form by a script, or by this button
        page.click("button")
    page.wait_for_url(f"{posting_server.url}/authorize/return/own")
    answer = next(each for each in reversed(visitor.requests) if each.url == page.url)
    assert answer.method == "POST"
    # without https, no cookie comes along with a posted form, so the person confirms the link
    expect(page.locator("#which")).to_contain_text(login)
    page.click("form[action*='/authorize/confirm?'] .primary")
    page.wait_for_url(f"{posting_server.url}/authorize/confirm?**")
    set_up(visitor, language, f"posted-{language}-{script}")
    expect_link(visitor, posting_server)


@scripts
def test_a_remembered_device_is_not_asked_again(
    enter: Callable[..., Visitor], second_factor_server: AccountServer, script: bool
) -> None:
    person = second_factor_server.new_person()
    visitor = enter("en", script)
    visitor.sign_in(person, PASSWORD)
    app, _ = set_up(visitor, "en", f"remembered-{script}")
    visitor.enable(second_factor_server)
    visitor.sign_in(person, PASSWORD)
    visitor.page.check("input[name=remember]")
    enter_code(visitor, app.code())
    expect_link(visitor, second_factor_server)
    visitor.enable(second_factor_server)
    visitor.sign_in(person, PASSWORD)
    expect_link(visitor, second_factor_server)
    other = enter("en", script)
    other.sign_in(person, PASSWORD)
    expect(other.page.locator("#code")).to_be_visible()


@scripts
@languages
def test_an_optional_second_factor_can_be_skipped_or_set_up(
    enter: Callable[..., Visitor], optional_server: AccountServer, language: str, script: bool
) -> None:
    person = optional_server.new_person()
    visitor = enter(language, script)
    visitor.sign_in(person, PASSWORD)
    photograph(visitor, f"optional-{language}-{script}")
    visitor.page.click("button[name=skip]")
    expect_link(visitor, optional_server)
    visitor.enable(optional_server)
    visitor.sign_in(person, PASSWORD)
    app, _ = set_up(visitor, language, f"optional-{language}-{script}")
    expect_link(visitor, optional_server)
    visitor.enable(optional_server)
    visitor.sign_in(person, PASSWORD)
    expect(visitor.page.locator("button[name=skip]")).to_have_count(0)
    enter_code(visitor, app.code())
    expect_link(visitor, optional_server)


def test_an_old_page_does_not_skip_a_second_factor_that_was_set_up_since(
    enter: Callable[..., Visitor], optional_server: AccountServer
) -> None:
    """Who knows only the password may have opened the page before."""
    person = optional_server.new_person()
    attacker = enter("en", True)
    attacker.sign_in(person, PASSWORD)
    expect(attacker.page.locator("button[name=skip]")).to_be_visible()
    owner = enter("en", True)
    owner.sign_in(person, PASSWORD)
    set_up(owner, "en", "meanwhile")
    expect_link(owner, optional_server)
    attacker.page.click("button[name=skip]")
    expect(attacker.page.locator("#code")).to_be_visible()
    expect(attacker.page.locator("#key")).to_have_count(0)
    assert "access_token" not in attacker.page.url


@scripts
def test_reloading_and_going_back_leave_a_way_on(
    enter: Callable[..., Visitor], second_factor_server: AccountServer, script: bool
) -> None:
    person = second_factor_server.new_person()
    visitor = enter("en", script)
    page = visitor.page
    visitor.sign_in(person, PASSWORD)
    secret = secret_on(page)
    page.reload()
    expect(page.locator("#key")).to_be_visible()
    page.go_back()
    visitor.sign_in(person, PASSWORD)
    expect(page.locator("#key")).to_be_visible()
    assert secret
    set_up(visitor, "en", f"reloaded-{script}")
    expect_link(visitor, second_factor_server)
