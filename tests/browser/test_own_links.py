"""Walks over /links in Chromium, as a phone shows it, with and without scripts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import page_checks
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

PHONE = {"width": 390, "height": 844}
SCREENSHOTS = os.environ.get("LINKAUTH_SCREENSHOTS", "")
"""A folder for pictures of the pages, for people to look at."""


def picture(visitor: Visitor, name: str) -> None:
    if SCREENSHOTS:
        visitor.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("language", ["en", "de", "ar"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_person_ends_a_link_on_a_phone(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer, language: str, script: bool
) -> None:
    visitor = new_visitor(viewport=PHONE, java_script_enabled=script, locale=language)
    page, name = visitor.page, f"{language}-{'script' if script else 'plain'}"
    visitor.enable(demo_server, language)
    # by the link at the foot, and back: the login page still links
    foot = page.locator("footer a[href^='/links']")
    picture(visitor, f"{name}-login")
    foot.click()
    expect(page.locator("html")).to_have_attribute("lang", language)
    assert page.url == f"{demo_server.url}/links?ui_locales={language}"
    page.go_back()
    visitor.sign_in("grace", "hopper-1906")
    # the simulator reads the response with a script; without it, the redirect shows that the link exists
    expect(page.locator("body[data-result=linked]" if script else "#username")).to_have_count(1 if script else 0)
    page.goto(f"{demo_server.url}/links?ui_locales={language}")
    picture(visitor, f"{name}-sign-in")
    visitor.sign_in("grace", "hopper-1906")
    expect(page.locator(".links li")).to_have_count(1)
    picture(visitor, f"{name}-list")
    if script:
        assert page_checks.accessibility(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("[name=end]").click()
    expect(page.locator("[name=confirmed]")).to_be_visible()
    picture(visitor, f"{name}-question")
    if script:
        assert page_checks.accessibility(page) == []
    page.locator("[name=back]").click()
    page.locator("[name=end]").click()
    page.locator("[name=confirmed]").click()
    expect(page.locator("#ended")).to_be_visible()
    expect(page.locator(".links li")).to_have_count(0)
    picture(visitor, f"{name}-ended")
    if script:
        expect(page.locator("#ended")).to_be_focused()
        assert page_checks.accessibility(page) == []
    page.locator("[name=sign_out]").click()
    expect(page.locator("#username")).to_have_value("")
    assert page.url == f"{demo_server.url}/links?ui_locales={language}"
