"""Tests that redact() masks registered secrets in every encoding and leaves other text unchanged."""

from __future__ import annotations

import html
import json
import re
import string
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from linkauth import redaction
from linkauth.redaction import (
    MASK,
    reason,
    redact,
    register_embedded_secrets,
    register_secret,
    register_url_secrets,
    url_problem,
)

PASSWORD = """k4na@r1en/v0gel:f3der#b4um?n3st%w1nd'r4be"m0we\\f1nk z3isig"""
PARTS = re.findall(r"[a-z0-9]+", PASSWORD)


@pytest.fixture(autouse=True)
def clear_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the secrets that other tests registered."""
    for name, empty in (("_forms", {}), ("_short_parts", set()), ("_registered", set())):
        monkeypatch.setattr(redaction, name, empty)


ENCODINGS = {
    "raw": str,
    "in small letters": str.lower,
    "in capitals": str.upper,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded, the slash kept": quote,
    "percent-encoded as a form": quote_plus,
    "percent-encoded in small letters": lambda text: quote(text, safe="").lower(),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "repr": repr,
    "repr of repr": lambda text: repr(repr(text)),
    "repr of bytes": lambda text: repr(text.encode()),
    "JSON": json.dumps,
    "SQL": lambda text: text.replace("'", "''"),
    "SQL name": lambda text: text.replace('"', '""'),
    "conninfo": lambda text: re.sub(r"(['\\])", r"\\\1", text),
    "HTML": html.escape,
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_secret_is_masked_in_every_encoding(encode: object) -> None:
    register_secret(PASSWORD)
    assert callable(encode)
    text = redact(f"connection to {encode(PASSWORD)}, port 5432 failed")
    assert not [part for part in PARTS if part in text.lower()]
    assert text.startswith("connection to ")
    assert text.endswith(", port 5432 failed")


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "linkauth"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_secret_in_basic_credentials_is_masked(user: str, encode: object) -> None:
    register_secret(PASSWORD)
    assert callable(encode)
    encoded = encode(f"{user}:{PASSWORD}".encode()).decode()
    hidden = redact(f"Authorization: Basic {encoded}").replace(MASK, "")
    # only base64 digits that the secret shares with neighbouring characters may remain
    assert len(hidden.rstrip("=")) <= len("Authorization: Basic ") + len(b64encode(f"{user}:".encode())) + 1


@pytest.mark.parametrize("delimiter", "@/:#?&=%'\"\\ ")
def test_fragments_of_password_split_by_parser_are_masked(delimiter: str) -> None:
    register_secret(f"k4narie{delimiter}r1en", from_url=True)
    for piece in ("k4narie", "r1en", "R1EN", f"k4narie{delimiter}r1en"):
        assert redact(f"could not resolve {piece}: unknown") == f"could not resolve {MASK}: unknown"
        assert redact(f"host '{piece}'") == f"host '{MASK}'"


def test_runs_of_short_fragments_are_masked() -> None:
    register_secret("ab@cd/ef:gh", from_url=True)
    assert redact('host "cd" of cd/ef:gh, "abba" and cd') == f'host "{MASK}" of {MASK}, "abba" and cd'


def test_short_fragments_do_not_mask_ordinary_words() -> None:
    register_secret("db@a/is:not", from_url=True)
    register_secret("read")
    assert redact("is not a database URL, already read-only") == f"is not a database URL, already {MASK}-only"


def test_ordinary_words_and_user_names_are_not_masked() -> None:
    register_url_secrets("postgresql+psycopg://reader:reader@db.example.com/intranet?sslmode=require")
    register_secret("password")
    register_secret("the alexa client's secret")
    text = 'server "db.example.com": password authentication failed for user "reader", a client secret of alexa'
    assert redact(text) == text
    assert redact("is the alexa client's secret") == f"is {MASK}"


@pytest.mark.parametrize(
    ("url", "shown", "hidden"),
    [
        ("postgresql+psycopg://u:k4na%40r1en@db/x", "host db, user u", "k4na@r1en"),
        ("postgresql+psycopg://u:k4na%40r1en@db/x", "host db, user u", "k4na%40r1en"),
        ("postgresql+psycopg://u@db/x?password=k4na%2Fr1en&sslmode=require", "sslmode require", "k4na/r1en"),
        ("mysql://u:k4na@r1en/v0gel@db/x", "MySQL", "r1en/v0gel"),
        ("postgresql+psycopg://u:k4nar1en@db/x?sslmode=k4nar1en", "host db, user u, sslmode", "k4nar1en"),
        ("https://api.example.com/login?api_token=k4nar1en", "https://api.example.com/login", "k4nar1en"),
    ],
)
def test_secret_of_url_is_masked(url: str, shown: str, hidden: str) -> None:
    register_url_secrets(url)
    assert redact(f"{shown}: {hidden}") == f"{shown}: {MASK}"


def test_key_in_template_is_masked() -> None:
    register_embedded_secrets('{"login": {username}, "secret": {password}, "key": "k4nar1en-v0gel"}')
    assert redact("login, secret, username and k4nar1en-v0gel") == f"login, secret, username and {MASK}"


SOAP = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <s:Body><Login><user>{username}</user><word>{password}</word><key>k4nar1en</key><pin>v0g7</pin></Login></s:Body>
</s:Envelope>"""


