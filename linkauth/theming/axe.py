"""Checks the pages of a theme with axe in Chromium, where both are installed.

Playwright starts the Chromium of the machine, which gets the pages and static files from memory: nothing is requested
over the network.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from linkauth.redaction import redact
from linkauth.themes.states import State
from linkauth.theming.check import Report
from linkauth.theming.development import DevelopmentTheme
from linkauth.theming.findings import Finding, merged
from linkauth.theming.markup import structure
from linkauth.web import headers

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route, ViewportSize

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MODULES = ("playwright", "axe_playwright_python")
_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_ORIGIN = "https://theme.invalid"
_PHONE: ViewportSize = {"width": 360, "height": 740}
_OPTIONS: dict[Literal["light", "dark"], dict[str, Any]] = {
    "light": {"resultTypes": ["violations"]},
    # the rules that depend on colours
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]},
}
_EXCERPT = 200
PHONE_AUTOCOMPLETE = 'autocomplete="username tel"'
"""The field for a telephone number that is a user name. HTML allows one of the two words, but browsers read both:
password managers look for the first one, and the keyboard suggests the person's number because of the second one."""


def _missing() -> list[str]:
    """Returns instructions to install what this check needs; empty if everything is installed."""
    found = [] if all(map(find_spec, _MODULES)) else ["pip install 'linkauth[axe]'"]
    return found if _chromium() else [*found, "install Chromium or Google Chrome"]


def _chromium() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def add_findings(report: Report, theme: DevelopmentTheme) -> Report:
    """Returns the report with what axe finds. If it cannot run, `unchecked` says why and what to install."""
    if todo := _missing():
        return replace(report, unchecked=[f"axe did not check the pages in a browser: {', '.join(todo)}"])
    from playwright.sync_api import Error

    try:
        return replace(report, findings=merged([*report.findings, *_findings(theme)]))
    except Error as error:
        what = (
            f"axe did not check the pages in a browser, because {_chromium()} failed: {redact(error).splitlines()[0]}"
        )
        return replace(report, unchecked=[what])


def _findings(theme: DevelopmentTheme) -> Iterator[Finding]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), headless=True, args=_ARGUMENTS)
        page = browser.new_page(viewport=_PHONE)
        shown: list[tuple[State, str]] = []
        page.route("**/*", lambda route: _respond(theme, shown, route))
        script_errors: list[str] = []
        page.on("pageerror", lambda error: script_errors.append(error.message))
        # pages with the same structure have the same faults
        found: dict[str, list[str]] = {}
        for state, html in _rendered(theme):
            shape = structure(html)
            if shape not in found:
                shown.append((state, html))
                found[shape] = list(_faults(page, f"{_ORIGIN}/pages/{len(shown) - 1}"))
                found[shape] += (f"the script fails: {message}" for message in script_errors)
                script_errors.clear()
            yield from (Finding(theme.location(state), what) for what in found[shape])


def _rendered(theme: DevelopmentTheme) -> Iterator[tuple[State, str]]:
    for state in theme.states:
        # the other checks report the error, which may be any exception of a template
        with suppress(Exception):
            yield state, theme.render_state(state, "en")


def _faults(page: Page, url: str) -> Iterator[str]:
    from axe_playwright_python.sync_playwright import Axe

    page.goto(url)
    for scheme, options in _OPTIONS.items():
        page.emulate_media(color_scheme=scheme)
        yield from _violations(Axe().run(page, options=options).response["violations"], scheme)


def _violations(violations: list[dict[str, Any]], scheme: str) -> Iterator[str]:
    for violation in violations:
        for node in violation["nodes"]:
            if violation["id"] == "autocomplete-valid" and PHONE_AUTOCOMPLETE in node["html"]:
                continue
            html = " ".join(node["html"].split())[:_EXCERPT]
            yield f"axe ({violation['id']}, {scheme}): {violation['help']}: {html}"


def _respond(theme: DevelopmentTheme, pages: Sequence[tuple[State, str]], route: Route) -> None:
    """Responds to a request of the browser with one of the rendered pages or a static file. Aborts every other one."""
    path = route.request.url.removeprefix(_ORIGIN)
    file = theme.static.get(path.removeprefix(theme.static_path))
    if path.startswith("/pages/"):
        state, html = pages[int(path.rpartition("/")[2])]
        # mails have inline styles
        sent = {} if state.is_mail else dict(headers.HEADERS)
        route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=sent)
    elif file:
        route.fulfill(body=file.body, content_type=file.content_type)
    else:
        route.abort()
