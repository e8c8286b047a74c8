"""Tests of the full name in the identity of an entry."""

from __future__ import annotations

from typing import Any

import pytest

from linkauth.testing import settings_of
from linkauth_ldap import LDAPSettings
from linkauth_ldap.entries import Entry, identity_of, requested_attributes

BASE = "ou=people,dc=planetexpress,dc=com"


def name_of(attributes: dict[str, list[str]], dn: str = f"uid=leela,{BASE}", **changes: Any) -> str:
    values = {"entryUUID": ["4711"], "uid": ["leela"], **attributes}
    raw = {name: [value.encode() for value in texts] for name, texts in values.items()}
    settings = settings_of(
        LDAPSettings, preset="openldap", uris=("ldaps://ldap.example.com",), user_base=BASE, **changes
    )
    # only these are requested
    asked = {name.casefold() for name in requested_attributes(settings)}
    shown = {name: found for name, found in raw.items() if name.casefold() in asked}
    return identity_of(Entry({"dn": dn, "raw_attributes": shown}), settings, ()).name


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"displayName": ["Captain"], "givenName": ["Leela"], "sn": ["Turanga"], "cn": ["x"]}, "Captain"),
        ({"givenName": ["Leela"], "sn": ["Turanga"], "cn": ["Turanga Leela"]}, "Leela Turanga"),
        ({"displayName": [" "], "givenName": ["Leela"], "sn": ["Turanga"], "cn": ["leela"]}, "Leela Turanga"),
        ({"sn": ["Turanga"], "cn": ["Turanga Leela"]}, "Turanga Leela"),
        ({"givenName": ["Leela"], "cn": ["Turanga Leela"]}, "Turanga Leela"),
        ({"givenName": [" "], "sn": ["Turanga"], "cn": ["Turanga Leela"]}, "Turanga Leela"),
        ({"sn": ["Turanga"]}, ""),
    ],
)
def test_name_without_a_display_name(attributes: dict[str, list[str]], expected: str) -> None:
    assert name_of(attributes) == expected


def test_name_does_not_depend_on_the_order_of_values() -> None:
    for values in (["Leela", "Turanga Leela"], ["Turanga Leela", "Leela"]):
        assert name_of({"cn": values}) == "Leela"
        assert name_of({"cn": values}, dn=f"cn=Turanga Leela,{BASE}") == "Turanga Leela"


def test_configured_name_attribute_is_the_only_one() -> None:
    values = {"displayName": ["Captain"], "givenName": ["Leela"], "sn": ["Turanga"], "cn": ["Turanga Leela"]}
    assert name_of(values, name_attribute="cn") == "Turanga Leela"
    assert name_of(values, name_attribute="description") == ""
    renamed = {"givenName": ["x"], "preferred": ["Leela"], "surname": ["Turanga"]}
    assert name_of(renamed, given_name_attribute="preferred", family_name_attribute="surname") == "Leela Turanga"
