"""Tests of values read from a file or the environment, and of secrets with invisible characters."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from linkauth.config.reader import Keys, ValuesByName
from linkauth.config.references import VALUE_LIMIT
from linkauth.redaction import MASK, redact
from tests.unit.config.test_ini import CANARY, VALID, faults, fill


def test_value_is_read_from_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n  tröpfchen \n\n", "utf-8")
    assert fill({**VALID, "p.needed": f"file:{tmp_path}/secret"}).needed == "tröpfchen"
    assert fill({**VALID, "p.needed": f"file: {tmp_path}/secret "}).needed == "tröpfchen"


def test_value_is_read_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKAUTH_TEST", "  7 ")
    assert fill({**VALID, "p.number": "env:LINKAUTH_TEST"}).number == 7


def test_value_over_length_limit_is_refused(tmp_path: Path) -> None:
    """The limit holds for a file too, which must not be truncated silently."""
    problem = f"is longer than {VALUE_LIMIT} characters"
    assert fill({**VALID, "p.needed": "x" * VALUE_LIMIT}).needed == "x" * VALUE_LIMIT
    assert problem in faults({**VALID, "p.needed": "x" * (VALUE_LIMIT + 1)})["p.needed"]
    for text in ("x" * (VALUE_LIMIT + 1), "x" * (VALUE_LIMIT - 1) + "\n\n" + "y"):
        (tmp_path / "long").write_text(text, "utf-8")
        assert problem in faults({**VALID, "p.needed": f"file:{tmp_path}/long"})["p.needed"]


def test_reference_is_resolved_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKAUTH_TEST", f"file:{tmp_path}/nothing")
    assert fill({**VALID, "p.needed": "env:LINKAUTH_TEST"}).needed == f"file:{tmp_path}/nothing"


def test_unresolvable_reference_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").write_text(" \n", "utf-8")
    (tmp_path / "latin-1").write_bytes(b"\xfc" + CANARY.encode())
    (tmp_path / "utf-16").write_text(CANARY, "utf-16")
    monkeypatch.setenv("LINKAUTH_TEST", "")
    utf_8 = "which is not text in UTF-8: save it as UTF-8"
    for value, problem in (
        (f"file:{tmp_path}/nothing", f"names the file '{tmp_path}/nothing', which cannot be read: No such file"),
        (f"file:{tmp_path}", f"names the file '{tmp_path}', which cannot be read: Is a directory"),
        (f"file:{tmp_path}/latin-1", f"names the file '{tmp_path}/latin-1', {utf_8}"),
        (f"file:{tmp_path}/utf-16", f"names the file '{tmp_path}/utf-16', {utf_8}"),
        ("file:a\0", r"names the file 'a\x00', which is not a valid path"),
        (f"file:{tmp_path}/empty", f"names the file '{tmp_path}/empty', which is empty"),
        ("env:LINKAUTH_TEST", "names the environment variable 'LINKAUTH_TEST', which is empty"),
        ("file:run/secret", "names the file 'run/secret', which is a relative path: write an absolute path"),
        ("env:NOT_SET_ANYWHERE", "names the environment variable 'NOT_SET_ANYWHERE', which is not set"),
        ("env:", "names the environment variable '', which is not set"),
    ):
        result = faults({**VALID, "p.needed": value})
        assert list(result) == ["p.needed"]
        assert result["p.needed"].startswith(problem)


@dataclass(frozen=True)
class Hidden:
    """Settings that are left out of the repr."""

    key: str = field(default="", repr=False)
    template: str = field(default="", repr=False)


def test_byte_order_mark_of_secret_file_is_removed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("k4nar1en\r\n", "utf-8-sig")
    assert Keys({"p.key": f"file:{tmp_path}/secret"}, "p.").fill(Hidden) == Hidden("k4nar1en")


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("\u200bk4nar1en", "begins with an invisible character, U+200B ZERO WIDTH SPACE: delete it"),
        ("k4nar1en\u00a0", "ends with an invisible character, U+00A0 NO-BREAK SPACE: delete it"),
        ("k4na\u00adr1en", "contains an invisible character, U+00AD SOFT HYPHEN: delete it"),
        ("k4nar1en\ufeff", "ends with an invisible character, U+FEFF ZERO WIDTH NO-BREAK SPACE: delete it"),
        ("k4na\u3164r1en", "contains an invisible character, U+3164 HANGUL FILLER: delete it"),
        ("k4na\0r1en", "contains an invisible character, U+0000 a control character: delete it"),
        ("k4na\nr1en", "contains a line break: a secret must be on one line"),
    ],
)
@pytest.mark.parametrize("source", ["ini", "file", "env"])
def test_invisible_character_in_secret_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, secret: str, problem: str
) -> None:
    (tmp_path / "secret").write_text(secret + "\n", "utf-8")
    if "\0" not in secret:
        monkeypatch.setenv("LINKAUTH_TEST", secret)
    values = {"ini": secret, "file": f"file:{tmp_path}/secret", "env": "env:LINKAUTH_TEST"}
    if source == "env" and "\0" in secret:
        # an environment variable cannot contain NUL
        return
    keys = Keys({"p.key": values[source]}, "p.")
    assert keys.fill(Hidden) is None
    assert keys.faults == [("p.key", problem)]


def test_password_with_braces_is_not_a_template() -> None:
    @dataclass(frozen=True)
    class Bound:
        bind_password: str = field(repr=False)

    keys = Keys({"p.bind_password": "k4na{r}1en\u200b"}, "p.")
    assert keys.fill(Bound) is None
    assert "U+200B" in dict(keys.faults)["p.bind_password"]
    Keys({"p.bind_password": "zwo {lf} b0ten"}, "p.").fill(Bound)
    assert redact("it is 'zwo {lf} b0ten'") == f"it is '{MASK}'"


def test_secret_may_contain_spaces_and_any_letters_and_key_line_breaks(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nk4nar1en\n-----END PRIVATE KEY-----"
    (tmp_path / "pem").write_text(pem, "utf-8")
    result = Keys({"p.key": f"file:{tmp_path}/pem", "p.template": "a {username}\nb"}, "p.").fill(Hidden)
    assert result == Hidden(pem, "a {username}\nb")
    assert Keys({"p.key": "größe 7 ключ 鍵"}, "p.").fill(Hidden) == Hidden("größe 7 ключ 鍵")


@dataclass(frozen=True)
class PartlyHidden:
    """Settings of a plugin whose author set `repr=False` for some secrets, but not for the URL."""

    url: str = ""
    word: str = field(default="", repr=False)
    headers: ValuesByName = field(default_factory=dict, repr=False)
    location: str = ""
    template: str = field(default="", repr=False)


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("word", "k4{na}r1en!", "k4{na}r1en!"),
        ("word", "kurz", "kurz"),
        ("headers.X-Key", "Token k4nar1env0gel", "k4nar1env0gel"),
        ("url", "amqp://reader:k4nar1en@queue.example.com/x", "k4nar1en"),
        ("url", "https://api.example.com/?secret=k4nar1en", "k4nar1en"),
        ("location", "file:{folder}/location", "k4nar1en"),
        ("headers.X-Key", "file:{folder}/location", "k4nar1en"),
        ("template", "<a> <user>{username}</user><key>k4nar1en</key></a>", "k4nar1en"),
        ("template", "<a><user>{username}</user><key>k4nar1en</key></a>", "k4nar1en"),
        ("template", '{"user": {username}, "key": "correct horse battery staple"}', "correct horse battery staple"),
    ],
)
def test_secret_that_was_read_is_redacted(tmp_path: Path, key: str, value: str, secret: str) -> None:
    (tmp_path / "location").write_text("k4nar1en\n", "utf-8")
    keys = Keys({f"p.{key}": value.replace("{folder}", str(tmp_path))}, "p.")
    assert keys.fill(PartlyHidden) is not None or keys.faults
    assert redact(f"could not use '{secret}' there") == f"could not use '{MASK}' there"


def test_public_values_are_not_redacted() -> None:
    keys = Keys(
        {"p.url": "https://api.example.com/v1", "p.location": "somewhere", "p.headers.Accept": "text/xml"}, "p."
    )
    assert keys.fill(PartlyHidden)
    message = "https://api.example.com/v1 answers with text/xml from somewhere"
    assert redact(message) == message
