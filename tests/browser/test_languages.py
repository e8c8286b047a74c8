"""The login page in every locale that Alexa has: its own language, for everybody, whole and light."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from linkauth.simulator.alexa import LANGUAGES as LOCALES
from linkauth.simulator.alexa import STATE_LENGTH
from tests.browser import faults
from tests.browser.languages import opened
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

ENGLISH = "Sign in and link"


def test_alexa_has_seventeen_locales() -> None:
    assert len(set(LOCALES)) == len(LOCALES) == 17


def words(visitor: Visitor, locale: str) -> list[str]:
    """What is not said in the language of `locale`."""
    page, language = visitor.page, locale.partition("-")[0]
    spoken = page.locator("html").get_attribute("lang") or ""
    wrong = [] if spoken.partition("-")[0] == language else [f"{locale} gets the page in {spoken}"]
    direction = page.locator("html").get_attribute("dir")
    wrong += [] if direction == ("rtl" if language == "ar" else "ltr") else [f"it is written {direction}"]
    output = page.locator("button.primary").inner_text()
    return wrong + ([] if (output == ENGLISH) == (language == "en") else [f"the button says: {output}"])


@pytest.mark.parametrize("locale", LOCALES)
def test_the_login_page_speaks_every_language_of_alexa(
    visit: Callable[..., Visitor], served: DevelopmentServer, locale: str
) -> None:
    """As Alexa opens it, with a state of full length; after that with the choice of a language open."""
    visitor = visit(locale=locale)
    visitor.enable(served)
    assert len(visitor.sent_state) == STATE_LENGTH
    found = words(visitor, locale) + faults.weight(visitor.responses)
    expect(visitor.page.locator("button.primary")).to_be_in_viewport(ratio=1)
    visitor.page.locator("summary").click()
    found += faults.accessibility(visitor.page) + faults.targets(visitor.page)
    visitor.page.set_viewport_size({"width": 320, "height": 640})
    assert found + faults.layout(visitor.page) == []


def test_every_language_is_called_by_its_own_name(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    visitor.page.locator("summary").click()
    names = [each.name for each in opened("default").spoken]
    expect(visitor.page.locator("[name=ui_locales]:visible")).to_have_text(names)
