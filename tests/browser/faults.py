"""What is wrong with a page, in words: empty lists are what every page must give.

The numbers are success criteria of WCAG 2.2.
"""

from __future__ import annotations

import gzip
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response

AXE = Axe()
DARK_RULES = ["color-contrast", "link-in-text-block"]
"""The rules of axe that look at colours."""
FIRST_VIEW_BYTES, FIRST_VIEW_REQUESTS = 14_000, 4

CUT = """() => {
  const width = document.documentElement.clientWidth, faults = [];
  const say = (what, element) => faults.push(`${what}: ${element.outerHTML.slice(0, 80)}`);
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page scrolls sideways");
  for (const element of document.querySelectorAll("body, body *")) {
    const box = element.getBoundingClientRect();
    // an input scrolls by itself, what only screen readers get is a pixel large, svg has no boxes
    if (element.matches("input, .unseen, svg *")) continue;
    if (box.left < -0.5 || box.right > width + 0.5) say("beside the page", element);
    if (element.clientWidth && element.scrollWidth > element.clientWidth + 1) say("cut at the side", element);
    const clips = getComputedStyle(element).overflowY !== "visible" || element.localName === "button";
    if (clips && element.clientHeight && element.scrollHeight > element.clientHeight + 1) say("cut below", element);
  }
  return faults;
}"""
STYLED = """style => {
  // a style sheet of the reader's own, which the page's content security policy does not see
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  document.adoptedStyleSheets = [sheet];
}"""
SPACED = """
  * { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
  p { margin-block-end: 2em !important; }"""
WIDE = "* { font-family: 'DejaVu Sans' !important; font-weight: 700 !important; letter-spacing: 0.05em !important; }"
"""Letters that are wider than those of any phone."""
TARGETS = """() => {
  const targets = [...document.querySelectorAll("a[href], button, select, summary, input:not([type=hidden])")]
    .map((element) => [element.textContent.trim() || element.id, element, element.getBoundingClientRect()])
    // in a closed choice of languages, or waiting for a script
    .filter(([, element]) => element.checkVisibility());
  const small = targets.filter(([, , box]) => box.width < 44 || box.height < 44)
    .map(([name, , box]) => `${name} is ${box.width} x ${box.height}`);
  const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  const stacked = targets.flatMap(([name, element, box], index) => targets.slice(index + 1)
    // the eye stands in its field, which leaves room for it
    .filter(([, other, otherBox]) => over(box, otherBox) && !other.matches(`[aria-controls="${element.id}"]`))
    .map(([other]) => `${name} lies over ${other}`));
  return [...small, ...stacked];
}"""
MOVING = """() => [...document.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  return style.transitionDuration !== "0s" || style.animationName !== "none" || style.scrollBehavior === "smooth";
}).map((element) => `moves: ${element.tagName}`)"""


def accessibility(page: Page) -> list[str]:
    """What axe says: every rule on a light screen, those that look at colours on a dark one."""
    page.evaluate(AXE.axe_script)
    light = _violations(page, {"resultTypes": ["violations"]})
    page.emulate_media(color_scheme="dark")
    dark = _violations(page, {"runOnly": DARK_RULES})
    page.emulate_media(color_scheme="light")
    return light + [f"dark: {fault}" for fault in dark]


def _violations(page: Page, options: dict[str, Any]) -> list[str]:
    found = page.evaluate("options => axe.run(options).then(found => found.violations)", options)
    return [f"{each['id']}: {node['html'][:200]} {node['any']}" for each in found for node in each["nodes"]]


def layout(page: Page) -> list[str]:
    """What is cut off or scrolls sideways: as it is, with letters twice as large (1.4.4), spaced (1.4.12), or wide."""
    faults = []
    resize = "size => { document.documentElement.style.fontSize = size }"
    for what, size, style in (
        ("as it is", "", ""),
        ("text at 200 %", "200%", ""),
        ("text spaced", "", SPACED),
        ("wide letters", "", WIDE),
        ("wide letters at 200 %", "200%", WIDE),
    ):
        page.evaluate(resize, size)
        page.evaluate(STYLED, style)
        faults += [f"{what}: {fault}" for fault in page.evaluate(CUT)]
    page.evaluate(resize, "")
    page.evaluate(STYLED, "")
    return faults


def targets(page: Page) -> list[str]:
    """What is to be touched and is smaller than 44 pixels, or lies over another such thing (2.5.5, 2.5.8)."""
    found: list[str] = page.evaluate(TARGETS)
    return found


def moving(page: Page) -> list[str]:
    """What moves, or would when something changes (2.3.3)."""
    found: list[str] = page.evaluate(MOVING)
    return found


def weight(responses: list[Response]) -> list[str]:
    """What is too much of a first view, of which these are the answers."""
    answers = [each for each in responses if each.status == 200]
    names, size = {each.url for each in answers}, sum(len(gzip.compress(each.body())) for each in answers)
    many = [f"{len(names)} requests: {sorted(names)}"] if len(names) > FIRST_VIEW_REQUESTS else []
    return many + ([f"{size} bytes"] if size > FIRST_VIEW_BYTES else [])
