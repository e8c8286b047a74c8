"""For everybody: axe, the keyboard, what a password manager and a screen reader are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor
from tests.servers.served import ServedLinkauth

SKILL = "/authorize?client_id=ride-hailer&response_type=token"
LANGUAGES = pytest.mark.parametrize("locale", ["en-US", "de-DE"])
ERROR_PAGES = (
    "/authorize?client_id=nobody",
    SKILL,
    f"{SKILL}&redirect_uri=https://evil.example/",
    f"{SKILL}&client_id=ride-hailer",
    "/authorize?client_id=%ff",
    "/nowhere",
)
ALERTS = ["wrong password", "disabled", "throttled", "stale"]


def check_with_axe(page: Page) -> None:
    """No violation on a light screen, and on a dark one none of the rules that look at colours."""
    light, dark = Axe().run(page), {"runOnly": ["color-contrast", "link-in-text-block"]}
    assert light.violations_count == 0, light.generate_report()
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("options => axe.run(options).then(found => found.violations)", dark) == []
    page.emulate_media(color_scheme="light")


def bring_about(visitor: Visitor, alert: str, served: ServedLinkauth) -> None:
    """Let a sign-in fail in the way that `alert` says."""
    visitor.enable(served)
    nobody = f"nobody, for {alert}, {visitor.page.evaluate('navigator.language')}"
    if alert == "disabled":
        visitor.sign_in("konrad", "zuse-1910")
    elif alert == "stale":
        visitor.page.locator("[name=form_token]").evaluate("field => { field.value = '' }")
        visitor.sign_in("ada", "any")
    else:
        for _ in range(4 if alert == "throttled" else 1):
            visitor.sign_in(nobody, "any")
    status = {"throttled": 429, "stale": 400}.get(alert, 403)
    assert [each.status for each in visitor.responses if each.request.method == "POST"][-1] == status


@LANGUAGES
def test_axe_finds_nothing_on_the_login_page(
    visit: Callable[..., Visitor], served: ServedLinkauth, bare_login: str, locale: str
) -> None:
    visitor = visit(locale=locale)
    visitor.enable(served)
    check_with_axe(visitor.page)
    visitor.page.goto(bare_login)
    check_with_axe(visitor.page)


@LANGUAGES
@pytest.mark.parametrize("alert", ALERTS)
def test_axe_finds_nothing_after_a_failed_sign_in(
    visit: Callable[..., Visitor], served: ServedLinkauth, alert: str, locale: str
) -> None:
    visitor = visit(locale=locale)
    bring_about(visitor, alert, served)
    expect(visitor.page.locator("#error")).to_be_focused()
    check_with_axe(visitor.page)


@LANGUAGES
def test_axe_finds_nothing_when_the_directory_is_down(
    visit: Callable[..., Visitor], bare_login: str, locale: str
) -> None:
    visitor = visit(locale=locale)
    visitor.page.goto(bare_login)
    visitor.sign_in("ada", "lovelace-1815")
    assert [each.status for each in visitor.responses if each.request.method == "POST"] == [503]
    expect(visitor.page.locator("#error")).to_be_focused()
    expect(visitor.page.locator("#username")).to_have_value("ada")
    check_with_axe(visitor.page)


@LANGUAGES
def test_axe_finds_nothing_on_an_error_page(visit: Callable[..., Visitor], served: ServedLinkauth, locale: str) -> None:
    visitor = visit(locale=locale)
    for path in ERROR_PAGES:
        answer = visitor.page.goto(served.url + path)
        assert answer
        assert answer.status in (400, 404), path
        assert visitor.page.title().startswith({"en-US": "Error: ", "de-DE": "Fehler: "}[locale])
        check_with_axe(visitor.page)


def test_axe_finds_nothing_on_the_front_page(visitor: Visitor, bare: ServedLinkauth) -> None:
    visitor.page.goto(bare.url)
    check_with_axe(visitor.page)


def test_axe_finds_nothing_on_the_simulators_pages(visitor: Visitor, served: ServedLinkauth) -> None:
    visitor.page.goto(served.url)
    check_with_axe(visitor.page)
    visitor.enable(served)
    visitor.sign_in("ada", "lovelace-1815")
    expect(visitor.page.locator("body[data-result=linked]")).to_be_attached()
    check_with_axe(visitor.page)
    visitor.enable(served)
    visitor.page.click("text=Cancel")
    expect(visitor.page.locator("body[data-result=not-linked]")).to_be_attached()
    check_with_axe(visitor.page)


def test_the_tab_key_walks_in_order_and_shows_where_it_is(visitor: Visitor, served: ServedLinkauth) -> None:
    visitor.enable(served)
    walked = []
    for _ in range(6):
        visitor.page.keyboard.press("Tab")
        focused = visitor.page.locator(":focus")
        walked.append(focused.get_attribute("id") or focused.get_attribute("class") or focused.inner_text())
        outline = focused.evaluate("e => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth] }")
        assert outline == ["solid", "3px"]
        expect(focused).to_be_in_viewport(ratio=1)
    assert walked == ["username", "password", "eye", "primary", "secondary", "English"]


def test_after_an_error_the_tab_key_goes_to_the_name(visitor: Visitor, served: ServedLinkauth) -> None:
    bring_about(visitor, "wrong password", served)
    expect(visitor.page.locator("#error")).to_be_focused()
    visitor.page.keyboard.press("Tab")
    expect(visitor.page.locator("#username")).to_be_focused()


def test_the_enter_key_signs_in(visitor: Visitor, served: ServedLinkauth) -> None:
    visitor.enable(served)
    visitor.type("grace", "hopper-1906")
    visitor.page.press("#password", "Enter")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Linked: this is grace")


def test_nothing_is_focused_at_first(visitor: Visitor, served: ServedLinkauth) -> None:
    """A focused field would open the keyboard over the page's own words."""
    visitor.enable(served)
    expect(visitor.page.locator("body")).to_be_focused()


