"""What the page's one script helps with, that nothing needs it, and that it never stands in the way."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Playwright, Route, expect

from tests.backends.outcomes import PASSWORD as CHANGING_PASSWORD
from tests.browser import faults
from tests.browser.conftest import ARGUMENTS, PHONE, TIMEOUT
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

PASSWORD = "lovelace-1815"
AUTHORIZE = re.compile("/authorize")


def capitals(page: Page, field: str, on: bool) -> None:
    """A key is pressed in a field while caps lock is on or off: Chromium without a head has no such lock itself."""
    page.locator(field).dispatch_event("keydown", {"key": "A", "modifierCapsLock": on})


def posts(visitor: Visitor) -> list[str]:
    return [each.url for each in visitor.requests if each.method == "POST" and "/authorize" in each.url]


def test_capitals_are_said(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    hint = visitor.page.locator(".capitals")
    expect(hint).to_have_text("")
    expect(hint).to_have_attribute("aria-live", "polite")
    capitals(visitor.page, "#password", on=True)
    expect(hint).to_have_text("Caps lock is on.")
    expect(hint).to_be_visible()
    capitals(visitor.page, "#password", on=False)
    expect(hint).to_have_text("")
    capitals(visitor.page, "#password", on=True)
    visitor.page.locator("#password").dispatch_event("blur")
    expect(hint).to_have_text("")


def test_a_password_can_be_looked_at_and_is_hidden_again_when_it_is_sent(
    visitor: Visitor, served: DevelopmentServer
) -> None:
    visitor.enable(served)
    page = visitor.page
    eye, field = page.get_by_role("button", name="Show password"), page.locator("#password")
    visitor.type("ada", "wrong")
    expect(eye).to_have_attribute("aria-pressed", "false")
    eye.click()
    expect(field).to_have_attribute("type", "text")
    expect(eye).to_have_attribute("aria-pressed", "true")
    eye.click()
    expect(field).to_have_attribute("type", "password")
    eye.click()
    seen: list[str] = []
    page.expose_function("note", lambda kind: seen.append(kind))
    page.evaluate("addEventListener('pagehide', () => note(document.querySelector('#password').type))")
    # asked after the page's own listener, before the page is left
    page.evaluate("addEventListener('submit', () => { note(document.querySelector('#password').type) })")
    page.click("button.primary")
    expect(visitor.alert).to_be_visible()
    assert seen
    assert set(seen) == {"password"}
    assert len(posts(visitor)) == 1


def test_the_password_page_has_an_eye_for_each_field(
    visit: Callable[..., Visitor], changing_app: DevelopmentServer
) -> None:
    visitor = visit(locale="de-DE", viewport={"width": 320, "height": 640})
    visitor.enable(changing_app)
    visitor.sign_in("expired-with-eyes", CHANGING_PASSWORD)
    expect(visitor.page.locator("h1")).to_have_text("Neues Passwort wählen")
    page = visitor.page
    for name in ("password", "new_password", "repeated_password"):
        page.fill(f"#{name}", "x")
        page.locator(f"[aria-controls={name}]").click()
        expect(page.locator(f"#{name}")).to_have_attribute("type", "text")
        capitals(page, f"#{name}", on=True)
        expect(page.locator(f"[data-of={name}]")).to_have_text("Die Feststelltaste ist aktiviert.")
    assert faults.targets(page) == []
    assert faults.layout(page) == []


def swallow(page: Page) -> list[str]:
    """Posts of this page come to nothing: they are put into the list, and the browser stays where it is."""
    posted: list[str] = []

    def stay(route: Route) -> None:
        if route.request.method == "POST":
            posted.append(route.request.post_data or "")
            route.fulfill(status=204)
        else:
            route.fallback()

    page.route(AUTHORIZE, stay)
    return posted


def test_two_fast_clicks_are_one_post(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    page = visitor.page
    posted = swallow(page)
    visitor.type("ada", PASSWORD)
    button = page.locator("button.primary")
    button.click()
    expect(button).to_have_text("Signing in…")
    expect(button).to_have_attribute("aria-busy", "true")
    expect(page.locator(".unseen")).to_have_text("Signing in…")
    button.click()
    page.press("#password", "Enter")
    page.locator("button.secondary").click()
    assert len(posted) == 1


def test_two_clicks_at_once_link_once(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    visitor.type("ada", PASSWORD)
    visitor.page.evaluate("const b = document.querySelector('button.primary'); b.click(); b.click()")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Linked as ada")
    assert len(posts(visitor)) == 1


def test_a_post_that_came_to_nothing_can_be_sent_again(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    page = visitor.page
    posted = swallow(page)
    visitor.type("ada", PASSWORD)
    button = page.locator("button.primary")
    button.click()
    expect(button).to_have_text("Signing in…")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(button).to_have_text("Sign in and link")
    expect(button).to_have_attribute("aria-busy", "false")
    expect(page.locator(".unseen")).to_have_text("")
    assert len(posted) == 1
    page.unroute(AUTHORIZE)
    button.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Linked as ada")


def test_cancel_says_nothing_of_signing_in(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    posted = swallow(visitor.page)
    visitor.page.click("text=Cancel")
    expect(visitor.page.locator("button.secondary")).to_have_attribute("aria-busy", "true")
    expect(visitor.page.locator("button.primary")).to_have_text("Sign in and link")
    assert "cancel=1" in posted[0]


def say(page: Page, languages: str = "") -> None:
    """The browser says these languages, or none, as some inside apps do; scripts still learn its own."""
    page.route("**/*", lambda route: route.continue_(headers={**route.request.headers, "accept-language": languages}))


def pages_of(visitor: Visitor) -> list[str]:
    return [each.url for each in visitor.requests if each.is_navigation_request() and "/authorize" in each.url]


@pytest.mark.parametrize(
    ("locale", "language", "added"),
    [
        ("de-AT", "de", "de"),
        ("en-GB", "en-GB", "en-GB"),
        # of several regions the server chooses
        ("en-AU", "en-GB", "en-AU"),
        ("es-US", "es-MX", "es-US"),
        ("fr-CA", "fr-CA", "fr-CA"),
        ("en-US", "en", "en-US"),
        ("ko-KR", "en", ""),
    ],
)
def test_a_browser_that_says_no_language_is_asked_for_it_once(
    visit: Callable[..., Visitor], served: DevelopmentServer, locale: str, language: str, added: str
) -> None:
    loads = 2 if added else 1
    visitor = visit(locale=locale)
    say(visitor.page)
    visitor.enable(served)
    expect(visitor.page.locator("html")).to_have_attribute("lang", language)
    visitor.page.wait_for_load_state("networkidle")
    requested = pages_of(visitor)
    assert len(requested) == loads
    # the query byte for byte, one parameter more
    assert requested[-1] == requested[0] + (f"&ui_locales={added}" if added else "")
    visitor.sign_in("ada", "wrong")
    expect(visitor.page.locator("html")).to_have_attribute("lang", language)
    visitor.sign_in("ada", PASSWORD)
    visitor.page.wait_for_url(f"{served.url}/simulator/pitangui/**")
    assert visitor.fragment["state"] == visitor.sent_state
    # nothing of it stays in the way of the button that goes back
    assert len(pages_of(visitor)) == loads + 2


def test_a_browser_that_says_a_language_is_believed(visit: Callable[..., Visitor], served: DevelopmentServer) -> None:
    visitor = visit(locale="de-DE")
    say(visitor.page, "en")
    visitor.enable(served)
    expect(visitor.page.locator("html")).to_have_attribute("lang", "en")
    visitor.page.wait_for_load_state("networkidle")
    assert len(pages_of(visitor)) == 1


@pytest.mark.parametrize("script", [True, False])
def test_another_language_is_chosen_at_the_foot(
    visit: Callable[..., Visitor], served: DevelopmentServer, script: bool
) -> None:
    visitor = visit(java_script_enabled=script)
    page = visitor.page
    visitor.enable(served)
    expect(page.get_by_role("button", name="Deutsch")).not_to_be_visible()
    page.locator("summary").click()
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert urlsplit(page.url).query.endswith("&ui_locales=de")
    visitor.sign_in("ada", "wrong")
    expect(visitor.alert).to_contain_text("Name oder Passwort ist falsch")
    page.locator("summary").click()
    expect(page.get_by_role("button", name="Deutsch")).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(visitor.alert).to_have_count(0)
    visitor.sign_in("ada", PASSWORD)
    page.wait_for_url(f"{served.url}/simulator/pitangui/**")
    assert visitor.fragment["state"] == visitor.sent_state


def test_the_choice_of_a_language_is_large_enough_and_fits(visitor: Visitor, bare_login: str) -> None:
    visitor.page.set_viewport_size({"width": 320, "height": 640})
    visitor.page.goto(bare_login)
    visitor.page.locator("summary").click()
    assert faults.targets(visitor.page) == []
    assert faults.layout(visitor.page) == []


def test_without_a_script_nothing_is_there_that_does_nothing(
    visit: Callable[..., Visitor], served: DevelopmentServer
) -> None:
    visitor = visit(java_script_enabled=False)
    visitor.enable(served)
    expect(visitor.page.locator(".eye")).to_be_hidden()
    expect(visitor.page.locator(".capitals")).to_have_text("")
    expect(visitor.page.locator("button:visible")).to_have_text(["Sign in and link", "Cancel"])


def test_the_memory_of_pages_gives_back_a_form_that_can_be_sent(
    playwright: Playwright, chromium_path: str, served: DevelopmentServer
) -> None:
    """A real one: Playwright switches it off, and no-store, which some browsers heed here, is taken off on the way."""
    browser: Browser = playwright.chromium.launch(
        executable_path=chromium_path,
        headless=True,
        args=ARGUMENTS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    try:
        context = browser.new_context(locale="en-US", viewport=PHONE)
        context.set_default_timeout(TIMEOUT)
        page = context.new_page()

        def cacheable(route: Route) -> None:
            answer = route.fetch(max_redirects=0)
            headers = {name: value for name, value in answer.headers.items() if name != "cache-control"}
            route.fulfill(response=answer, headers=headers)

        page.route(AUTHORIZE, cacheable)
        page.goto(f"{served.url}/simulator/enable")
        page.evaluate("window.remembered = true")
        page.fill("#username", "ada")
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        expect(page.get_by_role("heading", level=1)).to_have_text("Linked as ada")
        # not go_back, which waits for a page to be loaded
        page.evaluate("history.back()")
        expect(page.locator("button.primary")).to_have_text("Sign in and link")
        remembered = page.evaluate("window.remembered === true")
        page.fill("#username", "ada")
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        deadline = time.monotonic() + TIMEOUT / 1000
        while "/simulator/pitangui/" not in page.url and time.monotonic() < deadline:
            page.wait_for_timeout(50)
        expect(page.get_by_role("heading", level=1)).to_have_text("Linked as ada")
        assert remembered, "the page was loaded anew, so that this test shows nothing"
    finally:
        browser.close()
