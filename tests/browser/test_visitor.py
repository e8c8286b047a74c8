"""Tests that the visitor detects forbidden actions of pages: otherwise an empty list of faults would prove nothing."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer
from tests.servers.redirecting_origin import RedirectingOrigin


def faults_after(visitor: Visitor, page: Page, script: str) -> str:
    """Runs `script` in the page, and returns and clears the faults that the visitor recorded."""
    page.evaluate(script)
    # console messages arrive in order, so this one arrives after the others
    with page.expect_console_message(lambda message: message.text == "done"):
        page.evaluate("console.log('done')")
    recorded = "\n".join(visitor.faults)
    visitor.faults.clear()
    return recorded


def test_new_windows_and_dialogs_are_faults(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    for name in ("alert", "confirm", "prompt", "open"):
        assert f"window.{name}" in faults_after(visitor, visitor.page, f"{name}('x')")


def test_violations_of_the_content_security_policy_are_faults(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    script = "{ const s = document.createElement('style'); s.textContent = '* {}'; document.head.append(s); }"
    assert "style-src" in faults_after(visitor, visitor.page, script)


def test_requests_to_other_origins_and_cookies_are_faults(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    other_origin = RedirectingOrigin()
    other_origin.start()
    try:
        visitor.page.goto(other_origin.url)
        assert "another origin" in faults_after(visitor, visitor.page, "document.cookie = 'any=1'")
    finally:
        other_origin.stop()
    assert visitor.cookie_problems() == ["cookie: any"]
    visitor.context.clear_cookies()
