"""Tests of the encoded requests. The encoders of ldap3 and pyasn1 are the judge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ldap3 import BASE, DEREF_ALWAYS, LEVEL, SIMPLE, SUBTREE
from ldap3.operation.bind import bind_operation
from ldap3.operation.search import search_operation
from ldap3.protocol.convert import build_controls_list
from ldap3.protocol.rfc2696 import paged_search_control
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from ldap3.utils.asn1 import encode

from linkauth_ldap import encoding
from linkauth_ldap.controls import POLICY_HINTS_REQUEST, PPOLICY_REQUEST
from linkauth_ldap.filters import any_name_filter, fill_filter
from linkauth_ldap.presets import PRESETS
from linkauth_ldap.settings import LDAPSettings

NUMBERS = st.integers(0, 2**31 - 1)
NAMES = st.sampled_from(["cn", "uid", "mail;lang-de", "1.2.840.113556.1.4.803", "objectClass"])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
VALUES = TEXTS.map(lambda text: fill_filter("{value}", value=text.strip()))
COMPARISONS = st.builds("({}{}{})".format, NAMES, st.sampled_from(["=", "~=", ">=", "<="]), VALUES)
SUBSTRINGS = st.builds("({}={}*{}*{})".format, NAMES, VALUES, VALUES.filter(bool), VALUES)
EXTENSIBLE = st.builds("({}:={})".format, st.sampled_from(["cn", "cn:dn", "cn:dn:2.5", "cn:2.5", ":2.5"]), VALUES)
FILTERS = st.recursive(
    COMPARISONS | SUBSTRINGS | EXTENSIBLE,
    lambda inner: (
        st.builds("(!{})".format, inner)
        | st.builds("({}{})".format, st.sampled_from("&|"), st.lists(inner, min_size=1, max_size=5).map("".join))
    ),
    max_leaves=20,
)
CONTROLS = st.sampled_from([None, [PPOLICY_REQUEST], [PPOLICY_REQUEST, POLICY_HINTS_REQUEST]])


def ldap3_message(number: int, kind: str, request: Any, controls: Any) -> bytes:
    message = LDAPMessage()
    message["messageID"] = MessageID(number)
    message["protocolOp"] = ProtocolOp().setComponentByName(kind, request)
    if controls:
        message["controls"] = build_controls_list(controls)
    encoded: bytes = encode(message)
    return encoded


def ldap3_search(base: str, filter_text: str, scope: str, attributes: list[str], size_limit: int) -> Any:
    return search_operation(base, filter_text, scope, DEREF_ALWAYS, attributes, size_limit, 0, False, True, True)


@given(NUMBERS, TEXTS, FILTERS, st.sampled_from([BASE, LEVEL, SUBTREE]), st.lists(NAMES, min_size=1), NUMBERS, CONTROLS)
@example(128, "dc=x", "(cn=*)", BASE, ["cn"], 0, None)
@example(127, "dc=x", "(&(cn=a*)(sn=*b)(uid=*c*)(mail=a*b*c))", SUBTREE, ["cn"] * 100, 2**31 - 1, None)
def test_search_is_encoded_as_by_ldap3(
    number: int, base: str, filter_text: str, scope: str, attributes: list[str], size_limit: int, controls: Any
) -> None:
    request = encoding.search_request(base, filter_text, scope, attributes, size_limit)
    expected = ldap3_search(base, filter_text, scope, attributes, size_limit)
    assert encoding.message(number, request, controls) == ldap3_message(number, "searchRequest", expected, controls)


def test_filters_of_the_presets_are_encoded_as_by_ldap3() -> None:
    templates = [LDAPSettings.user_filter, LDAPSettings.group_filter]
    templates += [
        preset[key] for preset in PRESETS.values() for key in ("user_filter", "group_filter") if key in preset
    ]
    texts = [fill_filter(each, username="*)(uid=é\\\0", login="a@b", dn="cn=a\\2c b,dc=x") for each in templates]
    texts += [any_name_filter(each) for each in templates if "{username}" in each]
    for text in texts:
        expected = encode(ldap3_search("dc=x", text, SUBTREE, ["cn"], 2))
        assert encoding.search_request("dc=x", text, SUBTREE, ["cn"], 2) == expected


@given(NUMBERS, TEXTS.filter(bool), st.binary(min_size=1, max_size=1024), CONTROLS)
@example(1, "cn=x", b"\0\xff" * 40_000, None)
def test_bind_is_encoded_as_by_ldap3(number: int, dn: str, password: bytes, controls: Any) -> None:
    message = encoding.message(number, encoding.bind_request(dn, password), controls)
    assert message == ldap3_message(number, "bindRequest", bind_operation(3, SIMPLE, dn, password), controls)


@given(NUMBERS, st.binary(max_size=200))
def test_page_control_is_encoded_as_by_ldap3(size: int, cookie: bytes) -> None:
    request = encoding.bind_request("cn=x", b"x")
    expected = encoding.message(1, request) + encode(build_controls_list([paged_search_control(False, size, cookie)]))
    page = encoding.message(1, request, [encoding.page_control(size, cookie)])
    # the length of the message is the only other difference
    assert page.endswith(expected[2:])


@pytest.mark.parametrize("text", ["", "cn=a", "(cn=a", "(cn)", "(cn=a)(sn=b)", "(cn=**)", "(!(&(cn=a))(|(sn=b)))"])
def test_invalid_filter_is_refused(text: str) -> None:
    with pytest.raises(encoding.INVALID_FILTER):
        encoding.encode_filter(text)
