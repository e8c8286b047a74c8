"""Without a pointer: everything is reached by the keyboard, in order, and it is seen where one is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.languages import THOROUGH
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
  // the whole of it with its outline, and no other element is painted over it (2.4.11)
  const reach = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  if (box.top < reach || box.bottom > innerHeight - reach || !(here.contains(top) || here.matches(".secret input")))
    faults.push(`${name} is not in sight`);
  return { name, faults };
}"""
SECRETS = {
    "login": ["password", "eye of password", "https://example.com/password"],
    "password": [
        f"{part}{name}" for name in ("password", "new_password", "repeated_password") for part in ("", "eye of ")
    ],
}
ENDINGS = {"login": ["https://example.com/join"], "password": []}
FOOT = [f"https://example.com/{name}" for name in ("help", "privacy", "terms")]


def walk(page: Page, key: str) -> list[str]:
    """What gets the focus, one after the other, until the page is left or begins anew; each time it is seen."""
    walked: list[str] = []
    while len(walked) < 60:
        page.keyboard.press(key)
        found = page.evaluate(FOCUSED)
        assert found["faults"] == []
        if found["name"] == "" or found["name"] in walked[:1]:
            return walked
        walked.append(found["name"])
    raise AssertionError(f"there is no way out: {walked}")


@pytest.mark.parametrize("language", THOROUGH)
@pytest.mark.parametrize(("page", "error"), [("login", "wrong_password"), ("password", "mismatch")])
def test_the_tab_key_walks_in_order_shows_where_it_is_and_leaves(
    visit: Callable[..., Visitor], stated: DevelopmentServer, page: str, error: str, language: str
) -> None:
    """Forward from the error on a light screen, with the choice of a language open; backward on a dark one."""
    visitor = visit()
    (state,) = [each for each in STATES if (each.page, each.name) == (page, error)]
    visitor.page.goto(stated.url + path(state, language))
    expect(visitor.page.locator("#error")).to_be_focused()
    visitor.page.locator("details").evaluate("details => { details.open = true }")
    choice = visitor.page.locator("[name=ui_locales]").evaluate_all("all => all.map((each) => each.value)")
    expected = ["username", *SECRETS[page], "primary", "cancel", *ENDINGS[page], *FOOT, "summary", *choice]
    assert walk(visitor.page, "Tab") == expected
    visitor.page.emulate_media(color_scheme="dark")
    assert walk(visitor.page, "Shift+Tab") == expected[::-1]


def test_the_enter_key_signs_in(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    visitor.type("grace", "hopper-1906")
    visitor.page.press("#password", "Enter")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Linked as grace")


@pytest.mark.parametrize("script", [True, False])
def test_a_person_links_in_another_language_by_the_keyboard_alone(
    visit: Callable[..., Visitor], served: DevelopmentServer, script: bool
) -> None:
    """The language is chosen, a name and a password typed, a look taken at it, an error met and mended."""
    visitor = visit(java_script_enabled=script)
    page, keys = visitor.page, visitor.page.keyboard
    visitor.enable(served)
    page.locator("summary").focus()
    keys.press("Enter")
    choice = page.locator("[name=ui_locales]").evaluate_all("all => all.map((each) => each.value)")
    for _ in range(choice.index("de") + 1):
        keys.press("Tab")
    with page.expect_navigation():
        keys.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "de")
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
    page.wait_for_url(f"{served.url}/simulator/pitangui/**")
    assert len(visitor.fragment["access_token"]) == 43


def test_nothing_is_focused_at_first(visitor: Visitor, served: DevelopmentServer) -> None:
    """A focused field would open the keyboard over the page's own words."""
    visitor.enable(served)
    expect(visitor.page.locator("body")).to_be_focused()


def test_an_empty_form_is_not_sent(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    visitor.page.click("button.primary")
    expect(visitor.page.locator("#username:invalid")).to_be_focused()
    assert [each for each in visitor.requests if each.method == "POST"] == []
