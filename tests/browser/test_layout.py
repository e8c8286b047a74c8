"""Tests of the layout of the pages on small screens, and of the size of the first page view."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser import page_checks
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

NARROW = {"width": 320, "height": 640}


def test_the_pages_of_the_simulator_fit_into_a_width_of_320_pixels(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer
) -> None:
    visitor = new_visitor(viewport=NARROW)
    visitor.page.goto(demo_server.url)
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visitor.page.click("text=Enable skill")
    visitor.sign_in("ada", "lovelace-1815")
    expect(visitor.page.locator("body[data-result=linked]")).to_be_attached()
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_is_mirrored_for_right_to_left_languages(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer
) -> None:
    visitor = new_visitor(viewport=NARROW)
    visitor.enable(demo_server)
    visitor.sign_in("nobody, from right to left", "wrong")
    padding = "side => getComputedStyle(document.querySelector('.consent li')).getPropertyValue(`padding-${side}`)"
    assert visitor.page.evaluate(padding, "right") == "0px"
    visitor.page.evaluate("document.documentElement.dir = 'rtl'")
    assert visitor.page.evaluate(padding, "left") == "0px"
    assert visitor.page.evaluate(padding, "right") != "0px"
    logo, name = visitor.page.locator(".brand img").bounding_box(), visitor.page.locator(".brand bdi").bounding_box()
    assert logo
    assert name
    assert logo["x"] > name["x"]
    assert page_checks.layout(visitor.page) == []


def test_the_style_sheet_uses_no_left_and_right(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    styles = next(response.text() for response in visitor.responses if "/page." in response.url)
    assert re.findall(r"(?:margin|padding|border|text-align|float)[-: ]+(?:left|right)", styles) == []


def test_touch_targets_are_large_enough(visitor: Visitor, demo_server: DevelopmentServer, full_login_page: str) -> None:
    for url in (
        f"{demo_server.url}/simulator/enable",
        full_login_page,
        demo_server.url,
        f"{demo_server.url}/simulator/pitangui/end",
    ):
        visitor.page.goto(url)
        assert page_checks.targets(visitor.page) == []


def test_the_text_in_fields_is_large_enough_to_prevent_zoom_in_ios(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    visitor.enable(demo_server)
    for size in ("100%", "50%"):
        visitor.page.evaluate("size => { document.documentElement.style.fontSize = size }", size)
        for field in ("#username", "#password"):
            font_size = visitor.page.locator(field).evaluate("field => parseFloat(getComputedStyle(field).fontSize)")
            assert font_size >= 16
    assert visitor.page.get_attribute("meta[name=viewport]", "content") == "width=device-width, initial-scale=1"


def test_the_first_view_is_14_kb_in_4_requests(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    visitor.page.wait_for_load_state("networkidle")
    icon = visitor.page.locator("link[rel=icon]").evaluate("link => link.href")
    successful = [response for response in visitor.responses if response.status == 200]
    assert icon in [response.url for response in successful]
    # the redirect of the simulator to /authorize does not count; the icon is the logo, which is cached
    assert len({request.url for request in visitor.requests}) - 1 <= 4
    assert {response.status for response in visitor.responses} == {200, 303}
    assert sum(len(gzip.compress(response.body())) for response in successful) <= 14_000


def test_the_theme_has_one_script_file_and_no_inline_scripts_or_styles(
    visitor: Visitor, demo_server: DevelopmentServer, full_page_server: DevelopmentServer
) -> None:
    for url in (f"{demo_server.url}/simulator/enable", f"{demo_server.url}/nowhere", full_page_server.url):
        visitor.page.goto(url)
        expect(visitor.page.locator("style, [style], [onclick], [onsubmit], [target]")).to_have_count(0)
        expect(visitor.page.locator("script")).to_have_count(1)
        expect(visitor.page.locator("script[src][defer]")).to_be_empty()


def test_the_browser_uses_only_the_fonts_of_the_tests(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    """Other installed fonts must not change the results of the tests."""
    protocol = visitor.context.new_cdp_session(visitor.page)
    for language, families in (
        ("pt-BR", {"DejaVu Sans"}),
        ("ar", {"DejaVu Sans"}),
        ("hi", {"DejaVu Sans", "Lohit Devanagari"}),
        ("ja", {"DejaVu Sans", "VL Gothic"}),
    ):
        visitor.enable(demo_server, language)
        protocol.send("DOM.enable")
        protocol.send("CSS.enable")
        root = protocol.send("DOM.getDocument")["root"]["nodeId"]
        main = protocol.send("DOM.querySelector", {"nodeId": root, "selector": "main"})["nodeId"]
        fonts = protocol.send("CSS.getPlatformFontsForNode", {"nodeId": main})["fonts"]
        assert {font["familyName"] for font in fonts} <= families, language
        assert fonts
