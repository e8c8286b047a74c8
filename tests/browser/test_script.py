"""Tests of the script of the login page: what it adds, and that linking also works without it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Playwright, Route, expect

from tests.backends.outcomes import PASSWORD as CHANGING_PASSWORD
from tests.browser import page_checks
from tests.browser.conftest import ARGUMENTS, PHONE, TIMEOUT
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

PASSWORD = "lovelace-1815"
AUTHORIZE = re.compile("/authorize")


def press_key_with_caps_lock(page: Page, field: str, on: bool) -> None:
    """Sends a key event with the state of caps lock to a field, because headless Chromium has no caps lock."""
    page.locator(field).dispatch_event("keydown", {"key": "A", "modifierCapsLock": on})


def post_urls(visitor: Visitor) -> list[str]:
    return [request.url for request in visitor.requests if request.method == "POST" and "/authorize" in request.url]


def test_caps_lock_is_reported(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    hint = visitor.page.locator(".capitals")
    expect(hint).to_have_text("")
    expect(hint).to_have_attribute("aria-live", "polite")
    press_key_with_caps_lock(visitor.page, "#password", on=True)
    expect(hint).to_have_text("Caps lock is on.")
    expect(hint).to_be_visible()
    press_key_with_caps_lock(visitor.page, "#password", on=False)
    expect(hint).to_have_text("")
    press_key_with_caps_lock(visitor.page, "#password", on=True)
    visitor.page.locator("#password").dispatch_event("blur")
    expect(hint).to_have_text("")


def test_a_password_can_be_shown_and_is_hidden_when_the_form_is_submitted(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    visitor.enable(demo_server)
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
    field_types: list[str] = []
    page.expose_function("note", lambda kind: field_types.append(kind))
    page.evaluate("addEventListener('pagehide', () => note(document.querySelector('#password').type))")
    # this listener runs after that of the page and before the page is left
    page.evaluate("addEventListener('submit', () => { note(document.querySelector('#password').type) })")
    page.click("button.primary")
    expect(visitor.alert).to_be_visible()
    assert field_types
    assert set(field_types) == {"password"}
    assert len(post_urls(visitor)) == 1


def test_each_field_of_the_password_page_has_a_button_that_shows_it(
    new_visitor: Callable[..., Visitor], changing_app: DevelopmentServer
) -> None:
    visitor = new_visitor(locale="de-DE", viewport={"width": 320, "height": 640})
    visitor.enable(changing_app)
    visitor.sign_in("expired-with-eyes", CHANGING_PASSWORD)
    expect(visitor.page.locator("h1")).to_have_text("Neues Passwort wählen")
    page = visitor.page
    for name in ("password", "new_password", "repeated_password"):
        page.fill(f"#{name}", "x")
        page.locator(f"[aria-controls={name}]").click()
        expect(page.locator(f"#{name}")).to_have_attribute("type", "text")
        press_key_with_caps_lock(page, f"#{name}", on=True)
        expect(page.locator(f"[data-of={name}]")).to_have_text("Die Feststelltaste ist aktiviert.")
    assert page_checks.targets(page) == []
    assert page_checks.layout(page) == []


def intercept_posts(page: Page) -> list[str]:
    """Responds to posts of this page with 204, so that the browser stays on the page. Returns the list of posts."""
    posted: list[str] = []

    def stay(route: Route) -> None:
        if route.request.method == "POST":
            posted.append(route.request.post_data or "")
            route.fulfill(status=204)
        else:
            route.fallback()

    page.route(AUTHORIZE, stay)
    return posted


def test_two_fast_clicks_send_one_post(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    page = visitor.page
    posted = intercept_posts(page)
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


def test_two_clicks_in_the_same_task_link_once(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    visitor.type("ada", PASSWORD)
    visitor.page.evaluate("const b = document.querySelector('button.primary'); b.click(); b.click()")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Linked as ada")
    assert len(post_urls(visitor)) == 1


def test_a_form_can_be_submitted_again_after_the_page_is_restored(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    visitor.enable(demo_server)
    page = visitor.page
    posted = intercept_posts(page)
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


def test_cancel_does_not_change_the_label_of_the_sign_in_button(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    visitor.enable(demo_server)
    posted = intercept_posts(visitor.page)
    visitor.page.click("text=Cancel")
    expect(visitor.page.locator("button.secondary")).to_have_attribute("aria-busy", "true")
    expect(visitor.page.locator("button.primary")).to_have_text("Sign in and link")
    assert "cancel=1" in posted[0]


def set_accept_language(page: Page, languages: str = "") -> None:
    """Replaces the header Accept-Language; some in-app browsers send none. navigator.languages is unchanged."""
    page.route("**/*", lambda route: route.continue_(headers={**route.request.headers, "accept-language": languages}))


def page_urls(visitor: Visitor) -> list[str]:
    return [
        request.url for request in visitor.requests if request.is_navigation_request() and "/authorize" in request.url
    ]


@pytest.mark.parametrize(
    ("locale", "language", "added"),
    [
        ("de-AT", "de", "de"),
        ("en-GB", "en-GB", "en-GB"),
        # the server chooses the most similar region
        ("en-AU", "en-GB", "en-AU"),
        ("es-US", "es-MX", "es-US"),
        ("fr-CA", "fr-CA", "fr-CA"),
        ("en-US", "en", "en-US"),
        ("ko-KR", "en", ""),
    ],
)
def test_without_accept_language_the_script_adds_the_language_once(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer, locale: str, language: str, added: str
) -> None:
    loads = 2 if added else 1
    visitor = new_visitor(locale=locale)
    set_accept_language(visitor.page)
    visitor.enable(demo_server)
    expect(visitor.page.locator("html")).to_have_attribute("lang", language)
    visitor.page.wait_for_load_state("networkidle")
    authorization_request = page_urls(visitor)
    assert len(authorization_request) == loads
    # the query is unchanged except for the additional parameter
    assert authorization_request[-1] == authorization_request[0] + (f"&ui_locales={added}" if added else "")
    visitor.sign_in("ada", "wrong")
    expect(visitor.page.locator("html")).to_have_attribute("lang", language)
    visitor.sign_in("ada", PASSWORD)
    visitor.page.wait_for_url(f"{demo_server.url}/simulator/pitangui/**")
    assert visitor.fragment["state"] == visitor.sent_state
    # the script adds no further entry to the history
    assert len(page_urls(visitor)) == loads + 2


def test_accept_language_takes_precedence_over_navigator_languages(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer
) -> None:
    visitor = new_visitor(locale="de-DE")
    set_accept_language(visitor.page, "en")
    visitor.enable(demo_server)
    expect(visitor.page.locator("html")).to_have_attribute("lang", "en")
    visitor.page.wait_for_load_state("networkidle")
    assert len(page_urls(visitor)) == 1


@pytest.mark.parametrize("script", [True, False])
def test_the_language_menu_changes_the_language(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer, script: bool
) -> None:
    visitor = new_visitor(java_script_enabled=script)
    page = visitor.page
    visitor.enable(demo_server)
    expect(page.get_by_role("button", name="Deutsch")).not_to_be_visible()
    page.locator("summary").click()
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert "ui_locales=de" in urlsplit(page.url).query.split("&")
    visitor.sign_in("ada", "wrong")
    expect(visitor.alert).to_contain_text("Name oder Passwort ist falsch")
    page.locator("summary").click()
    expect(page.get_by_role("button", name="Deutsch")).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="English", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(visitor.alert).to_have_count(0)
    visitor.sign_in("ada", PASSWORD)
    page.wait_for_url(f"{demo_server.url}/simulator/pitangui/**")
    assert visitor.fragment["state"] == visitor.sent_state


def test_the_language_menu_is_large_enough_and_fits_into_the_page(visitor: Visitor, full_login_page: str) -> None:
    visitor.page.set_viewport_size({"width": 320, "height": 640})
    visitor.page.goto(full_login_page)
    visitor.page.locator("summary").click()
    assert page_checks.targets(visitor.page) == []
    assert page_checks.layout(visitor.page) == []


def test_controls_that_need_the_script_are_hidden_without_it(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer
) -> None:
    visitor = new_visitor(java_script_enabled=False)
    visitor.enable(demo_server)
    expect(visitor.page.locator(".capitals")).to_have_text("")
    texts = ["Forgot your password?", "Sign in and link", "Cancel", "Create an account"]
    expect(visitor.page.locator("button:visible")).to_have_text(texts)


def test_a_page_from_the_back_forward_cache_can_be_submitted(
    playwright: Playwright, chromium_path: str, demo_server: DevelopmentServer
) -> None:
    """Enables the back/forward cache, which Playwright disables, and removes no-store, which some browsers require."""
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
            response = route.fetch(max_redirects=0)
            headers = {name: value for name, value in response.headers.items() if name != "cache-control"}
            route.fulfill(response=response, headers=headers)

        page.route(AUTHORIZE, cacheable)
        page.goto(f"{demo_server.url}/simulator/enable")
        page.evaluate("window.remembered = true")
        page.fill("#username", "ada")
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        expect(page.get_by_role("heading", level=1)).to_have_text("Linked as ada")
        # page.go_back() would wait for a load, which does not happen
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
        assert remembered, "the page was not restored from the cache, so this test proves nothing"
    finally:
        browser.close()