@pytest.mark.parametrize(
    "template", [SOAP, '{"login": {username}, "word": {password}, "key": "k4nar1en", "pin": "v0g7"}']
)
def test_markup_of_template_is_not_masked(template: str) -> None:
    register_embedded_secrets(template)
    text = "not UTF-8: save it as UTF-8; port 2001 of www.w3.org, login, version 1.0"
    assert redact(text) == text
    assert redact("could not use k4nar1en, v0g7") == f"could not use {MASK}, {MASK}"


PIECE = st.text(string.ascii_letters + string.digits, min_size=4, max_size=8)


@given(st.lists(PIECE, min_size=1, max_size=5), st.text("@/:#?%'\"\\ &=", min_size=4, max_size=4), st.data())
def test_runs_of_fragments_in_brackets_are_masked(parts: list[str], delimiters: str, data: st.DataObject) -> None:
    secret = "".join(part + delimiter for part, delimiter in zip(parts, delimiters + " ", strict=False)).strip()
    register_secret(secret, from_url=True)
    first = data.draw(st.integers(0, len(parts) - 1))
    start = sum(len(part) + 1 for part in parts[:first])
    text = redact(f"[{secret[start:]}]")
    lowered = {part.lower() for part in parts[first:] if part.lower() in secret.lower()} - redaction._COMMON_WORDS
    assert not [part for part in lowered if part in text.lower()]


def test_overlapping_secrets_are_masked_completely() -> None:
    register_secret("k4nar1en-v0")
    register_secret("v0gel-f3der")
    assert redact("it is k4nar1en-v0gel-f3der.") == f"it is {MASK}."


def test_letters_whose_lower_case_is_longer_do_not_shift_mask() -> None:
    register_secret("k4nar1en")
    assert redact("İİİ k4nar1en İ") == f"İİİ {MASK} İ"


def test_work_is_linear_in_length_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    register_secret(PASSWORD, from_url=True)
    steps = 0
    compare = redaction._matches_at

    def counted(text: str, form: str, at: int) -> bool:
        nonlocal steps
        steps += 1
        return compare(text, form, at)

    monkeypatch.setattr(redaction, "_matches_at", counted)
    counts = []
    for times in (100, 200):
        steps = 0
        redact(PASSWORD[:7] * times)
        counts.append(steps)
    assert counts[1] <= 2.1 * counts[0]


def test_reason_is_first_line_masked_and_bounded() -> None:
    register_secret("k4nar1en")
    assert reason(ValueError("\n host k4nar1en\x1b is unknown\nDETAIL: row (ada)")) == f"host {MASK}? is unknown"
    assert reason(OperationalError("SELECT 1", None, Exception("the disk is full"))) == "the disk is full"
    assert reason(FileNotFoundError(2, "No such file", "/etc/x.pem")) == "No such file: /etc/x.pem"
    assert reason(KeyError()) == "KeyError"
    assert reason(UnicodeEncodeError("ascii", "gehe\xefm", 4, 5, "no")) == "UnicodeEncodeError"
    assert len(reason(ValueError("x" * 100_000))) <= redaction.REASON_LIMIT + 1


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////var/lib/link@auth/a b%20.db",
        "sqlite:///C:/x#y?z.db",
        "postgresql+psycopg://reader@db.example.com/x",
        "postgresql+psycopg://reader:pa%40ss%2Fword@db.example.com:5432/x?sslmode=require",
        "postgresql+psycopg:///x?host=/run/postgresql",
        "mariadb+pymysql://reader:a:b'c\"d\\e@[::1]:3306/x",
    ],
)
def test_unambiguous_url_is_accepted(url: str) -> None:
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("password", "says"),
    [
        *((f"k4na{delimiter}r1en", "an @, /, ? or #") for delimiter in "@/#?"),
        *(("k4na%r1en", "a %"), ("k4na%4", "a %"), ("k4na r1en", "a space")),
    ],
)
def test_url_with_unencoded_password_is_refused_with_advice(password: str, says: str) -> None:
    problem = url_problem(f"postgresql+psycopg://reader:{password}@db/x")
    assert problem is not None
    assert problem.startswith(f"contains {says}")
    assert "write %40 for @, %2F for /" in problem
    assert "k4na" not in problem
