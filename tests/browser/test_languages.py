"""Tests of the login page in every locale of Alexa: language, accessibility, layout and size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from linkauth.simulator.alexa import LANGUAGES as LOCALES
from linkauth.simulator.alexa import STATE_LENGTH
from tests.browser import page_checks
from tests.browser.languages import open_installed_theme
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

ENGLISH = "Sign in and link"


def test_alexa_has_seventeen_locales() -> None:
    assert len(set(LOCALES)) == len(LOCALES) == 17


def language_problems(visitor: Visitor, locale: str) -> list[str]:
    """Returns the problems if the page is not in the language of `locale`."""
    page, language = visitor.page, locale.partition("-")[0]
    page_language = page.locator("html").get_attribute("lang") or ""
    problems = [] if page_language.partition("-")[0] == language else [f"{locale} gets the page in {page_language}"]
    direction = page.locator("html").get_attribute("dir")
    problems += [] if direction == ("rtl" if language == "ar" else "ltr") else [f"the direction is {direction}"]
    label = page.locator("button.primary").inner_text()
    return problems + ([] if (label == ENGLISH) == (language == "en") else [f"the label of the button is {label}"])


@pytest.mark.parametrize("locale", LOCALES)
def test_the_login_page_supports_every_locale_of_alexa(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer, locale: str
) -> None:
    """Opens the page as Alexa does, with a state of full length, and then opens the language menu."""
    visitor = new_visitor(locale=locale)
    visitor.enable(demo_server)
    assert len(visitor.sent_state) == STATE_LENGTH
    problems = language_problems(visitor, locale) + page_checks.weight(visitor.responses)
    expect(visitor.page.locator("button.primary")).to_be_in_viewport(ratio=1)
    visitor.page.locator("summary").click()
    problems += page_checks.accessibility(visitor.page) + page_checks.targets(visitor.page)
    visitor.page.set_viewport_size({"width": 320, "height": 640})
    assert problems + page_checks.layout(visitor.page) == []


def test_the_language_menu_lists_languages_by_their_own_names(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    visitor.page.locator("summary").click()
    names = [language.name for language in open_installed_theme("default").selectable_languages]
    expect(visitor.page.locator("[name=ui_locales]:visible")).to_have_text(names)
