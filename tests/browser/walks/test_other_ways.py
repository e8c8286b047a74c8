"""Walks on pages that have only the buttons of sign-in providers, also in embedded browsers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.test_web_authentication import WEB_VIEWS
from tests.browser.visitor import Visitor
from tests.browser.walks.account_server import AccountServer
from tests.browser.walks.test_sign_ins import sign_in, to_provider
from tests.browser.walks.walker import LANGUAGES, expect_error, expect_link, photograph
from tests.servers.openid_provider import OpenIDProvider

languages = pytest.mark.parametrize("language", LANGUAGES)
scripts = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


@scripts
@languages
def test_a_page_with_buttons_only_links(
    enter: Callable[..., Visitor],
    buttons_server: AccountServer,
    openid: OpenIDProvider,
    language: str,
    script: bool,
) -> None:
    visitor = enter(language, script)
    expect(visitor.page.locator("#password")).to_have_count(0)
    expect(visitor.page.locator("button[form='go-corp']")).to_be_visible()
    photograph(visitor, f"buttons-{language}-{script}")
    to_provider(visitor, openid, "own")
    visitor.page.click("#cancel")
    visitor.page.wait_for_url(f"{buttons_server.url}/authorize/return/own**")
    expect_error(visitor, language)
    photograph(visitor, f"buttons-cancelled-{language}-{script}")
    to_provider(visitor, openid, "own")
    sign_in(visitor.page, "ada")
    expect_link(visitor, buttons_server)


@pytest.mark.parametrize("user_agent", WEB_VIEWS, ids=["android", "ios"])
@languages
def test_an_embedded_browser_is_not_sent_to_a_provider_that_refuses_it(
    enter: Callable[..., Visitor],
    buttons_server: AccountServer,
    openid: OpenIDProvider,
    language: str,
    user_agent: str,
) -> None:
    visitor = enter(language, False, user_agent=user_agent)
    expect(visitor.page.locator("button[form='go-corp']")).to_have_count(0)
    expect(visitor.page.locator("main")).to_contain_text("Example Corp")
    photograph(visitor, f"embedded-{language}-{'android' if 'Android' in user_agent else 'ios'}")
    to_provider(visitor, openid, "own")
    sign_in(visitor.page, "ada")
    expect_link(visitor, buttons_server)
