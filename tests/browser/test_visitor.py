"""The visitor of these tests notices what pages may not do: without this, an empty list of faults would say nothing."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer
from tests.servers.redirecting_origin import RedirectingOrigin


def faults_after(visitor: Visitor, page: Page, script: str) -> str:
    """What the visitor noticed of `script`; forgotten afterwards."""
    page.evaluate(script)
    # the console's messages come in order: once this one is here, so are the others
    with page.expect_console_message(lambda message: message.text == "done"):
        page.evaluate("console.log('done')")
    found = "\n".join(visitor.faults)
    visitor.faults.clear()
    return found


def test_windows_and_boxes(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    for name in ("alert", "confirm", "prompt", "open"):
        assert f"window.{name}" in faults_after(visitor, visitor.page, f"{name}('x')")


def test_what_the_content_security_policy_stops(visitor: Visitor, served: DevelopmentServer) -> None:
    visitor.enable(served)
    script = "{ const s = document.createElement('style'); s.textContent = '* {}'; document.head.append(s); }"
    assert "style-src" in faults_after(visitor, visitor.page, script)


def test_other_origins_and_cookies(visitor: Visitor, served: DevelopmentServer) -> None:
    stranger = RedirectingOrigin()
    stranger.start()
    try:
        visitor.page.goto(stranger.url)
        assert "another origin" in faults_after(visitor, visitor.page, "document.cookie = 'any=1'")
    finally:
        stranger.stop()
    assert visitor.left_behind() == ["cookie: any"]
    visitor.context.clear_cookies()
