"""The login page of people whose user names are telephone numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.alexa import Alexa
from tests.conftest import https

PHONE = {"backend__staff__username_form": "phone", "backend__staff__phone_region": "DE"}
SECOND = {
    "backends": "staff second",
    "backend__second__use": "ldap",
    "backend__second__uris": "ldaps://127.0.0.1:9",
    "backend__second__preset": "openldap",
    "backend__second__user_base": "dc=example",
}


def field_of(app: Any) -> dict[str, str]:
    """Returns the attributes of the field for the user name, and the text of the page as "page"."""
    response = Alexa(https(app)).open()
    tag = response.html.find("input", {"name": "username"})
    return {**{name: str(value) for name, value in tag.attrs.items()}, "page": response.html.get_text(" ", strip=True)}


def test_the_field_is_for_numbers_if_all_names_are_numbers(make_app: Callable[..., Any]) -> None:
    field = field_of(make_app(**PHONE))
    assert (field["inputmode"], field["autocomplete"], field["dir"]) == ("tel", "username tel", "ltr")
    assert "Phone number For example: 01512 3456789" in field["page"]
    austrian = {**SECOND, "backend__second__username_form": "phone", "backend__second__phone_region": "AT"}
    assert field_of(make_app(**PHONE, **austrian))["inputmode"] == "tel"
    shadow = {**SECOND, "backend__second__shadow": "true"}
    assert field_of(make_app(**PHONE, **shadow))["inputmode"] == "tel"


def test_the_field_is_for_any_text_if_the_backends_differ(make_app: Callable[..., Any]) -> None:
    for settings in ({}, {**PHONE, **SECOND}):
        field = field_of(make_app(**settings))
        assert (field["inputmode"], field["autocomplete"]) == ("email", "username")
        assert "For example" not in field["page"]
