"""Tests of accessibility on the pages of a sign-in: focus, page titles, and form attributes for password managers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from linkauth.mail.sink import Sink
from tests.browser import page_checks
from tests.browser.visitor import Visitor
from tests.mail.mails import outgoing
from tests.servers.development_server import DevelopmentServer

SKILL = "/authorize?client_id=ride-hailer&response_type=token"
ERROR_PAGES = (
    "/authorize?client_id=nobody",
    SKILL,
    f"{SKILL}&redirect_uri=https://evil.example/",
    f"{SKILL}&client_id=ride-hailer",
    "/authorize?client_id=%ff",
    "/nowhere",
)


@pytest.mark.parametrize(
    ("alert", "status"), [("wrong password", 403), ("throttled", 429), ("stale", 400), ("down", 503)]
)
def test_an_error_takes_the_focus_and_the_user_name_stays_in_the_form(
    visitor: Visitor, demo_server: DevelopmentServer, full_login_page: str, alert: str, status: int
) -> None:
    name = f"nobody, for {alert}"
    visitor.page.goto(full_login_page if alert == "down" else f"{demo_server.url}/simulator/enable")
    if alert == "stale":
        visitor.page.locator("[name=form_token]").evaluate("field => { field.value = '' }")
    for _ in range(4 if alert == "throttled" else 1):
        visitor.sign_in(name, "zuse-1910")
    assert [response.status for response in visitor.responses if response.request.method == "POST"][-1] == status
    expect(visitor.page.locator("#error")).to_be_focused()
    expect(visitor.page.locator("#username")).to_have_value(name)
    assert visitor.page.title().startswith("Error: ")


def test_a_person_whose_account_is_deactivated_gets_no_form_but_ways_out(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    page = visitor.page
    visitor.enable(demo_server)
    visitor.sign_in("konrad", "zuse-1910")
    expect(page.locator("#error")).to_be_focused()
    expect(page.locator("input:visible, .primary")).to_have_count(0)
    page.get_by_text("Back to sign-in").click()
    expect(page.locator("#username")).to_have_value("")
    visitor.sign_in("konrad", "zuse-1910")
    page.get_by_text("Cancel").click()
    expect(page.locator("body[data-result=not-linked]")).to_be_attached()
    assert visitor.fragment == {"error": "access_denied", "state": visitor.sent_state, **visitor.fragment}


def test_the_title_of_an_error_page_begins_with_error(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    for path in ERROR_PAGES:
        response = visitor.page.goto(demo_server.url + path)
        assert response
        assert response.status in (400, 404), path
        assert visitor.page.title().startswith("Error: ")


def test_axe_finds_no_violation_on_the_pages_of_the_simulator(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    visitor.page.goto(demo_server.url)
    assert page_checks.accessibility(visitor.page) == []
    visitor.enable(demo_server)
    visitor.sign_in("ada", "lovelace-1815")
    expect(visitor.page.locator("body[data-result=linked]")).to_be_attached()
    assert page_checks.accessibility(visitor.page) == []
    visitor.enable(demo_server)
    visitor.page.click("text=Cancel")
    expect(visitor.page.locator("body[data-result=not-linked]")).to_be_attached()
    assert page_checks.accessibility(visitor.page) == []


def test_the_page_of_mails_shows_a_mail_as_text_and_in_a_frame(
    new_visitor: Callable[..., Visitor], demo_server: DevelopmentServer
) -> None:
    Sink(str(demo_server.log.parent / "var/mails")).send(outgoing())
    visitor = new_visitor(viewport={"width": 320, "height": 640}, java_script_enabled=False)
    visitor.page.goto(f"{demo_server.url}/simulator/mails")
    section = visitor.page.locator("section").first
    expect(section.locator("pre")).to_contain_text("7KQ4-MXRW")
    section.locator("summary").click()
    expect(visitor.page.frame_locator("section:first-of-type iframe").locator("b")).to_have_text("7KQ4-MXRW")


def test_axe_finds_no_violation_on_the_page_of_mails(visitor: Visitor, demo_server: DevelopmentServer) -> None:
    Sink(str(demo_server.log.parent / "var/mails")).send(outgoing())
    visitor.page.goto(f"{demo_server.url}/simulator/mails")
    visitor.page.locator("summary").first.click()
    assert page_checks.accessibility(visitor.page) == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


USERNAME = {
    "type": "text",
    "autocomplete": "username",
    "autocapitalize": "none",
    "autocorrect": "off",
    "spellcheck": "false",
    "enterkeyhint": "next",
    "inputmode": "email",
    "dir": "auto",
    "maxlength": "254",
}
PASSWORD = {"type": "password", "autocomplete": "current-password", "spellcheck": "false", "enterkeyhint": "go"}


def test_the_fields_have_attributes_for_phones_and_password_managers(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    visitor.enable(demo_server)
    page = visitor.page
    expect(page.locator("form[method=post]")).to_have_count(1)
    expect(page.locator("form[method=post] ~ form")).to_have_count(0)
    for field, expected in (
        (page.get_by_label("User name"), USERNAME),
        (page.get_by_label("Password", exact=True), PASSWORD),
    ):
        assert {name: field.get_attribute(name) for name in expected} == expected
        assert field.get_attribute("onpaste") is None
        expect(field).to_have_attribute("required", "")
    expect(page.get_by_label("User name")).to_have_accessible_description(
        "Sign in with your Example Rides account, not your Amazon account."
    )


def test_spaces_are_removed_from_the_user_name_but_not_from_the_password(
    visitor: Visitor, demo_server: DevelopmentServer
) -> None:
    """The password would be right without the spaces around it."""
    visitor.enable(demo_server)
    visitor.sign_in("  grace ", " hopper-1906 ")
    expect(visitor.alert).to_be_visible()
    expect(visitor.page.locator("#username")).to_have_value("grace")
