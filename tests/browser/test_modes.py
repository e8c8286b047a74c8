"""Tests of user settings: text size, zoom, forced colours and dark colour scheme; and of text in both directions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.browser import page_checks
from tests.browser.conftest import ARGUMENTS, TIMEOUT
from tests.browser.languages import TEST_LANGUAGES
from tests.browser.states import STATES, path
from tests.browser.test_keyboard import focus_order
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

languages = pytest.mark.parametrize("language", TEST_LANGUAGES)
SHOWN = [("login", "wrong_password"), ("password", "mismatch"), ("error", "unknown_client")]


def state_urls(state_server: DevelopmentServer, language: str) -> list[str]:
    """Returns the URLs of the login page, the password page and the error page, each with an error."""
    return [state_server.url + path(state, language) for state in STATES if (state.page, state.name) in SHOWN]


@languages
def test_a_page_can_be_used_with_the_keyboard_at_a_zoom_of_400_percent(
    new_visitor: Callable[..., Visitor], state_server: DevelopmentServer, language: str
) -> None:
    """The viewport is that of 1280 x 1024 pixels at 400 % (1.4.10). Nothing is clipped, and the focus stays visible."""
    visitor = new_visitor(viewport={"width": 320, "height": 256}, device_scale_factor=4)
    for address in state_urls(state_server, language):
        visitor.page.goto(address)
        assert page_checks.layout(visitor.page) == []
        assert len(focus_order(visitor.page, "Tab")) >= 4


def test_the_page_follows_the_font_size_in_the_browser_settings(
    playwright: Playwright, chromium_path: str, state_server: DevelopmentServer, tmp_path: Path
) -> None:
    """The font size in the browser settings is twice the default (1.4.4)."""
    (tmp_path / "Default").mkdir()
    large = {"webkit": {"webprefs": {"default_font_size": 32}}}
    (tmp_path / "Default/Preferences").write_text(json.dumps(large), "utf-8")
    context = playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=chromium_path, args=ARGUMENTS, viewport={"width": 320, "height": 640}
    )
    context.set_default_timeout(TIMEOUT)
    visitor = Visitor(context, (state_server.url,))
    try:
        for language in TEST_LANGUAGES:
            for address in state_urls(state_server, language):
                visitor.page.goto(address)
                for selector in ("body", "main p", "h1"):
                    letters = "element => parseFloat(getComputedStyle(element).fontSize)"
                    assert visitor.page.locator(selector).first.evaluate(letters) >= 30
                assert visitor.page.evaluate(page_checks.OVERFLOW_SCRIPT) == []
    finally:
        visitor.close()
    assert visitor.faults == []


def invisible_shapes(page: Page) -> list[str]:
    """Returns the elements whose border or text has the colour of the background."""
    invisible: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("main, .alert, .consent, main input:not([type=hidden]), main button")]
          .filter((shape) => {
            const style = getComputedStyle(shape);
            return style.borderTopStyle !== "solid" || parseFloat(style.borderTopWidth) < 1
              || style.borderTopColor === style.backgroundColor || style.color === style.backgroundColor;
          }).map((shape) => shape.outerHTML.slice(0, 80))"""
    )
    return invisible


@languages
def test_every_element_is_visible_with_forced_colours(
    new_visitor: Callable[..., Visitor], state_server: DevelopmentServer, language: str
) -> None:
    visitor = new_visitor(forced_colors="active")
    for address in state_urls(state_server, language):
        for scheme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=scheme)
            visitor.page.goto(address)
            assert visitor.page.evaluate("matchMedia('(forced-colors: active)').matches")
            assert invisible_shapes(visitor.page) == []
            drawn = visitor.page.evaluate(
                """() => [...document.querySelectorAll(".eye svg, .consent li")].every((drawing) => {
                  const style = getComputedStyle(drawing, drawing.localName === "li" ? "::before" : null);
                  const colour = drawing.localName === "li" ? style.borderRightColor : style.stroke;
                  return colour !== getComputedStyle(drawing.closest("main")).backgroundColor;
                })"""
            )
            assert drawn, "the icon of a button or a list mark is invisible"


def test_the_page_is_dark_in_the_dark_colour_scheme(
    new_visitor: Callable[..., Visitor], state_server: DevelopmentServer
) -> None:
    visitor = new_visitor()
    for address in state_urls(state_server, "en"):
        visitor.page.goto(address)
        lightness = []
        for scheme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=scheme)
            colour = visitor.page.locator("main").evaluate("main => getComputedStyle(main).backgroundColor")
            lightness.append(sum(map(int, re.findall(r"\d+", colour))))
        assert lightness[0] > 700
        assert lightness[1] < 150


@languages
def test_the_password_does_not_run_under_the_button_that_shows_it(
    new_visitor: Callable[..., Visitor], state_server: DevelopmentServer, language: str
) -> None:
    """Latin text begins at the left side of the field and Arabic text at the right side."""
    visitor = new_visitor()
    visitor.page.goto(state_urls(state_server, language)[0])
    field, eye = visitor.page.locator("#password"), visitor.page.locator(".eye")
    eye.click()
    for typed in ("a very long passphrase " * 4, "عبارة مرور طويلة جدا " * 4):
        field.fill(typed)
        outer, inner = field.bounding_box(), eye.bounding_box()
        assert outer
        assert inner
        side = "left" if inner["x"] - outer["x"] < outer["width"] / 2 else "right"
        room = field.evaluate("(field, side) => parseFloat(getComputedStyle(field)[`padding-${side}`])", side)
        assert room >= inner["width"]


@languages
def test_text_in_the_other_direction_is_isolated(
    new_visitor: Callable[..., Visitor], state_server: DevelopmentServer, language: str
) -> None:
    """Texts in the ini file may have only one language, which is also shown in pages in other languages."""
    visitor = new_visitor()
    visitor.page.goto(state_urls(state_server, language)[0])
    for text in ("For example ada@example.com", "a.smith or CORP\\asmith"):
        expect(visitor.page.locator("bdi", has_text=text)).to_have_css("direction", "ltr")
