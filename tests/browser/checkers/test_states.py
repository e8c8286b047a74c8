"""Tests of every page in every state, in the languages that differ most, on the smallest phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from linkauth.themes.states import PAGES
from tests.browser import page_checks
from tests.browser.languages import DIRECTIONS, TEST_LANGUAGES
from tests.browser.states import STATES, path
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

NARROW = {"width": 320, "height": 640}
STEP_STATES = {
    "recover": {"registration", "throttled.wait"},
    "code": {"fresh", "wrong_code.4", "registration"},
    "new_password": {"minimum", "registration.mismatch"},
    "register": {"every_field", "invalid.invalid"},
    "second_factor": {"remember", "recovery_code", "mail", "wrong_code", "expired"},
    "second_factor_setup": {"optional", "wrong_code"},
    "recovery_codes": {"fresh", "stale"},
    "confirm": {"fresh", "no_scopes", "stale"},
}
"""The states of the pages of several steps that differ in their elements, not only in a sentence."""
languages = pytest.mark.parametrize("language", TEST_LANGUAGES)
pages = pytest.mark.parametrize("page", [name.removesuffix(".jinja2") for name in PAGES])


@languages
@pages
def test_a_page_is_accessible_in_every_state(
    new_visitor: Callable[..., Visitor], state_server: DevelopmentServer, page: str, language: str
) -> None:
    """Checks both colour schemes, large and spaced text, very long names, every link, and the size of touch targets."""
    visitor = new_visitor(viewport=NARROW)
    problems: list[str] = []
    visited: set[str] = set()
    for state in STATES:
        if state.page == page and state.name in STEP_STATES.get(page, {state.name}):
            response = visitor.page.goto(state_server.url + path(state, language))
            assert response
            assert response.status == 200
            expect(visitor.page.locator("html")).to_have_attribute("lang", language)
            expect(visitor.page.locator("html")).to_have_attribute("dir", DIRECTIONS[language])
            # the rules of axe see no difference between languages, except in the elements that all states share
            axe = [page_checks.accessibility] if language == "en" or not visited else []
            visited.add(state.name)
            for check in (*axe, page_checks.layout, page_checks.targets, page_checks.moving):
                problems += [f"{state.name}: {problem}" for problem in check(visitor.page)]
    assert problems == []


@languages
def test_every_page_is_complete_without_a_script(
    new_visitor: Callable[..., Visitor], state_server: DevelopmentServer, language: str
) -> None:
    """Controls that need a script are hidden; the form and the language menu work."""
    visitor = new_visitor(viewport=NARROW, java_script_enabled=False)
    for state in STATES:
        if (state.page, state.name) in (("login", "wrong_password"), ("password", "mismatch"), ("error", "not_found")):
            visitor.page.goto(state_server.url + path(state, language))
            expect(visitor.page.locator(".eye:visible")).to_have_count(0)
            buttons = visitor.page.locator("form[method=post] button:visible")
            expect(buttons).to_have_count(0 if state.page == "error" else 2)
            assert page_checks.layout(visitor.page) == []
            visitor.page.locator("summary").click()
            expect(visitor.page.locator("[name=ui_locales]:visible").first).to_be_visible()
            assert page_checks.targets(visitor.page) + page_checks.layout(visitor.page) == []
