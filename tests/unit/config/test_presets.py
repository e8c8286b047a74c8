"""Tests of precedence: a preset overrides the defaults, and the ini overrides both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from linkauth.config.presets import preset_values_of, settings_of
from linkauth.config.reader import Keys, SettingsError
from linkauth_sql.settings import NAMES

PRESETS: dict[str, Mapping[str, Any]] = {"none": {}, "corp": {"column": "uid", "limit": 5, "words": ("a", "b")}}


@dataclass(frozen=True)
class Columns:
    columns: tuple[str, ...] = field(default=(), metadata=NAMES)
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """The settings class of a plugin."""

    preset: Literal["none", "corp"] = "none"
    column: str = field(default="name", metadata={"empty": "none"})
    words: tuple[str, ...] = field(default=(), metadata={"empty": "none"})
    limit: int = 3
    label: str = ""
    free: str = "none at all"

    @classmethod
    def preset_values(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        preset = PRESETS[given.get("preset", cls.preset)]
        column = given.get("column", preset.get("column", cls.column))
        return {**preset, "label": f"the column {column}"}

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.limit > 9:
            yield "limit", "is over 9"


def read(**ini: str) -> Sample:
    keys = Keys({f"p.{key}": value for key, value in ini.items()}, "p.")
    sample = keys.fill(Sample)
    keys.finish()
    assert isinstance(sample, Sample)
    return sample


def test_preset_overrides_default_and_ini_overrides_both() -> None:
    assert read() == Sample(label="the column name")
    assert read(preset="corp") == Sample("corp", "uid", ("a", "b"), 5, "the column uid")
    assert read(preset="corp", limit="7", column="cn") == Sample("corp", "cn", ("a", "b"), 7, "the column cn")


def test_ini_value_equal_to_default_overrides_preset() -> None:
    result = read(preset="corp", limit="3", column="name")
    assert (result.limit, result.column) == (3, "name")


def test_ini_overrides_derived_value() -> None:
    assert read(preset="corp", label="Staff").label == "Staff"


def test_keyword_for_empty_value_applies_only_to_fields_that_declare_it() -> None:
    result = read(preset="corp", column="none", words="none", free="none")
    assert (result.column, result.words, result.free) == ("", (), "none")
    assert result.label == "the column "
    assert read(words="none b").words == ("none", "b")


def test_rules_between_keys_check_preset_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "corp", {"limit": 12})
    with pytest.raises(SettingsError) as caught:
        read(preset="corp")
    assert caught.value.faults == [("p.limit", "is over 9")]
    assert read(preset="corp", limit="9").limit == 9


def test_fault_names_key_without_value() -> None:
    with pytest.raises(SettingsError) as caught:
        read(preset="canary-1", limit="canary-2", colum="canary-3")
    assert [key for key, _ in caught.value.faults] == ["p.colum", "p.limit", "p.preset"]
    assert "canary" not in str(caught.value)


def test_preset_of_returns_values_that_are_not_in_the_ini() -> None:
    given = {"preset": "corp", "limit": 3}
    assert set(preset_values_of(Sample, given)) - set(given) == {"column", "words", "label"}


def test_settings_class_without_presets_gets_ini_values() -> None:
    @dataclass(frozen=True)
    class Plain:
        path: str

    assert settings_of(Plain, path="none") == Plain("none")
    assert preset_values_of(Plain, {}) == {}


def test_a_field_may_say_how_its_list_is_split() -> None:
    keys = Keys({"columns": 'login "Full Name"\n"a""b"', "words": 'a "b c"'}, "")
    split = keys.fill(Columns)
    assert split == Columns(("login", '"Full Name"', '"a""b"'), ("a", '"b', 'c"'))
