"""Tests of encodings, entities, nesting and unusual numbers in documents."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

import pytest
from urllib3 import HTTPHeaderDict

from linkauth_http.documents import ATTRIBUTE_LIMIT, DEPTH_LIMIT, ELEMENT_LIMIT, MISSING, NAME_LIMIT
from linkauth_http.responses import HEADER_LIMIT, LoginResponse, jwt_claims, parse_date

NAME = "Jörg"
DOCUMENT = f"<r><name>{NAME}</name></r>"
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><r><name>&c;&c;&c;&c;</name></r>'
)


def response_of(body: bytes, kind: str = "text/xml", **headers: str) -> LoginResponse:
    pairs = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return LoginResponse(200, HTTPHeaderDict(pairs), body, "https://api.example.com", "/login")


def name_in(body: bytes, kind: str = "text/xml") -> str | None:
    root = response_of(body, kind).xml
    return None if root is None else root.findtext(".//name")


def declared(encoding: str, text: str = DOCUMENT) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>{text}'


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (DOCUMENT.encode(), "text/xml"),
        (DOCUMENT.encode(), "text/xml; charset=utf-8"),
        (DOCUMENT.encode(), "text/xml; charset=UTF_8"),
        (DOCUMENT.encode("utf-8-sig"), "text/xml"),
        (DOCUMENT.encode("utf-8-sig"), "text/xml; charset=iso-8859-1"),
        (declared("UTF-8").encode(), "application/xml"),
        (declared("ISO-8859-1").encode("latin-1"), "text/xml"),
        (declared("windows-1252").encode("cp1252"), "text/xml"),
        (DOCUMENT.encode("latin-1"), "text/xml; charset=ISO-8859-1"),
        # the Content-Type takes precedence over the declaration (RFC 7303 section 3)
        (declared("UTF-8").encode("latin-1"), "text/xml; charset=ISO-8859-1"),
        (declared("ISO-8859-1").encode(), "text/xml; charset=utf-8"),
        (declared("utf-16").encode("utf-16"), "text/xml"),
        (b"\xfe\xff" + DOCUMENT.encode("utf-16-be"), "text/xml"),
    ],
)
def test_xml_in_its_declared_encoding(body: bytes, kind: str) -> None:
    assert name_in(body, kind) == NAME


@pytest.mark.parametrize("text", [DOCUMENT, LAUGHS], ids=["plain", "entities"])
@pytest.mark.parametrize(
    "encoding",
    ["utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-7", "cp037", "cp500", "cp1026", "cp1140"],
)
@pytest.mark.parametrize("declared_in", ["nothing", "header", "declaration", "both", "utf-16", "utf-8"])
def test_xml_in_another_encoding_is_missing(text: str, encoding: str, declared_in: str) -> None:
    named = encoding if declared_in in ("header", "declaration", "both") else declared_in
    body = (text if declared_in in ("nothing", "header") else declared(named, text)).encode(encoding)
    kind = f"text/xml; charset={named}" if declared_in not in ("nothing", "declaration") else "text/xml"
    # UTF-7 keeps most ASCII characters, so that a harmless document is read with another name
    name = name_in(body, kind)
    assert name is None or (encoding == "utf-7" and text is DOCUMENT and name == "J+APY-rg")


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "<!DOCTYPE r><r><name>x</name></r>",
        "<!-- --><!DOCTYPE r><r><name>x</name></r>",
        "<?pi?>\n<!DOCTYPE r PUBLIC '-//X//Y' 'http://127.0.0.1:9/x.dtd'><r><name>x</name></r>",
        '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r><name>&e;</name></r>',
        '<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]><r><name>x</name></r>',
        '<!DOCTYPE r [<!ATTLIST name x CDATA "y">]><r><name>x</name></r>',
        "<r><name>&e;</name></r>",
        "<r><name>x</name><!DOCTYPE r></r>",
        "<r><name>a\0b</name></r>",
        "\0" + DOCUMENT,
        "<r><name>x</name>",
        "<r><name>x</name></r><r/>",
        "<r a='1' a='2'><name>x</name></r>",
        "<a>" * (DEPTH_LIMIT + 1) + "<name>x</name>" + "</a>" * (DEPTH_LIMIT + 1),
        "<r>" + "<a/>" * ELEMENT_LIMIT + "<name>x</name></r>",
        "<r " + " ".join(f"a{number}=''" for number in range(ATTRIBUTE_LIMIT + 1)) + "><name>x</name></r>",
        f"<r xmlns='{'n' * NAME_LIMIT}'><name>x</name></r>",
        f"<r xmlns:n='{'n' * NAME_LIMIT}' n:a='1'><name>x</name></r>",
        "",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_hostile_xml_is_missing(text: str, encoding: str) -> None:
    assert (
        name_in(text.encode(encoding), "text/xml" if encoding == "utf-16" else f"text/xml; charset={encoding}") is None
    )


def test_text_like_a_document_type_is_accepted() -> None:
    assert name_in(b"<r><name><![CDATA[<!DOCTYPE x>]]></name></r>") == "<!DOCTYPE x>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-16", "utf-32"])
def test_entities_use_no_memory(encoding: str) -> None:
    text = f'<!DOCTYPE r [<!ENTITY a "{"x" * 8_000}">]><r>{"&a;" * 1_000}</r>'
    body = text.encode(encoding)
    tracemalloc.start()
    try:
        assert response_of(body).xml is None
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # the parser may copy the text; the expanded text would have 8 MB
    assert most < 2_000_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"ok": 1, "ok": 2}',
        '{"a": {"ok": true, "ok": false}}',
        '{"ok": NaN}',
        '{"ok": Infinity}',
        '{"ok": -Infinity}',
        '{"ok": 1e999}',
        '{"ok": -1e999}',
        '{"ok": ' + "1" * 5_000 + "}",
        '{"ok": 1}{',
        "{'ok': 1}",
        '{"ok": "a\0b"}',
        '{"ok": 01}',
        "",
    ],
)
def test_invalid_or_ambiguous_json_is_missing(text: str) -> None:
    body = text.encode()
    assert response_of(body).json is MISSING
    assert jwt_claims("e30." + base64.urlsafe_b64encode(body).decode().rstrip("=") + ".x") is MISSING


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp037"])
def test_json_in_another_encoding_is_missing(encoding: str) -> None:
    assert response_of('{"ok": "ö"}'.encode(encoding)).json is MISSING


@pytest.mark.parametrize("value", [{"ok": True, "n": 2**200, "f": 1.5, "l": [None]}, [], "x", 0, None])
def test_json_values(value: Any) -> None:
    assert response_of(json.dumps(value).encode("utf-8-sig")).json == value


def test_headers_are_limited_in_length() -> None:
    long = "x" * HEADER_LIMIT
    assert response_of(b"", Set_Cookie=f"a={long}").cookies == {}
    assert response_of(b"", Set_Cookie="a=1").cookies == {"a": "1"}
    assert response_of(b"", Location=f"/{long}").location == ()
    assert response_of(b"", f"text/html;{long}charset=iso-8859-1").charset == "utf-8"
    assert parse_date("Thu, 01 Jan 1970 00:00:00 GMT" + " " * 100) is None
