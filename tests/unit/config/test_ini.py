"""Tests of the reader that fills a dataclass from ini keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from linkauth.config.reader import Keys, SettingsError, Text, ValuesByName
from linkauth.config.values import convert

CANARY = "hunter2-canary"
NO_WHOLE_NUMBER = "is not a whole number: write only digits, without a unit (times are in seconds)"
NO_NUMBER = "is not a number: write only digits and a point, without a unit"


@dataclass(frozen=True)
class Sample:
    """Settings of every supported type."""

    needed: str
    text: Text
    number: int = 1
    ratio: float = 0.5
    flag: bool = False
    words: tuple[str, ...] = ()
    choice: Literal["red", "blue"] = "red"
    maybe: str | None = None
    label: Text = field(default_factory=dict)

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.number > 100:
            yield "number", "is over 100"
        if self.flag and self.maybe:
            yield "maybe", "cannot stand beside flag"


VALID = {"p.needed": "x", "p.text": "hello"}


@dataclass(frozen=True)
class FreeNames:
    """Settings whose last key part is a free name."""

    header: ValuesByName = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)


def fill(ini: dict[str, str], prefix: str = "") -> Any:
    keys = Keys(ini, "p.")
    sample = keys.fill(Sample, prefix)
    keys.finish()
    return sample


def faults(ini: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        fill(ini)
    assert len(dict(caught.value.faults)) == len(caught.value.faults)
    assert CANARY not in str(caught.value)
    return dict(caught.value.faults)


def test_missing_key_gets_default() -> None:
    assert fill(VALID) == Sample("x", {"": "hello"})


def test_every_type_is_read() -> None:
    more = {"number": "7", "ratio": "1.25", "flag": "yes", "words": " a  b\n c ", "choice": "blue", "maybe": "m"}
    more |= {"text.de": "hallo", "text.pt-BR": "oi", "label": "l", "label.de": "m"}
    ini = {**VALID, **{f"p.{key}": value for key, value in more.items()}, "p.flag": "no"}
    assert fill(ini) == Sample(
        needed="x",
        text={"": "hello", "de": "hallo", "pt-BR": "oi"},
        number=7,
        ratio=1.25,
        flag=False,
        words=("a", "b", "c"),
        choice="blue",
        maybe="m",
        label={"": "l", "de": "m"},
    )


def test_keys_with_other_prefix_are_ignored() -> None:
    assert fill({**VALID, "other.key": CANARY, "pyramid.includes": CANARY, "p": CANARY}) == fill(VALID)


@pytest.mark.parametrize("raw", ["true", "Yes", "ON", "1"])
def test_true_values_are_read(raw: str) -> None:
    assert convert(raw, bool) is True


@pytest.mark.parametrize("raw", ["false", "No", "OFF", "0"])
def test_false_values_are_read(raw: str) -> None:
    assert convert(raw, bool) is False


@pytest.mark.parametrize(("raw", "number"), [("7", 7), ("-7", -7), ("+7", 7), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_whole_numbers_are_read(raw: str, number: int) -> None:
    assert convert(raw, int) == number


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("number", CANARY, NO_WHOLE_NUMBER),
        ("number", "1.5", NO_WHOLE_NUMBER),
        ("number", "１", NO_WHOLE_NUMBER),
        ("number", "1_000", NO_WHOLE_NUMBER),
        ("number", "9" * 5000, NO_WHOLE_NUMBER),
        ("number", "0x10", NO_WHOLE_NUMBER),
        ("ratio", CANARY, NO_NUMBER),
        ("ratio", "nan", NO_NUMBER),
        ("ratio", "inf", NO_NUMBER),
        ("ratio", "1e3", NO_NUMBER),
        ("flag", CANARY, "is neither true nor false"),
        ("flag", "2", "is neither true nor false"),
        ("choice", CANARY, "is not one of: red, blue"),
        ("choice", "Red", "is not one of: red, blue"),
        ("number", "101", "is over 100"),
        ("needed", "", "is empty: write a value"),
        ("needed", "   ", "is empty: write a value"),
        ("words", "", "is empty: remove the line to use the default"),
    ],
)
def test_wrong_value_is_reported_by_key_without_value(key: str, value: str, problem: str) -> None:
    assert faults({**VALID, f"p.{key}": value}) == {f"p.{key}": problem}


def test_unsupported_type_raises_type_error() -> None:
    with pytest.raises(TypeError):
        convert("x", dict)


def test_free_names_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from a file\n", "utf-8")
    monkeypatch.setenv("LINKAUTH_TEST", "from the environment")
    ini = {"header.X-Key": f"file:{tmp_path}/key", "header.x.dotted": "env:LINKAUTH_TEST", "claims.team": "/team"}
    keys = Keys({f"p.a.{key}": value for key, value in ini.items()}, "p.")
    header = {"X-Key": "from a file", "x.dotted": "from the environment"}
    assert keys.fill(FreeNames, "a.") == FreeNames(header, {"team": "/team"})
    keys.finish()
    assert Keys({}, "p.").fill(FreeNames, "a.") == FreeNames()


@pytest.mark.parametrize("key", ["header", "header.", "headers.X-Key"])
def test_missing_free_name_is_reported(key: str) -> None:
    keys = Keys({f"p.a.{key}": CANARY, "p.a.claims.x": "env:NOT_SET_ANYWHERE"}, "p.")
    keys.fill(FreeNames, "a.")
    with pytest.raises(SettingsError) as caught:
        keys.finish()
    assert CANARY not in str(caught.value)
    assert {key for key, _ in caught.value.faults} == {f"p.a.{key}", "p.a.claims.x"}
    assert "the nearest known key is p.a.header.<name>" in str(caught.value)


@pytest.mark.parametrize("tag", ["pt-br", "PT", "pt_BR", "pt-BR-x", "portuguese"])
def test_malformed_language_tag_of_text_is_reported(tag: str) -> None:
    """A text under such a tag would never be shown."""
    assert list(faults({**VALID, f"p.label.{tag}": CANARY, "p.label": "x"})) == [f"p.label.{tag}"]
    assert fill({**VALID, "p.label": "x", "p.label.pt-BR": "y", "p.label.zh-Hant-TW": "z"}).label["pt-BR"] == "y"


@pytest.mark.parametrize(
    ("key", "known"),
    [("header.", "header.<name>"), ("headers.X-Key", "header.<name>"), ("claim.team", "claims.<name>"), ("uri", "url")],
)
def test_hint_for_unknown_key_includes_free_names(key: str, known: str) -> None:
    keys = Keys({f"p.a.{key}": CANARY}, "p.")
    keys.fill(FreeNames, "a.")
    keys.known |= {"a.url", "a.client_id", "a.check_url", "a.tls_ca_file"}
    with pytest.raises(SettingsError, match=f"; the nearest known key is p.a.{known}$"):
        keys.finish()


def test_missing_required_key_is_reported() -> None:
    assert faults({"p.text": "hello"}) == {"p.needed": "is missing"}
    assert faults({"p.needed": "x", "p.text.de": "hallo"}).keys() == {"p.text"}
    assert "a line without a language" in faults({"p.needed": "x", "p.text.de": CANARY})["p.text"]
    assert faults({**VALID, "p.label.de": CANARY}).keys() == {"p.label"}


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("neded", "; the nearest known key is p.needed"),
        ("Number", "; the nearest known key is p.number"),
        ("choise", "; the nearest known key is p.choice"),
        ("xyzzy", ""),
        ("text.DE", "; the nearest known key is p.text"),
        ("text.english", ""),
        ("number.de", "; the nearest known key is p.number"),
    ],
)
def test_unknown_key_is_reported_with_nearest_known_key(key: str, hint: str) -> None:
    assert faults({**VALID, f"p.{key}": CANARY}) == {f"p.{key}": "is not a known key" + hint}


def test_all_faults_are_reported_at_once_in_order() -> None:
    ini = {"p.number": CANARY, "p.flag": CANARY, "p.chioce": CANARY, "p.maybe": "env:NOT_SET_ANYWHERE", "p.ratio": ""}
    with pytest.raises(SettingsError) as caught:
        fill(ini)
    keys = [key for key, _ in caught.value.faults]
    assert keys == ["p.chioce", "p.flag", "p.maybe", "p.needed", "p.number", "p.ratio", "p.text"]
    assert str(caught.value).splitlines()[1] == "p.flag: is neither true nor false"
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "remedy"),
    [
        ('"12"', "; write the value without quotes"),
        ("'12'", "; write the value without quotes"),
        ("12 ; seconds", "; a comment after a value is part of the value: write it on a line of its own"),
        ("12\t# seconds", "; a comment after a value is part of the value: write it on a line of its own"),
        ("12;13", ""),
        ('"', ""),
    ],
)
def test_the_written_value_shows_what_to_do(raw: str, remedy: str) -> None:
    assert faults({**VALID, "p.number": raw}) == {"p.number": NO_WHOLE_NUMBER + remedy}


def test_a_relative_path_of_sqlite_is_refused() -> None:
    for path in ("var/x.sqlite", "./x", "x"):
        assert faults({**VALID, "p.needed": f"sqlite:///{path}"})["p.needed"].startswith("names its file by a relative")
    for url in ("sqlite:////var/x", "sqlite:///C:/x", "sqlite:///:memory:", "sqlite://", "postgresql+psycopg://u@h/d"):
        assert fill({**VALID, "p.needed": url}).needed == url


def test_rules_between_keys_run_only_for_valid_types() -> None:
    assert faults({**VALID, "p.flag": "on", "p.maybe": "m"}) == {"p.maybe": "cannot stand beside flag"}
    assert faults({**VALID, "p.flag": "on", "p.maybe": "m", "p.ratio": "x"}) == {"p.ratio": NO_NUMBER}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("a b a", "contains a name twice"),
        ("a/b", "contains a name with characters other"),
        ("ä", "contains a name with characters other"),
        ("a " + 65 * "b", "contains a name of more than 64 characters"),
    ],
)
def test_names_must_be_plain_and_unique(raw: str, problem: str) -> None:
    keys = Keys({"p.list": raw}, "p.")
    keys.names("list", 64)
    with pytest.raises(SettingsError, match=problem):
        keys.finish()


def test_name_of_64_characters_is_accepted() -> None:
    keys = Keys({"p.list": 64 * "b"}, "p.")
    assert keys.names("list", 64) == (64 * "b",)
    keys.finish()


def test_required_list_of_names_must_not_be_empty() -> None:
    keys = Keys({}, "p.")
    assert keys.names("list", 64) == ()
    keys.finish()
    keys.names("list", 64, required=True)
    with pytest.raises(SettingsError, match="it must contain at least one name"):
        keys.finish()


def test_dropped_keys_are_not_reported_as_unknown() -> None:
    keys = Keys({"p.a.x": "1", "p.a.y": "2", "p.b": "3"}, "p.")
    keys.discard("a.")
    with pytest.raises(SettingsError) as caught:
        keys.finish()
    assert [key for key, _ in caught.value.faults] == ["p.b"]
