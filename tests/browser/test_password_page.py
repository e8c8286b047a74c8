"""An expired password is changed in a real browser, on a phone, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.backends.outcomes import NEW, PASSWORD
from tests.browser import faults
from tests.browser.visitor import Visitor
from tests.servers.development_server import DevelopmentServer
from tests.servers.ldap_connections import ldap_connection
from tests.servers.samba import SambaAD


def choose(visitor: Visitor, current: str, new: str, again: str) -> None:
    """Fill in the password page and press its first button."""
    for field, typed in (("password", current), ("new_password", new), ("repeated_password", again)):
        visitor.page.fill(f"#{field}", typed)
    visitor.page.click("button.primary")


@pytest.mark.parametrize("script", [True, False])
def test_a_person_changes_an_expired_password_and_is_linked(
    visit: Callable[..., Visitor], changing_app: DevelopmentServer, script: bool
) -> None:
    name, visitor = f"expired-script-{script}", visit(java_script_enabled=script)
    page = visitor.page
    visitor.enable(changing_app)
    visitor.sign_in(name, PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose a new password")
    expect(page.locator("#which")).to_contain_text("Your password is correct, but it has expired.")
    expect(page.locator("#username")).to_have_value(name)
    expect(page.locator("#username")).not_to_be_editable()
    expect(visitor.alert).to_have_count(0)
    choose(visitor, PASSWORD, "short", "short")
    expect(visitor.alert).to_contain_text("It must have at least 12 characters.")
    expect(page.locator("#error")).to_be_focused()
    expect(page.locator("#new_password")).to_have_attribute("aria-invalid", "true")
    choose(visitor, PASSWORD, NEW, NEW + "x")
    expect(visitor.alert.get_by_role("heading")).to_have_text("The two new passwords do not match")
    choose(visitor, "wrong", NEW, NEW)
    expect(visitor.alert.get_by_role("heading")).to_have_text("The current password is wrong")
    for field in ("#password", "#new_password", "#repeated_password"):
        expect(page.locator(field)).to_have_value("")
    choose(visitor, PASSWORD, NEW, NEW)
    page.wait_for_url(f"{changing_app.url}/simulator/pitangui/**")
    assert len(visitor.fragment["access_token"]) == 43
    assert visitor.fragment["state"] == visitor.sent_state
    # and from now on as everybody else
    visitor.enable(changing_app)
    visitor.sign_in(name, NEW)
    page.wait_for_url(f"{changing_app.url}/simulator/pitangui/**")


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_the_page_is_for_everybody(visit: Callable[..., Visitor], changing_app: DevelopmentServer, locale: str) -> None:
    visitor = visit(locale=locale, viewport={"width": 320, "height": 640})
    visitor.enable(changing_app)
    visitor.sign_in(f"must-{locale}", PASSWORD)
    for _ in range(2):
        assert faults.accessibility(visitor.page) == []
        assert faults.layout(visitor.page) == []
        assert faults.targets(visitor.page) == []
        choose(visitor, PASSWORD, "simple", "simple")
        expect(visitor.page.locator("#error")).to_be_focused()


def test_a_person_of_active_directory_who_must_change_is_linked(
    visit: Callable[..., Visitor], domain: SambaAD, in_domain: DevelopmentServer
) -> None:
    """A real domain controller says 773, refuses what its policy does not allow, and takes what it does."""
    person, visitor = domain.people["mustchange"], visit(viewport={"width": 320, "height": 640})
    page = visitor.page
    visitor.enable(in_domain)
    visitor.sign_in(f"EXAMPLE\\{person.username}", person.password)
    expect(page.locator("#which")).to_contain_text("you must change it first")
    choose(visitor, person.password, "short", "short")
    expect(visitor.alert).to_contain_text("It must have at least 7 characters.")
    choose(visitor, person.password, "nothing but letters", "nothing but letters")
    expect(visitor.alert.get_by_role("heading")).to_have_text("The new password is too simple")
    new = "The very new 26"
    choose(visitor, person.password, new, new)
    page.wait_for_url(f"{in_domain.url}/simulator/pitangui/**")
    assert len(visitor.fragment["access_token"]) == 43
    assert visitor.fragment["state"] == visitor.sent_state
    # the directory itself has it
    with ldap_connection(domain.ldaps, person.upn, new, domain.ca_file) as connection:
        assert connection.bind()


def test_cancel_goes_back_with_access_denied(visitor: Visitor, changing_app: DevelopmentServer) -> None:
    visitor.enable(changing_app)
    visitor.sign_in("expired-cancel", PASSWORD)
    visitor.page.click("text=Cancel")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Not linked")
    assert visitor.fragment["error"] == "access_denied"
