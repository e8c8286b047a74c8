"""Every page in every state, in the languages that differ most: for everybody, on the smallest phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from linkauth.themes.states import PAGES
from tests.browser import faults
from tests.browser.languages import DIRECTIONS, THOROUGH
from tests.browser.states import STATES, path
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

NARROW = {"width": 320, "height": 640}
languages = pytest.mark.parametrize("language", THOROUGH)
pages = pytest.mark.parametrize("page", [name.removesuffix(".jinja2") for name in PAGES])


@languages
@pages
def test_a_page_is_for_everybody_in_every_state(
    visit: Callable[..., Visitor], stated: DevelopmentServer, page: str, language: str
) -> None:
    """Light and dark, with large and spaced letters, with the longest names and every link; all can be touched."""
    visitor = visit(viewport=NARROW)
    found = []
    for state in STATES:
        if state.page == page:
            response = visitor.page.goto(stated.url + path(state, language))
            assert response
            assert response.status == 200
            expect(visitor.page.locator("html")).to_have_attribute("lang", language)
            expect(visitor.page.locator("html")).to_have_attribute("dir", DIRECTIONS[language])
            wrong = [
                judge(visitor.page) for judge in (faults.accessibility, faults.layout, faults.targets, faults.moving)
            ]
            found += [f"{state.name}: {fault}" for each in wrong for fault in each]
    assert found == []


@languages
def test_without_a_script_every_page_is_whole(
    visit: Callable[..., Visitor], stated: DevelopmentServer, language: str
) -> None:
    """What needs a script is not there, what needs none is: the form, the choice of a language."""
    visitor = visit(viewport=NARROW, java_script_enabled=False)
    for state in STATES:
        if (state.page, state.name) in (("login", "wrong_password"), ("password", "mismatch"), ("error", "not_found")):
            visitor.page.goto(stated.url + path(state, language))
            expect(visitor.page.locator(".eye:visible")).to_have_count(0)
            buttons = visitor.page.locator("form[method=post] button:visible")
            expect(buttons).to_have_count(0 if state.page == "error" else 2)
            assert faults.layout(visitor.page) == []
            visitor.page.locator("summary").click()
            expect(visitor.page.locator("[name=ui_locales]:visible").first).to_be_visible()
            assert faults.targets(visitor.page) + faults.layout(visitor.page) == []
