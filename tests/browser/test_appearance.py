"""Tests of what the eye meets on phones: what is in view, what stands at which edge, and which button is prominent.

The pages are rendered in the test and put into one page of the browser, so that all states in all languages take
seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from linkauth.themes.sign_in_states import EVERY_PROVIDER
from linkauth.themes.states import FINAL_ERRORS, State, page_states
from linkauth.themes.theme import Theme
from linkauth_theme_default.colours import contrast
from tests.browser.languages import open_installed_theme

PHONE, SMALL_PHONE, SMALLEST_PHONE, LANDSCAPE = (390, 844), (320, 640), (320, 568), (844, 390)
URLS = {name: {"": "https://example.com/"} for name in ("support_url", "recovery_url", "privacy_url", "terms_url")}
PARAMETERS: Mapping[str, Any] = {**URLS, "support_text": {"": "Service desk: 030 1234-0"}}
STATES = page_states("skill", ("order_car", "basic_profile"))
SHOW = """
const show = (html) => {
  document.replaceChild(new DOMParser().parseFromString(html, "text/html").documentElement, document.documentElement);
  scrollTo(0, 0);
  document.querySelector("[autofocus]")?.focus();
};
const style = (css) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [sheet];
};
"""
FIRST_VIEWS = f"""([htmls, css]) => {{ {SHOW} style(css); return htmls.map((html) => {{
  show(html);
  const button = document.querySelector(".primary, .provider"), box = button?.getBoundingClientRect();
  const top = box && document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  const alert = document.querySelector("[role=alert]").getBoundingClientRect();
  const seen = !!box && box.top >= 0 && box.bottom <= innerHeight && button.contains(top);
  return [!!button, seen, alert.top >= 0 && alert.top < innerHeight / 2];
}}); }}"""
BOXES = """selectors => selectors.map((selector) => {
  const { left, right, top, bottom } = document.querySelector(selector).getBoundingClientRect();
  return { left, right, top, bottom };
})"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture(scope="module", params=["default", "vellmoor"])
def theme(request: pytest.FixtureRequest) -> Theme:
    return open_installed_theme(request.param, **PARAMETERS)


def css(theme: Theme) -> str:
    """Returns the style sheets in the order in which pages link them."""
    styles = {
        file.name.split(".")[0]: file.body.decode() for file in theme.static.values() if file.name.endswith("css")
    }
    return styles["providers"] + styles["page"] + styles["second_factor"]


def render(theme: Theme, state: State, language: str = "en") -> str:
    """Returns the HTML of a page with everything that a login page may offer."""
    offered = {"recovery": True, "registration": True} if state.page == "login" else {}
    return theme.render(state.page, language, query=[("state", "x")], **{**state.context, **offered})


def show(page: Page, theme: Theme, state: State, language: str = "en") -> None:
    """Shows a page of a theme without its script."""
    page.evaluate(
        f"([html, css]) => {{ {SHOW} style(css); show(html); }}", [render(theme, state, language), css(theme)]
    )


def size(page: Page, viewport: tuple[int, int]) -> None:
    page.set_viewport_size({"width": viewport[0], "height": viewport[1]})


def state(page: str, name: str) -> State:
    (found,) = (each for each in STATES if (each.page, each.name) == (page, name))
    return found


def test_after_an_error_the_button_is_in_view_in_every_language(page: Page, theme: Theme) -> None:
    """If the person can correct nothing on the page, there is no such button. The message is in view too."""
    size(page, PHONE)
    wrong = []
    errors = [each for each in STATES if each.context.get("error")]
    assert len(errors) > 80
    # the child theme differs in its header
    for language in theme.languages if theme.name == "default" else ("de", "fr"):
        views = page.evaluate(FIRST_VIEWS, [[render(theme, each, language) for each in errors], css(theme)])
        for each, (has_button, is_seen, has_message) in zip(errors, views, strict=True):
            expected = each.context["error"] not in FINAL_ERRORS
            if (has_button, is_seen, has_message) != (expected, expected, True):
                wrong.append(f"{language} {each.page} {each.name}: {has_button=} {is_seen=} {has_message=}")
    assert wrong == []


