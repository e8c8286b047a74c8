"""Tests of the search for the people with an email address."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from linkauth.backends import BackendUnavailable

from .accounts_api import answer
from .api import API, Reply
from .test_accounts import ADA, Make, account_settings, always

XML = (("Content-Type", "text/xml"),)
TEMPLATES = {"reset_body_template": "subject", "register_body_template": "username"}


def test_a_similar_address_in_a_search_is_ignored(api: API, backend_on: Make) -> None:
    backend = backend_on(api.url + "/login", **account_settings())
    people = [
        *(ADA, {**ADA, "id": 8, "mail": ["old@example.com", "ADA@Example.com"]}),
        *(
            {**ADA, "id": 9, "mail": "ada@example.com.au"},
            {**ADA, "id": 10, "mail": ""},
            {**ADA, "id": 11, "mail": None},
        ),
    ]
    always(api, answer(200, accounts=people))
    found = backend.people_at("ada@example.com")
    assert [(person.subject, person.email) for person in found] == [("7", "ada@example.com"), ("8", "ADA@Example.com")]


def test_the_response_can_be_the_list(api: API, backend_on: Make) -> None:
    backend = backend_on(api.url + "/login", **account_settings(search_list="body"))
    always(api, Reply(200, json.dumps([ADA])))
    assert [person.username for person in backend.people_at("ada@example.com")] == ["ada"]
    always(api, Reply(200, "[]"))
    assert list(backend.people_at("ada@example.com")) == []
    always(api, answer(200, error="busy"))
    with pytest.raises(BackendUnavailable):
        backend.people_at("ada@example.com")


def test_an_xml_document_without_people_needs_a_rule(api: API, backend_on: Make) -> None:
    settings = account_settings(
        account_body="xml",
        search_body_template="<search><mail>{email}</mail></search>",
        search_list="xpath:.//{*}person",
        search_subject="xpath:./person/@id",
        search_username="xpath:./person/login",
        search_email="xpath:.//mail",
        search_not_found="xpath:.//people/@count = 0",
        **{key: f"<x p='{{password}}' u='{{{name}}}'/>" for key, name in TEMPLATES.items()},
    )
    backend = backend_on(api.url + "/login", **settings)
    person = '<person id="{}"><login>{}</login><mails><mail>{}</mail></mails></person>'
    everybody = person.format(7, "ada", "a&amp;b@example.com") + person.format(8, "eve", "eve@example.com")
    always(api, Reply(200, f'<people count="2">{everybody}</people>', XML))
    (found,) = backend.people_at("a&b@example.com")
    assert (found.subject, found.username, found.email) == ("7", "ada", "a&b@example.com")
    assert ElementTree.fromstring(api.requests[-1].body).findtext("mail") == "a&b@example.com"
    always(api, Reply(200, '<people count="0"/>', XML))
    assert list(backend.people_at("ada@example.com")) == []
    for body in ("<people/>", "<error/>", "people", ""):
        always(api, Reply(200, body, XML))
        with pytest.raises(BackendUnavailable):
            backend.people_at("ada@example.com")
