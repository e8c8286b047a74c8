"""The whole link, as Alexa and a person make it."""

from __future__ import annotations

from tests.alexa import STATE, Alexa, fragment


def test_a_person_links_and_the_skill_learns_who_it_is(alexa: Alexa) -> None:
    answer = alexa.link()
    assert answer["state"] == STATE
    assert answer["token_type"] == "Bearer"
    told = alexa.introspect(answer["access_token"]).json
    assert told["active"] is True
    assert told["sub"] == "staff:1"
    assert told["username"] == "ada"
    assert told["scope"] == "order_car basic_profile"
    assert told["client_id"] == told["aud"] == "alexa"
    assert told["iss"] == "https://link.example.com"


def test_the_name_is_trimmed_and_its_case_does_not_matter(alexa: Alexa) -> None:
    for name in ("  ada ", "ADA", "Ada@Example.com"):
        assert "access_token" in fragment(alexa.submit(name, "lovelace-1815", status=303).location)


def test_a_wrong_password_is_said_inline_and_the_same_page_goes_on(alexa: Alexa) -> None:
    page = alexa.submit("ada", "wrong", status=403)
    assert page.forms[0]["username"].value == "ada"
    assert page.forms[0]["password"].value == ""
    assert page.html.find(role="alert").find("h2").text == "The name or the password is wrong"
    assert "access_token" in fragment(alexa.submit("ada", "lovelace-1815", page, status=303).location)
