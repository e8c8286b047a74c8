"""What readers set: large letters, zoom, colours of their own, dark screens; and words of another direction."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.browser import faults
from tests.browser.conftest import ARGUMENTS, TIMEOUT
from tests.browser.languages import THOROUGH
from tests.browser.states import STATES, path
from tests.browser.test_keyboard import walk
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

languages = pytest.mark.parametrize("language", THOROUGH)
SHOWN = [("login", "wrong_password"), ("password", "mismatch"), ("error", "unknown_client")]


def addresses(stated: DevelopmentServer, language: str) -> list[str]:
    """A page of each kind, with what went wrong."""
    return [stated.url + path(each, language) for each in STATES if (each.page, each.name) in SHOWN]


@languages
def test_a_page_that_is_four_times_as_large_is_walked_through(
    visit: Callable[..., Visitor], stated: DevelopmentServer, language: str
) -> None:
    """What a zoom of 400 % makes of 1280 x 1024 pixels (1.4.10): nothing is lost, the focus stays in sight."""
    visitor = visit(viewport={"width": 320, "height": 256}, device_scale_factor=4)
    for address in addresses(stated, language):
        visitor.page.goto(address)
        assert faults.layout(visitor.page) == []
        assert len(walk(visitor.page, "Tab")) >= 4


def test_the_browsers_own_size_of_letters_counts(
    playwright: Playwright, chromium_path: str, stated: DevelopmentServer, tmp_path: Path
) -> None:
    """Somebody has set it to twice the usual one, and the page follows (1.4.4)."""
    (tmp_path / "Default").mkdir()
    large = {"webkit": {"webprefs": {"default_font_size": 32}}}
    (tmp_path / "Default/Preferences").write_text(json.dumps(large), "utf-8")
    context = playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=chromium_path, args=ARGUMENTS, viewport={"width": 320, "height": 640}
    )
    context.set_default_timeout(TIMEOUT)
    visitor = Visitor(context, (stated.url,))
    try:
        for language in THOROUGH:
            for address in addresses(stated, language):
                visitor.page.goto(address)
                for what in ("body", "main p", "h1"):
                    letters = "element => parseFloat(getComputedStyle(element).fontSize)"
                    assert visitor.page.locator(what).first.evaluate(letters) >= 30
                assert visitor.page.evaluate(faults.CUT) == []
    finally:
        visitor.close()
    assert visitor.faults == []


def shapes(page: Page) -> list[str]:
    """What cannot be told from what is behind it."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("main, .alert, .consent, main input:not([type=hidden]), main button")]
          .filter((shape) => {
            const style = getComputedStyle(shape);
            return style.borderTopStyle !== "solid" || parseFloat(style.borderTopWidth) < 1
              || style.borderTopColor === style.backgroundColor || style.color === style.backgroundColor;
          }).map((shape) => shape.outerHTML.slice(0, 80))"""
    )
    return found


@languages
def test_forced_colours_leave_every_shape_visible(
    visit: Callable[..., Visitor], stated: DevelopmentServer, language: str
) -> None:
    visitor = visit(forced_colors="active")
    for address in addresses(stated, language):
        for scheme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=scheme)
            visitor.page.goto(address)
            assert visitor.page.evaluate("matchMedia('(forced-colors: active)').matches")
            assert shapes(visitor.page) == []
            drawn = visitor.page.evaluate(
                """() => [...document.querySelectorAll(".eye svg, .consent li")].every((drawing) => {
                  const style = getComputedStyle(drawing, drawing.localName === "li" ? "::before" : null);
                  const colour = drawing.localName === "li" ? style.borderRightColor : style.stroke;
                  return colour !== getComputedStyle(drawing.closest("main")).backgroundColor;
                })"""
            )
            assert drawn, "an eye or a mark is not to be seen"


def test_dark_screens_get_a_dark_page(visit: Callable[..., Visitor], stated: DevelopmentServer) -> None:
    visitor = visit()
    for address in addresses(stated, "en"):
        visitor.page.goto(address)
        lightness = []
        for scheme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=scheme)
            colour = visitor.page.locator("main").evaluate("main => getComputedStyle(main).backgroundColor")
            lightness.append(sum(map(int, re.findall(r"\d+", colour))))
        assert lightness[0] > 700
        assert lightness[1] < 150


@languages
def test_nothing_that_is_typed_lies_under_the_eye(
    visit: Callable[..., Visitor], stated: DevelopmentServer, language: str
) -> None:
    """Latin and Arabic letters, which the field lets run from either side."""
    visitor = visit()
    visitor.page.goto(addresses(stated, language)[0])
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
def test_words_of_another_direction_stay_whole(
    visit: Callable[..., Visitor], stated: DevelopmentServer, language: str
) -> None:
    """What deployers have said in one language only is isolated in the pages of the others."""
    visitor = visit()
    visitor.page.goto(addresses(stated, language)[0])
    for text in ("For example ada@example.com", "a.smith or CORP\\asmith"):
        expect(visitor.page.locator("bdi", has_text=text)).to_have_css("direction", "ltr")
