"""What every walk does: send forms, leave a page and return, take screenshots."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Error, expect

from tests.browser.visitor import Visitor, parameters
from tests.browser.walks.account_server import AccountServer

LOCALES = {"en": "en-US", "de": "de-DE", "ja": "ja-JP", "ar": "ar-SA"}
LANGUAGES = ("en", "de", "ar")
SCREEN = {"width": 390, "height": 844}
SCREENSHOTS = "LINKAUTH_SCREENSHOTS"
"""The environment variable with the folder for screenshots. Without it there are none."""


def send(visitor: Visitor) -> None:
    visitor.page.click("button.primary")


def photograph(visitor: Visitor, name: str) -> None:
    """Writes a screenshot of the whole page to the folder of SCREENSHOTS, if it is set."""
    if folder := os.environ.get(SCREENSHOTS):
        visitor.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def expect_link(visitor: Visitor, server: AccountServer) -> None:
    """Waits for the page of the Alexa app, which has received a token for the last authorization request."""
    visitor.page.wait_for_url(f"{server.url}/simulator/pitangui/**")
    assert len(visitor.fragment["access_token"]) == 43
    sent = [parameters(urlsplit(each.url).query) for each in visitor.requests if is_login_page(each.url)]
    assert visitor.fragment["state"] == sent[-1]["state"]


def is_login_page(url: str) -> bool:
    return urlsplit(url).path == "/authorize"


def expect_error(visitor: Visitor, language: str) -> None:
    expect(visitor.alert).to_be_visible()
    expect(visitor.page.locator("html")).to_have_attribute("lang", language)


def go(visitor: Visitor, move: Callable[..., object]) -> None:
    """Goes back or forward. If the browser asks whether to send a form again, it is sent again."""
    try:
        move()
    except Error as error:
        if "ERR_CACHE_MISS" not in error.message:
            raise
        visitor.page.wait_for_url("chrome-error://**")
        visitor.page.reload()


def leave_and_return(visitor: Visitor) -> None:
    """Reloads the page, goes back and forward again. The page must be the same one."""
    page = visitor.page
    heading = page.inner_text("h1")
    page.reload()
    expect(page.locator("h1")).to_have_text(heading, use_inner_text=True)
    go(visitor, page.go_back)
    expect(page.locator("h1")).not_to_have_text(heading, use_inner_text=True)
    go(visitor, page.go_forward)
    expect(page.locator("h1")).to_have_text(heading, use_inner_text=True)