@pytest.mark.parametrize("viewport", [PHONE, SMALLEST_PHONE])
def test_sign_in_providers_leave_the_form_where_it_was(page: Page, theme: Theme, viewport: tuple[int, int]) -> None:
    """The button of the form is in the first view with providers as without them; on a normal phone, all are."""
    size(page, viewport)
    for language in ("en", "de", "ar", "ja"):
        show(page, theme, state("login", "fresh"), language)
        (alone,) = page.evaluate(BOXES, [".primary"])
        show(page, theme, state("login", "providers"), language)
        username, password, button, last = page.evaluate(BOXES, ["#username", "#password", ".primary", ".amazon"])
        assert button["top"] <= alone["top"] + 1
        assert 0 < username["bottom"] < password["bottom"] < button["top"] < last["top"]
        assert {button["left"], username["left"]} == {last["left"]}
        if viewport == PHONE:
            assert last["bottom"] <= viewport[1], language


def test_without_a_form_the_providers_are_in_view(page: Page, theme: Theme) -> None:
    # a band in the header of vellmoor needs more space
    viewport = SMALLEST_PHONE if theme.name == "default" else SMALL_PHONE
    size(page, viewport)
    for language in ("en", "de", "ar", "ja"):
        for name in ("providers.only", "providers.embedded.only"):
            show(page, theme, state("login", name), language)
            boxes = page.locator(".provider").evaluate_all("all => all.map((each) => each.getBoundingClientRect().top)")
            assert len(boxes) == (1 if "embedded" in name else 2)
            assert max(boxes) < viewport[1], (language, name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_of_provider_buttons_have_contrast(page: Page, theme: Theme, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    show(page, theme, state("login", "providers.every"))
    colours = page.locator(".provider").evaluate_all(
        "all => all.map(getComputedStyle).map((each) => [each.color, each.backgroundColor])"
    )
    page.emulate_media(color_scheme="light")
    assert len(colours) == len(EVERY_PROVIDER)
    for pair in colours:
        text, background = ("#" + bytes(map(int, re.findall(r"[0-9]+", each)[:3])).hex() for each in pair)
        assert contrast(text, background) >= 4.5, pair


def test_qr_code_is_black_on_white_in_the_dark(page: Page, theme: Theme) -> None:
    page.emulate_media(color_scheme="dark")
    show(page, theme, state("second_factor_setup", "fresh"))
    page.evaluate("document.querySelector('.qr summary').click()")
    shown = page.locator(".qr div").evaluate("each => getComputedStyle(each).backgroundColor")
    page.emulate_media(color_scheme="light")
    assert shown == "rgb(255, 255, 255)"
    assert page.locator(".qr svg").bounding_box()


def test_the_button_that_stays_in_view_looks_whole(page: Page, theme: Theme) -> None:
    """Nothing shows below it at the edge of the screen, and it covers no part of the focus ring of Cancel."""
    size(page, PHONE)
    show(page, theme, state("register", "invalid.missing"))
    (button,) = page.evaluate(BOXES, [".primary"])
    assert button["bottom"] < PHONE[1]
    below: Any = {"x": 0, "y": button["bottom"], "width": PHONE[0], "height": PHONE[1] - button["bottom"]}
    strip = page.screenshot(clip=below)
    page.add_style_tag(content="form > :not(.primary) { visibility: hidden }")
    assert page.screenshot(clip=below) == strip

    page.add_style_tag(content="form > .buttons { visibility: visible }")
    page.locator(".primary + .buttons button").first.focus()
    cancel = page.locator(".primary + .buttons")
    ring = cancel.screenshot()
    page.add_style_tag(content=".primary { box-shadow: none !important }")
    assert cancel.screenshot() == ring


@pytest.mark.parametrize("viewport", [PHONE, SMALL_PHONE, LANDSCAPE])
def test_the_choice_of_languages_is_a_grid_that_opens_into_view(
    page: Page, theme: Theme, viewport: tuple[int, int]
) -> None:
    size(page, viewport)
    for language, each in (("en", state("login", "fresh")), ("ar", state("password", "too_simple"))):
        show(page, theme, each, language)
        page.evaluate("document.querySelector('summary').click()")
        boxes = page.evaluate(
            "[...document.querySelectorAll('li:has([name=ui_locales])')].map((each) => each.getBoundingClientRect())"
            ".map(({ left, right, top, bottom }) => ({ left, right, top, bottom }))"
        )
        assert len(boxes) == len(theme.languages) == 13
        columns = {round(box["left"]) for box in boxes}
        assert len(columns) == (3 if viewport == LANDSCAPE else 2)
        assert {round(box["right"] - box["left"]) for box in boxes} == {round(boxes[0]["right"] - boxes[0]["left"])}
        assert min(box["top"] for box in boxes) >= 0
        # a band in the header of vellmoor leaves less space in landscape
        rows = 1 if (theme.name, viewport) == ("vellmoor", LANDSCAPE) else 0
        assert max(box["bottom"] for box in boxes) <= viewport[1] + rows * 60


def test_everything_stands_at_the_edges_of_the_card_and_of_its_fields(page: Page) -> None:
    theme = open_installed_theme("default", **PARAMETERS)
    for viewport in (PHONE, SMALL_PHONE, LANDSCAPE):
        size(page, viewport)
        show(page, theme, state("login", "wrong_password"))
        logo, card, menu = page.evaluate(BOXES, [".brand img", "main", "summary"])
        assert abs(logo["left"] - card["left"]) < 0.5
        assert abs(menu["right"] - card["right"]) < 0.5
        alert, field, button = page.evaluate(BOXES, ["#error", "#username", ".primary"])
        assert {each["left"] for each in (alert, field, button)} == {alert["left"]}
        assert {each["right"] for each in (alert, field, button)} == {alert["right"]}
        style = page.locator("#error").evaluate(
            "each => { const { outlineStyle, outlineWidth, outlineOffset, borderLeftWidth, borderRightWidth }"
            " = getComputedStyle(each); return { outlineStyle, outlineWidth, outlineOffset, borderLeftWidth,"
            " borderRightWidth } }"
        )
        # the ring is inside the border box, and equally wide at every side
        ring = {"outlineStyle": "solid", "outlineWidth": "2px", "outlineOffset": "-2px"}
        assert style == {**ring, "borderLeftWidth": "1px", "borderRightWidth": "1px"}
        texts = page.evaluate(
            "[...document.querySelectorAll('footer a')].map((each) => { const range = document.createRange();"
            " range.selectNodeContents(each); const { left, right } = range.getBoundingClientRect();"
            " return [left, right] })"
        )
        assert abs(texts[0][0] - card["left"]) < 0.5
        assert {round(right[0] - left[1]) for left, right in pairwise(texts)} == {20}


def test_only_the_button_that_sends_the_form_is_prominent(page: Page, theme: Theme) -> None:
    size(page, PHONE)
    look = (
        "each => { const { backgroundColor, borderTopColor, fontWeight } = getComputedStyle(each);"
        " return [backgroundColor, borderTopColor, Number(fontWeight)] }"
    )
    nothing = "rgba(0, 0, 0, 0)"
    for each in (state("login", "fresh"), state("code", "fresh")):
        show(page, theme, each)
        background, _, weight = page.locator(".primary").evaluate(look)
        assert background != nothing
        assert weight >= 600
        for button in page.locator(".secondary").all():
            assert button.evaluate(look) == [nothing, nothing, 400]
        for label in page.locator("label, .consent h2").all():
            assert label.evaluate(look)[2] < 600


def test_japanese_words_stay_whole_and_brackets_are_flush(page: Page) -> None:
    theme = open_installed_theme("default", **PARAMETERS)
    for viewport in (PHONE, SMALL_PHONE):
        size(page, viewport)
        show(page, theme, state("login", "wrong_password"), "ja")
        styles = "each => [getComputedStyle(each).wordBreak, getComputedStyle(each).textSpacingTrim]"
        assert page.locator("#which").evaluate(styles) == ["auto-phrase", "trim-start"]
        assert page.locator("h1").evaluate(styles) == ["auto-phrase", "space-all"]
        indent, font = page.locator("h1").evaluate(
            "each => [getComputedStyle(each).textIndent, getComputedStyle(each).fontSize].map(parseFloat)"
        )
        # the visible half of a bracket that begins the heading is at the edge
        assert indent == -font / 2
        lines = page.locator("h1").evaluate(
            """each => {
              const range = document.createRange(), tops = {}, node = each.firstChild;
              for (let index = 0; index < node.length; index++) {
                range.setStart(node, index);
                range.setEnd(node, index + 1);
                const box = range.getBoundingClientRect();
                if (box.width) tops[Math.round(box.top)] = (tops[Math.round(box.top)] || "") + node.data[index];
              }
              return Object.values(tops);
            }"""
        )
        assert all(not line.startswith("を") for line in lines), lines
