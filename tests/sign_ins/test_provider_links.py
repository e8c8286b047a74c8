"""Tests of sign-ins at a provider that succeed: who it is, and what comes back to the client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alexa import fragment, query
from tests.sign_ins.phone import ADA, Phone, answer, stand_in
from tests.sign_ins.stand_in import code_of


def test_a_verified_address_finds_the_person_of_the_backend(phone: Phone) -> None:
    response = phone.sign_in(**ADA)
    assert fragment(response.location)["state"] == phone.alexa.parameters["state"]
    linked = phone.linked(response)
    by_password = phone.alexa.introspect(phone.alexa.link()["access_token"]).json
    # the same person as with a password, with the claims of the backend
    assert {**linked, "iat": 0} == {**by_password, "iat": 0}
    assert linked["name"] == "Ada Lovelace"


def test_a_person_of_the_provider_itself_has_its_subject(phone: Phone) -> None:
    claims = {"preferred_username": "j.doe", "name": "Jo Doe", "email": "jo@example.net", "department": "Sales"}
    linked = phone.linked(phone.sign_in("corp", sub="7f:3", verified=["email"], **claims))
    assert linked["sub"] == "corp:7f:3"
    assert linked["username"] == "j.doe"
    assert (linked["name"], linked["email"], linked["department"]) == ("Jo Doe", "jo@example.net", "Sales")
    # clients treat an address as proven
    linked = phone.linked(phone.sign_in("corp", sub="7f:3", email_verified=False, **claims))
    assert "email" not in linked
    # some providers know people only by their identifier
    assert phone.linked(phone.sign_in("corp", sub="only"))["username"] == "only"


def test_a_posted_form_is_an_answer_too(phone: Phone) -> None:
    sent = phone.started("apple")
    linked = phone.linked(phone.post_back(sent, code_of(sub="001.a", name="Ada"), "apple"))
    assert linked["sub"] == "apple:001.a"


def test_a_state_of_4096_characters_survives_byte_for_byte(phone: Phone) -> None:
    for state in ("".join(map(chr, range(32, 127))) + "s" * 4_001, "%2B%25" * 682 + "abcd"):
        assert len(state) == 4_096
        phone.alexa.parameters["state"] = state
        assert fragment(phone.sign_in(**ADA).location)["state"] == state


def test_a_query_that_browsers_would_write_differently_survives(phone: Phone) -> None:
    # such a query comes from a program, and a browser encodes it when it posts the form of a page
    raw = phone.raw_query + "&x=\"<a>'\xc3\xa9"
    page = phone.client.get("/authorize?" + raw)
    response = phone.go(page=page, raw_query=phone.raw_query + "&x=%22%3Ca%3E%27%C3%A9", status="*")
    if response.status_int != 303:
        assert response.status_int == 400
        response = phone.go(page=response, raw_query=phone.raw_query + "&x=%22%3Ca%3E%27%C3%A9")
    phone.linked(phone.come_back(query(response.location), code_of(**ADA)))


def test_the_provider_gets_a_new_state_and_the_language_of_the_page(provider_app: Any, phone: Phone) -> None:
    phone.alexa.parameters["ui_locales"] = "de"
    first, second = phone.started(), phone.started()
    assert first["redirect_uri"] == "https://link.example.com/authorize/return/google"
    assert first["state"] != second["state"]
    assert len(first["state"]) == 43
    assert phone.alexa.parameters["state"] not in str(first)
    phone.linked(phone.come_back(first, code_of(**ADA)))
    response = stand_in(provider_app).responses[-1]
    assert response.request.language == "de"
    assert response.parameters == answer(first, code_of(**ADA))


@pytest.mark.parametrize("keeps_cookies", [True, False])
def test_a_cookie_is_never_needed(provider_app: Any, keeps_cookies: bool) -> None:
    """Without one, the person confirms the link."""
    phone = Phone(provider_app)
    sent = {}
    for provider in ("google", "apple"):
        if not keeps_cookies:
            phone.client.reset()
        page = phone.alexa.open()
        if not keeps_cookies:
            phone.client.reset()
        sent[provider] = query(phone.go(provider, page).location)
    assert bool(phone.client.cookies) is keeps_cookies
    back = phone.come_back(sent["google"], code_of(**ADA)), phone.post_back(sent["apple"], code_of(sub="1"), "apple")
    for response in back:
        if not keeps_cookies:
            assert response.status_int == 200
            form = next(form for form in response.forms.values() if form.method.lower() == "post")
            response = form.submit(headers=phone.alexa.headers)
        phone.linked(response)
