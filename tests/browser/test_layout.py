"""How the pages lie on screens of every size, and what the first view costs."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor
from tests.servers.served import ServedLinkauth

NARROW = {"width": 320, "height": 640}
OVERFLOWING = """() => {
  const width = document.documentElement.clientWidth;
  const wide = [...document.querySelectorAll("body, body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    // an input scrolls by itself
    const cut = element.localName !== "input" && element.clientWidth && element.scrollWidth > element.clientWidth + 1;
    return box.left < 0 || box.right > width + 0.5 || cut;
  });
  return wide.map((element) => element.outerHTML.slice(0, 80));
}"""
SMALL_TARGETS = """() => [...document.querySelectorAll("a[href], button, select, input:not([type=hidden])")]
  .map((element) => [element.textContent.trim() || element.id, element.getBoundingClientRect()])
  .filter(([_, box]) => box.width < 44 || box.height < 44)
  .map(([name, box]) => `${name} ${box.width} x ${box.height}`)"""


def check_width(page: Page) -> None:
    """Nothing is cut off, nothing has to be scrolled sideways; nor with letters of twice the size."""
    for size in ("100%", "200%"):
        page.evaluate("size => { document.documentElement.style.fontSize = size }", size)
        assert page.evaluate(OVERFLOWING) == [], size
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size


@pytest.fixture
def urls(served: ServedLinkauth, bare: ServedLinkauth, bare_login: str) -> list[str]:
    """Every page that a GET reaches; those of `bare` have very long names."""
    return [
        f"{served.url}/simulator/enable",
        f"{served.url}/simulator/enable?language=de-DE",
        f"{served.url}/authorize?client_id=nobody",
        f"{served.url}/nowhere",
        bare_login,
        f"{bare_login}&ui_locales=de",
        bare.url,
        f"{bare.url}/authorize?client_id=nobody",
    ]


def test_no_page_scrolls_sideways_at_320_pixels(visit: Callable[..., Visitor], urls: list[str]) -> None:
    visitor = visit(viewport=NARROW)
    for url in urls:
        visitor.page.goto(url)
        check_width(visitor.page)


@pytest.mark.parametrize("language", ["en-US", "de-DE"])
def test_an_error_does_not_scroll_sideways_either(
    visit: Callable[..., Visitor], served: ServedLinkauth, language: str
) -> None:
    visitor = visit(viewport=NARROW)
    visitor.enable(served, language)
    visitor.sign_in("a-very-long-name-of-nobody." * 5 + language, "wrong")
    expect(visitor.alert).to_be_visible()
    check_width(visitor.page)


def test_the_simulators_pages_fit_at_320_pixels(visit: Callable[..., Visitor], served: ServedLinkauth) -> None:
    visitor = visit(viewport=NARROW)
    visitor.page.goto(served.url)
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visitor.page.click("text=Enable skill")
    visitor.sign_in("ada", "lovelace-1815")
    expect(visitor.page.locator("body[data-result=linked]")).to_be_attached()
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_mirrors_for_languages_written_from_right_to_left(
    visit: Callable[..., Visitor], served: ServedLinkauth
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
    check_width(visitor.page)


def test_the_styles_know_no_left_and_right(visitor: Visitor, served: ServedLinkauth) -> None:
    visitor.enable(served)
    styles = next(each.text() for each in visitor.responses if "/page." in each.url)
    assert re.findall(r"(?:margin|padding|border|text-align|float)[-: ]+(?:left|right)", styles) == []


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_the_button_is_in_sight_on_a_phone(visit: Callable[..., Visitor], served: ServedLinkauth, locale: str) -> None:
    visitor = visit(locale=locale)
    visitor.enable(served)
    expect(visitor.page.locator("button.primary")).to_be_in_viewport(ratio=1)


def test_everything_to_touch_is_large_enough(visitor: Visitor, served: ServedLinkauth, bare_login: str) -> None:
    for url in (f"{served.url}/simulator/enable", bare_login, served.url, f"{served.url}/simulator/pitangui/end"):
        visitor.page.goto(url)
        assert visitor.page.evaluate(SMALL_TARGETS) == []


def test_the_fields_letters_are_large_enough_for_ios_not_to_zoom(visitor: Visitor, served: ServedLinkauth) -> None:
    visitor.enable(served)
    for size in ("100%", "50%"):
        visitor.page.evaluate("size => { document.documentElement.style.fontSize = size }", size)
        for field in ("#username", "#password"):
            letters = visitor.page.locator(field).evaluate("field => parseFloat(getComputedStyle(field).fontSize)")
            assert letters >= 16
    assert visitor.page.get_attribute("meta[name=viewport]", "content") == "width=device-width, initial-scale=1"


def test_forced_colours_leave_every_shape_visible(visit: Callable[..., Visitor], served: ServedLinkauth) -> None:
    visitor = visit(forced_colors="active")
    visitor.enable(served)
    visitor.sign_in("nobody, in forced colours", "wrong")
    assert visitor.page.evaluate("matchMedia('(forced-colors: active)').matches")
    for shape in ("main", ".alert", ".consent", "#username", "#password", ".primary", ".secondary"):
        border, behind = visitor.page.locator(shape).evaluate(
            """shape => {
              const style = getComputedStyle(shape);
              return [`${style.borderTopStyle} ${style.borderTopColor}`, style.backgroundColor];
            }"""
        )
        assert border.startswith("solid rgb(")
        assert not border.endswith(behind)


def test_nothing_moves(visit: Callable[..., Visitor], served: ServedLinkauth) -> None:
    visitor = visit(reduced_motion="reduce")
    visitor.enable(served)
    moving = """() => [...document.querySelectorAll("*")].filter((element) => {
      const style = getComputedStyle(element);
      return style.transitionDuration !== "0s" || style.animationName !== "none" || style.scrollBehavior === "smooth";
    }).map((element) => element.tagName)"""
    assert visitor.page.evaluate(moving) == []


def test_dark_screens_get_a_dark_page(visit: Callable[..., Visitor], served: ServedLinkauth) -> None:
    backgrounds = []
    for scheme in ("light", "dark"):
        visitor = visit(color_scheme=scheme)
        visitor.enable(served)
        colour = visitor.page.locator("main").evaluate("main => getComputedStyle(main).backgroundColor")
        backgrounds.append(sum(map(int, re.findall(r"\d+", colour))))
    assert backgrounds[0] > 700
    assert backgrounds[1] < 150


def test_the_first_view_is_14_kb_in_4_requests(visitor: Visitor, served: ServedLinkauth) -> None:
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
    visitor: Visitor, served: ServedLinkauth, bare: ServedLinkauth
) -> None:
    for url in (f"{served.url}/simulator/enable", f"{served.url}/nowhere", bare.url):
        visitor.page.goto(url)
        expect(visitor.page.locator("style, [style], [onclick], [onsubmit], [target]")).to_have_count(0)
        expect(visitor.page.locator("script")).to_have_count(1)
        expect(visitor.page.locator("script[src][defer]")).to_be_empty()
