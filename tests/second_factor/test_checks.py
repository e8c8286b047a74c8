"""Tests of the page that asks for the second factor: wrong, used and missing codes, waits, and the end of a sign-in."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from sqlalchemy import text

from linkauth.login.factors import FREE_FAILURES
from linkauth.login.pending import PENDING_SECONDS, PENDING_TRIES
from linkauth.login.totp import STEP_SECONDS
from linkauth.storage import SecondFactorAdmin
from tests.second_factor.browser import Site, error_of, field_of, form_of


def test_a_code_of_the_neighbouring_step_is_accepted_and_others_are_not(site: Site) -> None:
    browser = site.browser().enrol()
    site.clock.ahead += 10 * STEP_SECONDS
    for drift in (-2, 2):
        browser.sign_in()
        assert browser.send(code=browser.code(drift)) == "second_factor"
        assert browser.page.status_int == 403
    for drift in (-1, 1):
        browser.sign_in()
        assert browser.send(code=browser.code(drift)) == "linked"


def test_a_code_that_was_used_is_refused_in_another_sign_in(site: Site) -> None:
    browser, thief = site.browser().enrol(), site.browser()
    code = browser.code()
    assert (browser.sign_in(), thief.sign_in()) == ("second_factor", "second_factor")
    assert browser.send(code=code) == "linked"
    assert thief.send(code=code) == "second_factor"
    assert thief.page.status_int == 403
    assert error_of(thief.page)
    assert site.links() == 2


def test_wrong_and_missing_codes_show_the_page_again(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    errors = []
    for code in ("", browser.wrong_code(), "not a code", "1" * 10_000):
        assert browser.send(code=code) == "second_factor"
        assert browser.page.status_int == 403
        errors.append(error_of(browser.page))
    assert errors[0] != errors[1]
    assert len(set(errors[1:])) == 1
    assert browser.send(code=browser.code()) == "linked"


def test_a_sign_in_ends_after_too_many_wrong_codes(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    for _ in range(PENDING_TRIES):
        browser.send(code="x")
    before = error_of(browser.page)
    site.clock.ahead += STEP_SECONDS * 4
    assert form_of(browser.page)
    browser.post(
        {"challenge": field_of(browser.page, "challenge"), "code": browser.code(), "form_token": _token(browser.page)},
        form_of(browser.page).action or browser.page.request.url,
    )
    assert browser.page.status_int == 403
    assert error_of(browser.page) == before
    assert site.links() == 1


def _token(page: object) -> str:
    return field_of(page, "form_token")


def test_guesses_over_several_sign_ins_must_wait_and_the_wait_is_shown(site: Site) -> None:
    browser = site.browser().enrol()
    sign_ins = [site.browser() for _ in range(FREE_FAILURES)]
    for each in sign_ins:
        assert each.sign_in() == "second_factor"
        each.send(code=browser.wrong_code())
    browser.sign_in()
    assert browser.send(code=browser.code()) == "second_factor"
    assert browser.page.status_int == 429
    assert 0 < int(browser.page.headers["Retry-After"]) <= STEP_SECONDS
    site.clock.ahead += STEP_SECONDS
    assert browser.send(code=browser.code()) == "linked"


def test_wrong_codes_count_for_the_address(make_site: Callable[..., Site]) -> None:
    site = make_site(throttle__address_failures="3")
    browser, other = site.browser().enrol(), site.browser()
    other.secret = browser.secret
    browser.sign_in()
    for _ in range(3):
        browser.send(code=browser.wrong_code())
    assert browser.send(code=browser.code()) == "second_factor"
    assert browser.page.status_int == 429
    assert other.sign_in() == "second_factor"
    assert other.send(code=other.code()) == "linked"


def test_a_sign_in_expires(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    page = browser.page
    site.clock.ahead += PENDING_SECONDS
    assert browser.send(code=browser.code()) in ("second_factor", "403")
    assert browser.page.status_int == 403
    site.clock.ahead -= PENDING_SECONDS
    browser.page = page
    browser.send(code=browser.code())
    assert site.links() == 1


def test_a_form_that_is_sent_twice_links_once(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    page, code = browser.page, browser.code()
    assert browser.send(code=code) == "linked"
    browser.page = page
    assert browser.send(code=code) in ("second_factor", "403")
    assert browser.page.status_int == 403
    assert site.links() == 2


def test_cancel_goes_back_to_the_client_without_a_link(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    assert browser.send("cancel") == "refused"
    assert "error=access_denied" in browser.page.location
    assert site.links() == 1


def test_a_reset_by_an_operator_counts_at_once(site: Site) -> None:
    browser = site.browser().enrol()
    assert browser.sign_in() == "second_factor"
    settings = site.services.settings
    admin = SecondFactorAdmin(site.services.engine, settings.secret)
    assert admin.remove("staff", admin.find("ada")[0]["subject"], "operator")
    assert browser.send(code=browser.code()) == "second_factor_setup"
    assert site.links() == 1


def test_a_lost_secret_lets_nobody_in_and_the_log_names_the_setting(
    make_site: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    site = make_site()
    browser = site.browser().enrol()
    with site.services.engine.begin() as connection:
        connection.execute(text("UPDATE second_factors SET sealed = 'x.y.z', key_ids = 'other'"))
    with caplog.at_level(logging.ERROR):
        assert browser.sign_in() == "login"
    assert browser.page.status_int == 503
    assert "linkauth.previous_secrets" in caplog.text
    assert site.links() == 1


@pytest.mark.parametrize("table", ["second_factors", "challenges", "recovery_codes"])
def test_without_the_storage_nobody_passes(make_site: Callable[..., Site], table: str) -> None:
    site = make_site()
    browser = site.browser().enrol()
    assert browser.sign_in() == "second_factor"
    page = browser.page
    with site.services.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    assert browser.send(code=browser.code(), method="recovery_code" if table == "recovery_codes" else "totp") in (
        "second_factor",
        "503",
    )
    assert browser.page.status_int == 503
    assert site.browser().sign_in() == "login"
    with site.services.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE away RENAME TO {table}"))
    assert site.links() == 1
    browser.page = page
    assert browser.send(code=browser.code()) == "linked"
