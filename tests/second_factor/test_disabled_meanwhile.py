"""Tests that an account that is disabled, deleted or unknown after the first step of a sign-in is not linked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text

from tests.second_factor.browser import Site, error_of

DEACTIVATED = "Your account is deactivated"


def change(site: Site, statement: str) -> None:
    """Changes the table of the backend staff."""
    url = site.services.engine.url.render_as_string(False).replace("linkauth.sqlite", "people.sqlite")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@contextmanager
def broken_backend(site: Site) -> Iterator[None]:
    change(site, "ALTER TABLE people RENAME TO elsewhere")
    try:
        yield
    finally:
        change(site, "ALTER TABLE elsewhere RENAME TO people")


LEAVE = {
    "disabled": "UPDATE people SET active = 0 WHERE login = 'ada'",
    "deleted": "DELETE FROM people WHERE login = 'ada'",
}


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("method", ["totp", "recovery_code"])
def test_who_left_before_the_code_is_not_linked(site: Site, leave: str, method: str) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    change(site, LEAVE[leave])
    code = browser.code() if method == "totp" else browser.codes[0]
    assert browser.send(method=method, code=code) == "403"
    assert (browser.page.status_int, error_of(browser.page)) == (403, DEACTIVATED)
    assert site.links() == 1


@pytest.mark.parametrize("leave", LEAVE)
def test_who_left_before_the_set_up_enrols_nothing(site: Site, leave: str) -> None:
    browser = site.browser()
    browser.sign_in()
    change(site, LEAVE[leave])
    assert browser.set_up() == "403"
    assert error_of(browser.page) == DEACTIVATED
    assert (site.links(), site.enrolled()) == (0, 0)


def test_who_left_before_the_recovery_codes_were_saved_is_not_linked(site: Site) -> None:
    browser = site.browser()
    browser.sign_in()
    assert browser.set_up() == "recovery_codes"
    change(site, LEAVE["disabled"])
    assert browser.send("saved") == "403"
    assert error_of(browser.page) == DEACTIVATED
    assert site.links() == 0


def test_who_left_before_skipping_is_not_linked(make_site: Callable[..., Site]) -> None:
    site = make_site(client__alexa__second_factor="optional")
    browser = site.browser()
    browser.sign_in()
    change(site, LEAVE["disabled"])
    assert browser.send("skip") == "403"
    assert site.links() == 0


def test_while_the_backend_is_down_nobody_passes_and_no_code_is_used_up(site: Site) -> None:
    browser = site.browser().enrol()
    browser.sign_in()
    code = browser.code()
    with broken_backend(site):
        assert browser.send(code=code) == "second_factor"
        assert browser.page.status_int == 503
        assert browser.send(code=browser.codes[0], method="recovery_code") == "second_factor"
        assert browser.page.status_int == 503
    # the same codes still work
    assert browser.send(code=code) == "linked"
    browser.sign_in()
    assert browser.send(code=browser.codes[0], method="recovery_code") == "linked"
    assert site.links() == 3
