"""Tests that people link with the account of a real OpenID provider, from the button to the token."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from linkauth.services import services_of
from tests.alexa import STATE, fragment, query
from tests.protocol.flow import HOME, PKCE, VERIFIER
from tests.servers.openid_provider import ACCOUNTS, OpenIDProvider
from tests.sign_ins.openid.visit import NAME, Visit, new_visit
from tests.sign_ins.phone import error_of

MATCHED = "email:staff"


@pytest.fixture(scope="module")
def own_app(make_visit: Callable[..., Visit]) -> Any:
    return make_visit().alexa.app.app


@pytest.fixture(scope="module")
def matched_app(make_visit: Callable[..., Visit]) -> Any:
    return make_visit(MATCHED).alexa.app.app


@pytest.fixture
def own(own_app: Any) -> Visit:
    return new_visit(own_app)


@pytest.fixture
def matched(matched_app: Any) -> Visit:
    return new_visit(matched_app)


def forget_attempts(visit: Visit) -> None:
    """Makes the plugin fetch keys again at once. Otherwise it waits, so that forged tokens cause few requests."""
    (named,) = services_of(visit.alexa.app.app.registry).providers
    named.provider._keys._cache._tried_at = -math.inf


# a person needs neither a name nor an address
@pytest.mark.parametrize("login", ["ada", "unproven", "nameless"])
def test_a_person_of_the_provider_links_with_an_account_of_its_own(own: Visit, login: str) -> None:
    assert own.sub(login) == f"{NAME}:{ACCOUNTS[login]['sub']}"


def test_a_verified_address_finds_the_person_of_a_backend(matched: Visit) -> None:
    by_password = matched.alexa.introspect(matched.alexa.link()["access_token"]).json["sub"]
    assert by_password.startswith("staff:")
    assert matched.sub("ada") == by_password


@pytest.mark.parametrize("login", ["unproven", "silent", "stranger", "nameless"])
def test_an_address_that_is_unverified_unknown_or_missing_finds_nobody(matched: Visit, login: str) -> None:
    response = matched.finish(login, status=403)
    assert "access_token" not in response.text
    assert error_of(response)


def test_a_disabled_person_is_refused(matched: Visit) -> None:
    response = matched.finish("konrad", status=403)
    assert error_of(response) == error_of(matched.alexa.submit("konrad", "zuse-1910", status=403))


def test_the_state_of_alexa_survives_the_way_there_and_back(own: Visit) -> None:
    state = (STATE * 4)[:4096]
    own.alexa.parameters["state"] = state
    url = own.go()
    assert state not in url
    assert len(url) < 2_000
    assert fragment(own.back(own.provider.sign_in(url, "grace")).location)["state"] == state


def test_a_client_of_the_code_grant_with_pkce_gets_tokens(own: Visit) -> None:
    parameters = {"client_id": "home", "redirect_uri": HOME, "response_type": "code", "scope": "profile", **PKCE}
    own.alexa.parameters |= parameters
    received = query(own.finish("ada").location)
    assert received["state"] == STATE
    form = {"grant_type": "authorization_code", "code": received["code"], "redirect_uri": HOME}
    assert own.alexa.token({**form, "code_verifier": VERIFIER[::-1]}).json["error"] == "invalid_grant"
    received = query(own.finish("ada").location)
    tokens = own.alexa.token({**form, "code": received["code"], "code_verifier": VERIFIER}).json
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    userinfo = own.alexa.app.get("/userinfo", headers=headers).json
    assert (userinfo["sub"], userinfo["name"]) == (f"{NAME}:{ACCOUNTS['ada']['sub']}", "Ada Lovelace")


def test_keys_may_be_rotated_while_people_are_at_the_provider(own: Visit, provider: OpenIDProvider) -> None:
    assert own.link("ada")["access_token"]
    for _ in range(2):
        answer = own.provider.sign_in(own.go(), "ada")
        provider.rotate_keys()
        forget_attempts(own)
        assert fragment(own.back(answer).location)["access_token"]


def test_an_answer_works_once(own: Visit) -> None:
    answer = own.provider.sign_in(own.go(), "ada")
    assert own.back(answer).location
    for _ in range(2):
        page = own.back(answer, status=403)
        assert "access_token" not in page.text
        assert error_of(page)


def test_the_answer_of_another_browser_is_refused(own: Visit, own_app: Any) -> None:
    """An attacker's answer in the victim's browser would link the victim's Alexa to the attacker's account."""
    attacker = new_visit(own_app)
    answer = attacker.provider.sign_in(attacker.go(), "grace")
    own.go()
    page = own.back(answer, status=403)
    assert "access_token" not in page.text
    assert error_of(page)


def test_an_answer_from_a_browser_without_cookies_is_refused_in_one_that_has_some(own: Visit, own_app: Any) -> None:
    """An attacker may block cookies, so that the sign-in is bound to no browser."""
    attacker = new_visit(own_app)
    page = attacker.alexa.open()
    attacker.alexa.app.reset()
    answer = attacker.provider.sign_in(attacker.go(page), "grace")
    own.alexa.open()
    page = own.back(answer, status=403)
    assert "access_token" not in page.text
    assert error_of(page)
    # the browser that began it may go on, if its person confirms
    confirmation = attacker.back(answer, status=200)
    form = next(form for form in confirmation.forms.values() if form.method.lower() == "post")
    linked = form.submit(headers=attacker.alexa.headers, status=303)
    assert fragment(linked.location)["access_token"]


def test_a_person_who_cancels_is_on_the_login_page_and_can_sign_in_there(own: Visit) -> None:
    own.alexa.parameters["state"] = "S-1"
    page = own.back(own.provider.cancel(own.go()), status=403)
    assert error_of(page)
    assert fragment(own.alexa.submit("ada", "lovelace-1815", page).location)["state"] == "S-1"
    assert fragment(own.finish("ada", page=page).location)["state"] == "S-1"


def test_a_provider_that_is_down_gives_a_page_and_recovers(
    own: Visit, matched_app: Any, make_visit: Callable[..., Visit], provider: OpenIDProvider
) -> None:
    """An app that knows the provider's metadata, and one that starts while the provider is down."""
    answer = own.provider.sign_in(own.go(), "ada")
    provider.stop()
    try:
        page = own.back(answer, status=503)
        assert error_of(page)
        assert fragment(own.alexa.submit("ada", "lovelace-1815", page).location)["access_token"]
        fresh = make_visit()
        page = fresh.press(status=503)
        assert error_of(page)
    finally:
        provider.start()
    assert fragment(fresh.finish("ada", page=page).location)["access_token"]
    assert own.link("ada")["access_token"]
