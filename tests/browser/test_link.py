"""Tests of the complete linking in a real browser with the screen size of a phone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from tests.browser.conftest import ARGUMENTS, FONTS, TIMEOUT, chromium
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer

PASSWORD = "lovelace-1815"


def assert_linked(visitor: Visitor) -> None:
    """Checks that the redirect endpoint of the simulator reports success, and the parameters in the fragment."""
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Linked as ada")
    expect(visitor.page.locator("#checks .ok").first).to_contain_text("state unchanged (1108 characters)")
    assert visitor.fragment["state"] == visitor.sent_state
    assert len(visitor.sent_state) == 1108
    assert set("+/=") < set(visitor.sent_state)
    assert visitor.fragment["token_type"] == "Bearer"


def test_a_person_links_from_the_page_of_the_simulator(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.page.goto(demo_server.url)
    visitor.page.click("text=Enable skill")
    expect(visitor.page).to_have_title("Link Ride Hailer with Alexa – Example Rides")
    visitor.sign_in("ada", PASSWORD)
    assert_linked(visitor)
    assert visitor.context.cookies() == []
    introspection = json.loads(visitor.page.locator("#introspection pre").text_content() or "")
    assert introspection["scope"] == "order_car profile"


def test_a_person_links_by_code_and_disables_the_skill(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    page = visitor.page
    page.goto(demo_server.url)
    page.select_option("select[name=grant]", "authorization_code")
    page.select_option("select[name=region]", label="Europe and India")
    page.click("text=Enable skill")
    visitor.sign_in("ada", PASSWORD)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Linked as ada")
    expect(heading).to_be_focused()
    state = page.locator("#received pre").first
    expect(state).to_be_hidden()
    page.click("text=Show all 1108 characters")
    expect(state).to_have_text(visitor.sent_state)
    assert state.evaluate("box => box.scrollHeight <= box.clientHeight")
    # the code is no longer in the address, because it works once
    assert page.url == f"{demo_server.url}/simulator/layla/api/skill/link/M2SIMULATOR"
    page.click("text=Refresh tokens")
    expect(heading).to_have_text("Tokens refreshed")
    page.click("text=Disable skill")
    expect(heading).to_have_text("Link ended")
    assert page.locator(".bad").count() == 0


def test_a_phone_with_a_german_locale_gets_the_page_in_german(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.page.goto(demo_server.url)
    visitor.page.select_option("#language", "de-DE")
    visitor.page.click("text=Enable skill")
    expect(visitor.page.locator("html")).to_have_attribute("lang", "de")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Ride Hailer mit Alexa verknüpfen")
    expect(visitor.page.get_by_text("Beispiel Fahrten").first).to_be_visible()
    visitor.type("jörg", "müller größe 7")
    visitor.page.click("text=Anmelden und verknüpfen")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Linked as jörg")


def test_a_browser_that_prefers_german_gets_the_page_in_german(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer
) -> None:
    visitor = new_visitor(locale="de-AT")
    visitor.enable(demo_server)
    expect(visitor.page.locator("html")).to_have_attribute("lang", "de")


def test_a_person_with_a_disabled_account_is_told_so_after_the_right_password(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    visitor.enable(demo_server)
    visitor.sign_in("konrad", "zuse-1910")
    expect(visitor.alert.get_by_role("heading")).to_have_text("Your account is deactivated")
    expect(visitor.alert).to_contain_text("please contact Example Rides support")
    visitor.page.get_by_text("Back to sign-in").click()
    visitor.sign_in("konrad", "not his password")
    expect(visitor.alert.get_by_role("heading")).to_have_text("The name or the password is wrong")


def test_cancel_redirects_with_access_denied(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    visitor.page.click("text=Cancel")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Not linked")
    expect(visitor.page.locator("#checks .bad")).to_contain_text("access_denied")
    assert visitor.fragment["error"] == "access_denied"
    assert visitor.fragment["state"] == visitor.sent_state
    assert "access_token" not in visitor.fragment


def test_a_wrong_password_is_reported_on_the_same_page_which_can_be_submitted_again(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    visitor.enable(demo_server)
    page = visitor.page
    visitor.sign_in("ada", "wrong")
    expect(visitor.alert.get_by_role("heading")).to_have_text("The name or the password is wrong")
    expect(page.locator("#error")).to_be_focused()
    expect(page.locator("#username")).to_have_value("ada")
    expect(page.locator("#password")).to_have_value("")
    for field in ("#username", "#password"):
        expect(page.locator(field)).to_have_attribute("aria-invalid", "true")
        expect(page.locator(field)).to_have_attribute("aria-errormessage", "error")
    assert page.title().startswith("Error: ")
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    assert_linked(visitor)


def test_linking_works_without_javascript(new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer) -> None:
    visitor = new_visitor(java_script_enabled=False)
    visitor.enable(demo_server)
    visitor.sign_in("ada", "wrong")
    expect(visitor.alert).to_be_visible()
    expect(visitor.page.locator("#username")).to_have_value("ada")
    visitor.sign_in("ada", PASSWORD)
    visitor.page.wait_for_url(f"{demo_server.url}/simulator/pitangui/**")
    assert "only a script can read it" in visitor.page.inner_text("main")
    assert len(visitor.fragment["access_token"]) == 43
    assert visitor.fragment["state"] == visitor.sent_state


def test_linking_works_with_blocked_cookies(
    playwright: Playwright, chromium_path: str, demo_server: DevelopmentServer, tmp_path: Path
) -> None:
    (tmp_path / "Default").mkdir()
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default/Preferences").write_text(json.dumps(blocked), "utf-8")
    context = playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=chromium_path, headless=True, args=ARGUMENTS, locale="en-US"
    )
    context.set_default_timeout(TIMEOUT)
    visitor = Visitor(context, (demo_server.url,))
    try:
        visitor.enable(demo_server)
        assert visitor.page.evaluate("document.cookie = 'any=1', document.cookie") == ""
        visitor.sign_in("ada", PASSWORD)
        assert_linked(visitor)
    finally:
        visitor.close()
    assert visitor.faults == []


def test_a_double_click_leads_to_the_redirect_endpoint(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    visitor.type("ada", PASSWORD)
    visitor.page.dblclick("button.primary")
    assert_linked(visitor)
    assert max(response.status for response in visitor.responses) < 400


def test_going_back_after_the_redirect_gives_a_working_page(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.enable(demo_server)
    visitor.sign_in("ada", PASSWORD)
    assert_linked(visitor)
    first = visitor.fragment["access_token"]
    visitor.page.go_back()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Link Ride Hailer with Alexa")
    expect(visitor.page.locator("#password")).to_have_value("")
    visitor.sign_in("ada", PASSWORD)
    assert_linked(visitor)
    assert visitor.fragment["access_token"] != first


def test_a_page_with_an_expired_form_token_can_be_submitted_again(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    visitor.enable(demo_server)
    visitor.page.locator("[name=form_token]").evaluate("field => { field.value = '1.AAAAAAAAAAAAAAAAAAAAAAAA' }")
    visitor.sign_in("ada", PASSWORD)
    expect(visitor.alert.get_by_role("heading")).to_have_text("This page was open for too long")
    expect(visitor.page.locator("#error")).to_be_focused()
    expect(visitor.page.locator("#username")).to_have_value("ada")
    expect(visitor.page.locator("#password")).to_have_value("")
    visitor.page.fill("#password", PASSWORD)
    visitor.page.click("button.primary")
    assert_linked(visitor)


def test_without_chromium_or_its_fonts_a_test_is_skipped_but_fails_in_ci(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match=f"sudo apt-get install {' '.join(FONTS)}$"):
        chromium("/usr/bin/chromium", False, tmp_path)
    for file in FONTS.values():
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    with pytest.raises(pytest.skip.Exception, match=r"sudo apt-get install chromium$"):
        chromium(None, False, tmp_path)
    with pytest.raises(pytest.fail.Exception, match=r"sudo apt-get install chromium$"):
        chromium(None, True, tmp_path)
    assert chromium("/usr/bin/chromium", True, tmp_path) == "/usr/bin/chromium"
