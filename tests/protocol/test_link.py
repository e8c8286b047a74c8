"""Tests of a complete link by the implicit grant."""

from __future__ import annotations

from tests.alexa import STATE, Alexa, fragment


def test_link_gives_token_that_introspection_describes(alexa: Alexa) -> None:
    response = alexa.link()
    assert response["state"] == STATE
    assert response["token_type"] == "Bearer"
    introspection = alexa.introspect(response["access_token"]).json
    assert introspection["active"] is True
    assert introspection["sub"] == "staff:1"
    assert introspection["username"] == "ada"
    assert introspection["scope"] == "order_car basic_profile"
    assert introspection["client_id"] == introspection["aud"] == "alexa"
    assert introspection["iss"] == "https://link.example.com"


def test_name_is_trimmed_and_case_insensitive(alexa: Alexa) -> None:
    for name in ("  ada ", "ADA", "Ada@Example.com"):
        assert "access_token" in fragment(alexa.submit(name, "lovelace-1815", status=303).location)


def test_wrong_password_is_shown_on_page_and_retry_succeeds(alexa: Alexa) -> None:
    page = alexa.submit("ada", "wrong", status=403)
    assert page.forms[0]["username"].value == "ada"
    assert page.forms[0]["password"].value == ""
    assert page.html.find(role="alert").find("h2").text == "The name or the password is wrong"
    assert "access_token" in fragment(alexa.submit("ada", "lovelace-1815", page, status=303).location)
