"""Checks of a page. Each function returns a list of problems, which is empty for a correct page.

The numbers in parentheses are success criteria of WCAG 2.2.
"""

from __future__ import annotations

import gzip
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response

from linkauth.theming.axe import PHONE_AUTOCOMPLETE

AXE = Axe()
DARK_RULES = ["color-contrast", "link-in-text-block"]
"""The rules of axe that depend on colours."""
FIRST_VIEW_BYTES, FIRST_VIEW_REQUESTS = 14_000, 4

OVERFLOW_SCRIPT = """() => {
  const width = document.documentElement.clientWidth, faults = [];
  const say = (what, element) => faults.push(`${what}: ${element.outerHTML.slice(0, 80)}`);
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page scrolls sideways");
  for (const element of document.querySelectorAll("body, body *")) {
    const box = element.getBoundingClientRect();
    // inputs scroll their content, texts for screen readers are one pixel large, and SVG elements have no CSS boxes
    if (element.matches("input, .unseen, svg *")) continue;
    if (box.left < -0.5 || box.right > width + 0.5) say("outside the page", element);
    if (element.clientWidth && element.scrollWidth > element.clientWidth + 1) say("clipped at the side", element);
    const clips = getComputedStyle(element).overflowY !== "visible" || element.localName === "button";
    if (clips && element.clientHeight && element.scrollHeight > element.clientHeight + 1) say("clipped below", element);
  }
  return faults;
}"""
APPLY_STYLE_SCRIPT = """style => {
  // a user style sheet, to which the Content-Security-Policy of the page does not apply
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  document.adoptedStyleSheets = [sheet];
}"""
WIDE_SPACING = """
  * { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
  p { margin-block-end: 2em !important; }"""
WIDE_FONT = (
    "* { font-family: 'DejaVu Sans' !important; font-weight: 700 !important; letter-spacing: 0.05em !important; }"
)
"""A font that is wider than those of phones."""
TARGETS_SCRIPT = """() => {
  const targets = [...document.querySelectorAll("a[href], button, select, summary, input:not([type=hidden])")]
    // a click on the label of a checkbox checks it
    .map((element) => [element, (element.closest("label") || element).getBoundingClientRect()])
    .map(([element, box]) => [element.textContent.trim() || element.id, element, box])
    // elements in the closed language menu, and buttons that a script shows, are not visible
    .filter(([, element]) => element.checkVisibility());
  const small = targets.filter(([, , box]) => box.width < 44 || box.height < 44)
    .map(([name, , box]) => `${name} is ${box.width} x ${box.height}`);
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  const stacked = targets.flatMap(([name, element, box], index) => targets.slice(index + 1)
    // the button that shows a password lies inside its field, which has padding for it
    .filter(([, other, otherBox]) => over(box, otherBox) && !other.matches(`[aria-controls="${element.id}"]`))
    .map(([other]) => `${name} overlaps ${other}`));
  return [...small, ...stacked];
}"""
MOTION_SCRIPT = """() => [...document.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  return style.transitionDuration !== "0s" || style.animationName !== "none" || style.scrollBehavior === "smooth";
}).map((element) => `moves: ${element.tagName}`)"""


def accessibility(page: Page) -> list[str]:
    """Returns the violations that axe finds: all rules in the light colour scheme, DARK_RULES in the dark one."""
    page.evaluate(AXE.axe_script)
    light = _violations(page, {"resultTypes": ["violations"]})
    page.emulate_media(color_scheme="dark")
    dark = _violations(page, {"runOnly": DARK_RULES})
    page.emulate_media(color_scheme="light")
    return light + [f"dark: {fault}" for fault in dark]


def _violations(page: Page, options: dict[str, Any]) -> list[str]:
    problems = page.evaluate("options => axe.run(options).then(found => found.violations)", options)
    nodes = ((rule["id"], node) for rule in problems for node in rule["nodes"])
    # HTML allows one of the two words of this attribute
    expected = ("autocomplete-valid", PHONE_AUTOCOMPLETE)
    return [
        f"{name}: {node['html'][:200]} {node['any']}"
        for name, node in nodes
        if name != expected[0] or expected[1] not in node["html"]
    ]


def layout(page: Page) -> list[str]:
    """Returns the elements that are clipped or scroll sideways.

    Checks the page unchanged, with text at 200 % (1.4.4), with more text spacing (1.4.12) and with a wide font.
    """
    faults = []
    resize = "size => { document.documentElement.style.fontSize = size }"
    for variant, size, style in (
        ("unchanged", "", ""),
        ("text at 200 %", "200%", ""),
        ("more text spacing", "", WIDE_SPACING),
        ("wide font", "", WIDE_FONT),
        ("wide font at 200 %", "200%", WIDE_FONT),
    ):
        page.evaluate(resize, size)
        page.evaluate(APPLY_STYLE_SCRIPT, style)
        faults += [f"{variant}: {fault}" for fault in page.evaluate(OVERFLOW_SCRIPT)]
    page.evaluate(resize, "")
    page.evaluate(APPLY_STYLE_SCRIPT, "")
    return faults


def targets(page: Page) -> list[str]:
    """Returns the touch targets that are smaller than 44 pixels or overlap another target (2.5.5, 2.5.8)."""
    problems: list[str] = page.evaluate(TARGETS_SCRIPT)
    return problems


def moving(page: Page) -> list[str]:
    """Returns the elements with an animation, a transition or smooth scrolling (2.3.3)."""
    problems: list[str] = page.evaluate(MOTION_SCRIPT)
    return problems


def weight(responses: list[Response]) -> list[str]:
    """Returns the problems of a first page view with these responses: too many requests or too many bytes."""
    successful = [response for response in responses if response.status == 200]
    urls = {response.url for response in successful}
    size = sum(len(gzip.compress(response.body())) for response in successful)
    problems = [f"{len(urls)} requests: {sorted(urls)}"] if len(urls) > FIRST_VIEW_REQUESTS else []
    return problems + ([f"{size} bytes"] if size > FIRST_VIEW_BYTES else [])
