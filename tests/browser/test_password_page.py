"""Tests of the password page in a real browser with the screen size of a phone, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.backends.outcomes import NEW, PASSWORD
from tests.browser import page_checks
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer
from tests.servers.ldap_connections import ldap_connection
from tests.servers.samba import SambaAD


def submit_new_password(visitor: Visitor, current: str, new: str, repeated: str) -> None:
    """Fills in the password page and clicks its first button."""
    for field, typed in (("password", current), ("new_password", new), ("repeated_password", repeated)):
        visitor.page.fill(f"#{field}", typed)
    visitor.page.click("button.primary")


@pytest.mark.parametrize("script", [True, False])
def test_a_person_changes_an_expired_password_and_is_linked(
    new_visitor: Callable[..., Visitor], changing_app: DevelopmentServer, script: bool
) -> None:
    name, visitor = f"expired-script-{script}", new_visitor(java_script_enabled=script)
    page = visitor.page
    visitor.enable(changing_app)
    visitor.sign_in(name, PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose a new password")
    expect(page.locator("#which")).to_contain_text("Your password is correct, but it has expired.")
    expect(page.locator("#username")).to_have_value(name)
    expect(page.locator("#username")).not_to_be_editable()
    expect(visitor.alert).to_have_count(0)
    submit_new_password(visitor, PASSWORD, "short", "short")
    expect(visitor.alert).to_contain_text("It must have at least 12 characters.")
    expect(page.locator("#error")).to_be_focused()
    expect(page.locator("#new_password")).to_have_attribute("aria-invalid", "true")
    submit_new_password(visitor, PASSWORD, NEW, NEW + "x")
    expect(visitor.alert.get_by_role("heading")).to_have_text("The two new passwords do not match")
    submit_new_password(visitor, "wrong", NEW, NEW)
    expect(visitor.alert.get_by_role("heading")).to_have_text("The current password is wrong")
    for field in ("#password", "#new_password", "#repeated_password"):
        expect(page.locator(field)).to_have_value("")
    submit_new_password(visitor, PASSWORD, NEW, NEW)
    page.wait_for_url(f"{changing_app.url}/simulator/pitangui/**")
    assert len(visitor.fragment["access_token"]) == 43
    assert visitor.fragment["state"] == visitor.sent_state
    # the next sign-in accepts the new password
    visitor.enable(changing_app)
    visitor.sign_in(name, NEW)
    page.wait_for_url(f"{changing_app.url}/simulator/pitangui/**")


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_the_password_page_is_accessible(
    new_visitor: Callable[..., Visitor], changing_app: DevelopmentServer, locale: str
) -> None:
    visitor = new_visitor(locale=locale, viewport={"width": 320, "height": 640})
    visitor.enable(changing_app)
    visitor.sign_in(f"must-{locale}", PASSWORD)
    for _ in range(2):
        assert page_checks.accessibility(visitor.page) == []
        assert page_checks.layout(visitor.page) == []
        assert page_checks.targets(visitor.page) == []
        submit_new_password(visitor, PASSWORD, "simple", "simple")
        expect(visitor.page.locator("#error")).to_be_focused()


def test_a_person_in_active_directory_changes_an_expired_password_and_is_linked(
    new_visitor: Callable[..., Visitor], domain: SambaAD, ad_server: DevelopmentServer
) -> None:
    """A real domain controller requires the change (code 773) and checks the new password by its policy."""
    person, visitor = domain.people["mustchange"], new_visitor(viewport={"width": 320, "height": 640})
    page = visitor.page
    visitor.enable(ad_server)
    visitor.sign_in(f"EXAMPLE\\{person.username}", person.password)
    expect(page.locator("#which")).to_contain_text("you must change it first")
    submit_new_password(visitor, person.password, "short", "short")
    expect(visitor.alert).to_contain_text("It must have at least 7 characters.")
    submit_new_password(visitor, person.password, "nothing but letters", "nothing but letters")
    expect(visitor.alert.get_by_role("heading")).to_have_text("The new password is too simple")
    new = "The very new 26"
    submit_new_password(visitor, person.password, new, new)
    page.wait_for_url(f"{ad_server.url}/simulator/pitangui/**")
    assert len(visitor.fragment["access_token"]) == 43
    assert visitor.fragment["state"] == visitor.sent_state
    # the directory accepts the new password
    with ldap_connection(domain.ldaps, person.upn, new, domain.ca_file) as connection:
        assert connection.bind()


def test_cancel_redirects_with_access_denied(visitor: Visitor, changing_app: DevelopmentServer) -> None:
    visitor.enable(changing_app)
    visitor.sign_in("expired-cancel", PASSWORD)
    visitor.page.click("text=Cancel")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Not linked")
    assert visitor.fragment["error"] == "access_denied"
