"""How the pages lie on screens of every size, and what the first view costs."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser import faults
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

NARROW = {"width": 320, "height": 640}


def test_the_simulators_pages_fit_at_320_pixels(visit: Callable[..., Visitor], served: DevelopmentServer) -> None:
    visitor = visit(viewport=NARROW)
    visitor.page.goto(served.url)
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visitor.page.click("text=Enable skill")
    visitor.sign_in("ada", "lovelace-1815")
    expect(visitor.page.locator("body[data-result=linked]")).to_be_attached()
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_mirrors_for_languages_written_from_right_to_left(
    visit: Callable[..., Visitor], served: DevelopmentServer
) -> None:
    visitor = visit(viewport=NARROW)
    visitor.enable(served)
    visitor.sign_in("nobody, from right to left", "wrong")
    border = "side => getComputedStyle(document.getElementById('error')).getPropertyValue(`border-${side}-width`)"
    assert visitor.page.evaluate(border, "left") == "5px"
    visitor.page.evaluate("document.documentElement.dir = 'rtl'")
    assert visitor.page.evaluate(border, "right") == "5px"
    assert visitor.page.evaluate(border, "left") == "0px"
    logo, name = visitor.page.locator(".brand img").bounding_box(), visitor.page.locator(".brand bdi").bounding_box()
    assert logo
    assert name
    assert logo["x"] > name["x"]
    assert faults.layout(visitor.page) == []


def test_the_styles_know_no_left_and_right(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    styles = next(each.text() for each in visitor.responses if "/page." in each.url)
    assert re.findall(r"(?:margin|padding|border|text-align|float)[-: ]+(?:left|right)", styles) == []


def test_everything_to_touch_is_large_enough(visitor: Visitor, served: DevelopmentServer, bare_login: str) -> None:
    for url in (f"{served.url}/simulator/enable", bare_login, served.url, f"{served.url}/simulator/pitangui/end"):
        visitor.page.goto(url)
        assert faults.targets(visitor.page) == []


def test_the_fields_letters_are_large_enough_for_ios_not_to_zoom(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    for size in ("100%", "50%"):
        visitor.page.evaluate("size => { document.documentElement.style.fontSize = size }", size)
        for field in ("#username", "#password"):
            letters = visitor.page.locator(field).evaluate("field => parseFloat(getComputedStyle(field).fontSize)")
            assert letters >= 16
    assert visitor.page.get_attribute("meta[name=viewport]", "content") == "width=device-width, initial-scale=1"


def test_the_first_view_is_14_kb_in_4_requests(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    visitor.page.wait_for_load_state("networkidle")
    icon = visitor.page.locator("link[rel=icon]").evaluate("link => link.href")
    answers = [each for each in visitor.responses if each.status == 200]
    assert icon in [each.url for each in answers]
    # the redirect from the simulator to /authorize is Alexa's own; the icon is the logo once more, out of the cache
    assert len({each.url for each in visitor.requests}) - 1 <= 4
    assert {each.status for each in visitor.responses} == {200, 303}
    assert sum(len(gzip.compress(each.body())) for each in answers) <= 14_000


def test_the_theme_has_one_script_and_nothing_inline(
    visitor: Visitor, served: DevelopmentServer, bare: DevelopmentServer
) -> None:
    for url in (f"{served.url}/simulator/enable", f"{served.url}/nowhere", bare.url):
        visitor.page.goto(url)
        expect(visitor.page.locator("style, [style], [onclick], [onsubmit], [target]")).to_have_count(0)
        expect(visitor.page.locator("script")).to_have_count(1)
        expect(visitor.page.locator("script[src][defer]")).to_be_empty()


def test_the_browser_of_the_tests_has_their_own_fonts_and_no_others(
    visitor: Visitor, served: DevelopmentServer
) -> None:
    """What is installed beside them changes no result."""
    protocol = visitor.context.new_cdp_session(visitor.page)
    for language, families in (
        ("pt-BR", {"DejaVu Sans"}),
        ("ar", {"DejaVu Sans"}),
        ("hi", {"DejaVu Sans", "Lohit Devanagari"}),
        ("ja", {"DejaVu Sans", "VL Gothic"}),
    ):
        visitor.enable(served, language)
        protocol.send("DOM.enable")
        protocol.send("CSS.enable")
        root = protocol.send("DOM.getDocument")["root"]["nodeId"]
        main = protocol.send("DOM.querySelector", {"nodeId": root, "selector": "main"})["nodeId"]
        fonts = protocol.send("CSS.getPlatformFontsForNode", {"nodeId": main})["fonts"]
        assert {font["familyName"] for font in fonts} <= families, language
        assert fonts
