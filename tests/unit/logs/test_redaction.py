"""No part of a registered secret is left in a text, however a library wrote it; other words stay."""

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
from linkauth.redaction import MASK, reason, redact, register_embedded, register_secret, register_url, url_problem

PASSWORD = """k4na@r1en/v0gel:f3der#b4um?n3st%w1nd'r4be"m0we\\f1nk z3isig"""
PARTS = re.findall(r"[a-z0-9]+", PASSWORD)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests have registered is not looked for here."""
    for name, empty in (("_forms", {}), ("_short_parts", set()), ("_registered", set())):
        monkeypatch.setattr(redaction, name, empty)


WRITINGS = {
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


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS.keys())
def test_a_secret_is_hidden_however_it_is_written(write: object) -> None:
    register_secret(PASSWORD)
    assert callable(write)
    said = redact(f"connection to {write(PASSWORD)}, port 5432 failed")
    assert not [part for part in PARTS if part in said.lower()]
    assert said.startswith("connection to ")
    assert said.endswith(", port 5432 failed")


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "linkauth"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_http_basic_is_hidden_whoever_the_user_is(user: str, encode: object) -> None:
    register_secret(PASSWORD)
    assert callable(encode)
    encoded = encode(f"{user}:{PASSWORD}".encode()).decode()
    hidden = redact(f"Authorization: Basic {encoded}").replace(MASK, "")
    # the letters that the secret shares with its neighbours tell less than one of its own
    assert len(hidden.rstrip("=")) <= len("Authorization: Basic ") + len(b64encode(f"{user}:".encode())) + 1


@pytest.mark.parametrize("delimiter", "@/:#?&=%'\"\\ ")
def test_what_a_parser_makes_of_a_password_is_hidden(delimiter: str) -> None:
    register_secret(f"k4narie{delimiter}r1en", from_url=True)
    for piece in ("k4narie", "r1en", "R1EN", f"k4narie{delimiter}r1en"):
        assert redact(f"could not resolve {piece}: unknown") == f"could not resolve {MASK}: unknown"
        assert redact(f"host '{piece}'") == f"host '{MASK}'"


def test_runs_of_parts_too_short_for_themselves_are_hidden() -> None:
    register_secret("ab@cd/ef:gh", from_url=True)
    assert redact('host "cd" of cd/ef:gh, "abba" and cd') == f'host "{MASK}" of {MASK}, "abba" and cd'


def test_short_parts_do_not_hide_every_message() -> None:
    register_secret("db@a/is:not", from_url=True)
    register_secret("read")
    assert redact("is not a database URL, already read-only") == f"is not a database URL, already {MASK}-only"


def test_words_of_messages_and_of_the_same_url_stay() -> None:
    register_url("postgresql+psycopg://reader:reader@db.example.com/intranet?sslmode=require")
    register_secret("password")
    register_secret("the alexa client's secret")
    said = 'server "db.example.com": password authentication failed for user "reader", a client secret of alexa'
    assert redact(said) == said
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
def test_of_a_url_what_is_secret_is_hidden(url: str, shown: str, hidden: str) -> None:
    register_url(url)
    assert redact(f"{shown}: {hidden}") == f"{shown}: {MASK}"


def test_of_a_template_what_looks_like_a_key_is_hidden() -> None:
    register_embedded('{"login": {username}, "secret": {password}, "key": "k4nar1en-v0gel"}')
    assert redact("login, secret, username and k4nar1en-v0gel") == f"login, secret, username and {MASK}"


SOAP = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <s:Body><Login><user>{username}</user><word>{password}</word><key>k4nar1en</key><pin>v0g7</pin></Login></s:Body>
</s:Envelope>"""


@pytest.mark.parametrize(
    "template", [SOAP, '{"login": {username}, "word": {password}, "key": "k4nar1en", "pin": "v0g7"}']
)
def test_of_a_template_the_keys_are_hidden_and_the_markup_stays(template: str) -> None:
    register_embedded(template)
    said = "not UTF-8: save it as UTF-8; port 2001 of www.w3.org, login, version 1.0"
    assert redact(said) == said
    assert redact("could not use k4nar1en, v0g7") == f"could not use {MASK}, {MASK}"


PIECE = st.text(string.ascii_letters + string.digits, min_size=4, max_size=8)


@given(st.lists(PIECE, min_size=1, max_size=5), st.text("@/:#?%'\"\\ &=", min_size=4, max_size=4), st.data())
def test_no_run_of_parts_survives_in_quotes(parts: list[str], delimiters: str, data: st.DataObject) -> None:
    secret = "".join(part + delimiter for part, delimiter in zip(parts, delimiters + " ", strict=False)).strip()
    register_secret(secret, from_url=True)
    first = data.draw(st.integers(0, len(parts) - 1))
    start = sum(len(part) + 1 for part in parts[:first])
    said = redact(f"[{secret[start:]}]")
    lowered = {part.lower() for part in parts[first:] if part.lower() in secret.lower()} - redaction._PUBLIC
    assert not [part for part in lowered if part in said.lower()]


def test_overlapping_secrets_are_hidden_whole() -> None:
    register_secret("k4nar1en-v0")
    register_secret("v0gel-f3der")
    assert redact("it is k4nar1en-v0gel-f3der.") == f"it is {MASK}."


def test_letters_that_change_their_number_in_small_ones_move_nothing() -> None:
    register_secret("k4nar1en")
    assert redact("İİİ k4nar1en İ") == f"İİİ {MASK} İ"


def test_the_work_grows_with_the_length_of_the_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_reason_is_the_first_line_without_secrets_and_bounded() -> None:
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
def test_a_url_that_is_read_in_one_way_is_taken(url: str) -> None:
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("password", "says"),
    [
        *((f"k4na{delimiter}r1en", "an @, /, ? or #") for delimiter in "@/#?"),
        *(("k4na%r1en", "a %"), ("k4na%4", "a %"), ("k4na r1en", "a blank")),
    ],
)
def test_a_url_that_parsers_would_split_is_refused_and_told_how_to_write_it(password: str, says: str) -> None:
    problem = url_problem(f"postgresql+psycopg://reader:{password}@db/x")
    assert problem is not None
    assert problem.startswith(f"holds {says}")
    assert "write %40 for @, %2F for /" in problem
    assert "k4na" not in problem
