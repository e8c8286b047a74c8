"""Tests of keyboard use: every control is reached in order, and the focus is always visible."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.languages import TEST_LANGUAGES
from tests.browser.states import STATES, path
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

FOCUSED = """() => {
  const here = document.activeElement, style = getComputedStyle(here);
  if (here === document.body) return { name: "", faults: [] };
  const name = here.matches(".eye") ? `eye of ${here.getAttribute("aria-controls")}`
    : here.name === "ui_locales" ? here.value
    : here.id || here.getAttribute("href") || here.name || here.className || here.localName;
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  let behind = parseFloat(style.outlineOffset) < 0 ? here : here.parentElement;
  while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  const [one, other] = [style.outlineColor, getComputedStyle(behind).backgroundColor].map(light);
  const contrast = Math.max(one, other) / Math.min(one, other);
  const box = here.getBoundingClientRect(), faults = [];
  if (style.outlineStyle !== "solid" || parseFloat(style.outlineWidth) < 2)
    faults.push(`${name} has an outline of ${style.outlineWidth} ${style.outlineStyle}`);
  if (contrast < 3) faults.push(`the outline of ${name} has a contrast of ${contrast}`);
  // the element and its outline are inside the viewport and not covered by another element (2.4.11)
  const reach = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  if (box.top < reach || box.bottom > innerHeight - reach || !(here.contains(top) || here.matches(".secret input")))
    faults.push(`${name} is not visible`);
  return { name, faults };
}"""
SECRETS = {
    "login": ["password", "eye of password", "https://example.com/password"],
    "password": [
        f"{part}{name}" for name in ("password", "new_password", "repeated_password") for part in ("", "eye of ")
    ],
}
ENDINGS = {"login": ["https://example.com/join"], "password": []}
FOOTER_LINKS = [f"https://example.com/{name}" for name in ("help", "privacy", "terms")]


def focus_order(page: Page, key: str) -> list[str]:
    """Presses `key` until the focus leaves the page or returns to the first element, and returns the focused elements.

    Fails if a focused element is not visible, or if the focus does not leave the page (a keyboard trap, 2.1.2).
    """
    names: list[str] = []
    while len(names) < 60:
        page.keyboard.press(key)
        focused = page.evaluate(FOCUSED)
        assert focused["faults"] == []
        if focused["name"] == "" or focused["name"] in names[:1]:
            return names
        names.append(focused["name"])
    raise AssertionError(f"the focus does not leave the page: {names}")


@pytest.mark.parametrize("language", TEST_LANGUAGES)
@pytest.mark.parametrize(("page", "error"), [("login", "wrong_password"), ("password", "mismatch")])
def test_the_tab_key_visits_all_controls_in_order_and_leaves_the_page(
    new_visitor: Callable[..., Visitor], state_server: DevelopmentServer, page: str, error: str, language: str
) -> None:
    """Forward in the light colour scheme with the language menu open, and backward in the dark one."""
    visitor = new_visitor()
    (state,) = [state for state in STATES if (state.page, state.name) == (page, error)]
    visitor.page.goto(state_server.url + path(state, language))
    expect(visitor.page.locator("#error")).to_be_focused()
    visitor.page.locator("details").evaluate("details => { details.open = true }")
    choice = visitor.page.locator("button[name=ui_locales]").evaluate_all("all => all.map((each) => each.value)")
    expected = ["summary", *choice, "username", *SECRETS[page], "primary", "cancel", *ENDINGS[page], *FOOTER_LINKS]
    # the message has the focus, and the menu is before it
    visitor.page.locator("summary").focus()
    assert focus_order(visitor.page, "Tab") == expected[1:]
    visitor.page.emulate_media(color_scheme="dark")
    assert focus_order(visitor.page, "Shift+Tab") == expected[::-1]


def test_the_enter_key_signs_in(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    visitor.type("grace", "hopper-1906")
    visitor.page.press("#password", "Enter")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Linked as grace")


@pytest.mark.parametrize("script", [True, False])
def test_a_person_links_in_another_language_by_the_keyboard_alone(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer, script: bool
) -> None:
    """Selects a language, enters a wrong password, shows it, reads the error, and enters the right password."""
    visitor = new_visitor(java_script_enabled=script)
    page, keys = visitor.page, visitor.page.keyboard
    visitor.enable(demo_server)
    page.locator("summary").focus()
    keys.press("Enter")
    choice = page.locator("button[name=ui_locales]").evaluate_all("all => all.map((each) => each.value)")
    for _ in range(choice.index("de") + 1):
        keys.press("Tab")
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    # the language menu is before the field
    keys.press("Tab")
    keys.press("Tab")
    keys.type("ada")
    keys.press("Tab")
    keys.type("wrong")
    if script:
        keys.press("Tab")
        keys.press("Space")
        expect(page.locator("#password")).to_have_attribute("type", "text")
    with page.expect_navigation():
        keys.press("Shift+Tab" if script else "Enter")
        if script:
            keys.press("Enter")
    expect(page.locator("#error")).to_be_focused()
    keys.press("Tab")
    expect(page.locator("#username")).to_be_focused()
    expect(page.locator("#username")).to_have_value("ada")
    keys.press("Tab")
    keys.type("lovelace-1815")
    keys.press("Enter")
    page.wait_for_url(f"{demo_server.url}/simulator/pitangui/**")
    assert len(visitor.fragment["access_token"]) == 43


def test_no_field_has_the_focus_initially(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    """On a phone a focused field would open the on-screen keyboard, which hides the text of the page."""
    visitor.enable(demo_server)
    expect(visitor.page.locator("body")).to_be_focused()


def test_an_empty_form_is_not_submitted(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    visitor.page.click("button.primary")
    expect(visitor.page.locator("#username:invalid")).to_be_focused()
    assert [request for request in visitor.requests if request.method == "POST"] == []