def test_an_empty_form_is_not_sent(visitor: Visitor, served: ServedLinkauth) -> None:
    visitor.enable(served)
    visitor.page.click("button.primary")
    expect(visitor.page.locator("#username:invalid")).to_be_focused()
    assert [each for each in visitor.requests if each.method == "POST"] == []


USERNAME = {
    "type": "text",
    "autocomplete": "username",
    "autocapitalize": "none",
    "autocorrect": "off",
    "spellcheck": "false",
    "enterkeyhint": "next",
    "inputmode": "email",
    "dir": "auto",
    "maxlength": "254",
}
PASSWORD = {"type": "password", "autocomplete": "current-password", "spellcheck": "false", "enterkeyhint": "go"}


def test_phones_and_password_managers_know_the_fields(visitor: Visitor, served: ServedLinkauth) -> None:
    visitor.enable(served)
    page = visitor.page
    expect(page.locator("form[method=post]")).to_have_count(1)
    expect(page.locator("form[method=post] ~ form")).to_have_count(0)
    for field, wanted in (
        (page.get_by_label("User name"), USERNAME),
        (page.get_by_label("Password", exact=True), PASSWORD),
    ):
        assert {name: field.get_attribute(name) for name in wanted} == wanted
        assert field.get_attribute("onpaste") is None
        expect(field).to_have_attribute("required", "")
    expect(page.get_by_label("User name")).to_have_accessible_description(
        "Sign in with your Example Rides account, not your Amazon account."
    )


def test_a_password_manager_keeps_spaces_and_letters_as_they_are(visitor: Visitor, served: ServedLinkauth) -> None:
    """Only the name is trimmed; this password is right but for the spaces around it."""
    visitor.enable(served)
    visitor.sign_in("  grace ", " hopper-1906 ")
    expect(visitor.alert).to_be_visible()
    expect(visitor.page.locator("#username")).to_have_value("grace")
