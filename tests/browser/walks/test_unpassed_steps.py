"""Walks through a second step that is not passed: cancelled, over, and throttled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.visitor import Visitor
from tests.browser.walks.account_server import PASSWORD, AccountServer
from tests.browser.walks.test_second_factor import WRONG_CODE, enter_code, expect_wrong_code, set_up
from tests.browser.walks.walker import LANGUAGES, expect_error, expect_link, go, photograph

languages = pytest.mark.parametrize("language", LANGUAGES)
scripts = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


@scripts
@languages
def test_a_second_step_that_is_not_passed_leaves_a_way_on(
    enter: Callable[..., Visitor], second_factor_server: AccountServer, language: str, script: bool
) -> None:
    """Cancelled, over, and throttled."""
    name, person = f"{language}-{script}", second_factor_server.new_person()
    visitor = enter(language, script)
    page = visitor.page
    visitor.sign_in(person, PASSWORD)
    app, recovery_codes = set_up(visitor, language, f"other-{name}")
    expect_link(visitor, second_factor_server)

    visitor.enable(second_factor_server)
    visitor.sign_in(person, PASSWORD)
    page.click("button[name=cancel]")
    page.wait_for_url(f"{second_factor_server.url}/simulator/pitangui/**")
    assert visitor.fragment["error"] == "access_denied"

    visitor.enable(second_factor_server)
    visitor.sign_in(person, PASSWORD)
    page.check("input[name=remember]")
    enter_code(visitor, app.code())
    expect_link(visitor, second_factor_server)
    go(visitor, page.go_back)
    # the page of a sign-in that was completed, or the first page
    if page.locator("#code").count():
        enter_code(visitor, app.code())
        expect_error(visitor, language)
        photograph(visitor, f"over-{name}")
    visitor.enable(second_factor_server)
    visitor.sign_in(person, PASSWORD)
    # the device is remembered
    expect_link(visitor, second_factor_server)

    thief = enter(language, script)
    for tries in (3, 2):
        thief.enable(second_factor_server)
        thief.sign_in(person, PASSWORD)
        for _ in range(tries):
            enter_code(thief, WRONG_CODE)
            expect_wrong_code(thief, language)
            photograph(thief, f"wrong-{tries}-{name}")
    # the last one makes the person wait, and a correct code is not checked until then
    for number in range(2):
        enter_code(thief, WRONG_CODE)
        expect_error(thief, language)
        photograph(thief, f"throttled-{number}-{name}")
    photograph(thief, f"throttled-{name}")
    assert "access_token" not in thief.page.url
    assert recovery_codes
