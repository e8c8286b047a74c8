"""Tests of remembered devices in a whole sign-in."""

from __future__ import annotations

from collections.abc import Callable

from linkauth.storage import SecondFactorAdmin
from tests.second_factor.browser import Site, form_of

DAYS = {"second_factor__remember_days": "30"}
COOKIE = "__Host-linkauth-device"


def test_a_device_is_remembered_only_if_the_person_wants_it(make_site: Callable[..., Site]) -> None:
    site = make_site(**DAYS)
    browser = site.browser().enrol()
    browser.sign_in()
    assert browser.send(code=browser.code()) == "linked"
    assert COOKIE not in browser.cookies
    site.clock.ahead += 30
    assert browser.sign_in() == "second_factor"
    assert browser.send(code=browser.code(), remember="1") == "linked"
    header = browser.page.headers["Set-Cookie"]
    assert all(attribute in header for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"))
    assert "Domain" not in header
    assert browser.sign_in() == "linked"
    assert site.browser().sign_in() == "second_factor"
    site.clock.ahead += 30 * 86_400
    assert browser.sign_in() == "second_factor"


def test_the_cookie_of_one_person_is_of_no_use_to_another(make_site: Callable[..., Site]) -> None:
    site = make_site(**DAYS)
    ada, grace = site.browser().enrol("ada"), site.browser().enrol("grace")
    ada.sign_in("ada")
    ada.send(code=ada.code(), remember="1")
    grace.cookies = ada.cookies
    assert grace.sign_in("grace") == "second_factor"
    # the first step is still needed
    assert ada.sign_in("ada", "wrong") == "login"


def test_a_reset_ends_remembered_devices(make_site: Callable[..., Site]) -> None:
    site = make_site(**DAYS)
    browser = site.browser().enrol()
    browser.sign_in()
    browser.send(code=browser.code(), remember="1")
    admin = SecondFactorAdmin(site.services.engine, site.services.settings.secret)
    assert admin.remove("staff", "1", "operator")
    assert browser.sign_in() == "second_factor_setup"
    assert browser.set_up() == "recovery_codes"
    assert browser.send("saved") == "linked"
    assert browser.sign_in() == "second_factor"


def test_without_the_setting_no_device_is_remembered(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    assert "remember" not in form_of(browser.page).fields
    assert browser.send(code=browser.code(), remember="1") == "linked"
    assert "Set-Cookie" not in browser.page.headers
