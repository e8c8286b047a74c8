"""Tests that an account that is disabled after a sign-in at a provider, and before its last step, is not linked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.second_factor.browser import Browser, Site
from tests.second_factor.test_disabled_meanwhile import DEACTIVATED, LEAVE, broken_backend, change
from tests.sign_ins.phone import ADA, Phone, error_of
from tests.sign_ins.stand_in import code_of
from tests.sign_ins.test_confirmations import Forgetful


@pytest.mark.parametrize("provider", ["google", "corp"])
def test_a_sign_in_at_a_provider_that_waits_for_a_code_is_checked_too(
    make_provider_app: Callable[..., Any], provider: str
) -> None:
    """The people of corp belong to no backend, so nobody can be asked about them."""
    phone = Phone(make_provider_app(client__alexa__second_factor="required"))
    site = Site(phone.client)
    browser = Browser(site, phone.alexa, phone.address, phone.sign_in(provider, **ADA))
    assert browser.set_up() == "recovery_codes"
    change(site, LEAVE["disabled"])
    assert browser.send("saved") == ("403" if provider == "google" else "linked")
    assert site.links() == (0 if provider == "google" else 1)


def test_who_left_before_the_confirmation_is_not_linked(make_provider_app: Callable[..., Any]) -> None:
    """Without cookies, a page asks before it links. While the backend is down, it is shown again."""
    phone = Forgetful(make_provider_app(client__overlap__second_factor="required"))
    site = Site(phone.client)
    page = phone.come_back(phone.started(), code_of(**ADA), status=200)
    with broken_backend(site):
        page = phone.confirm(page, 503)
    change(site, LEAVE["disabled"])
    refused = phone.confirm(page, 403)
    assert DEACTIVATED in error_of(refused)
    assert site.links() == 0
