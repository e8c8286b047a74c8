"""A default gives way to the preset, and both to what the ini says, before the dataclass is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from linkauth.config.presets import preset_of, settings_of
from linkauth.config.reader import Keys, SettingsError

PRESETS: dict[str, Mapping[str, Any]] = {"none": {}, "corp": {"column": "uid", "limit": 5, "words": ("a", "b")}}


@dataclass(frozen=True)
class Sample:
    """As a plugin declares its settings."""

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


def test_a_default_gives_way_to_the_preset_and_both_to_the_ini() -> None:
    assert read() == Sample(label="the column name")
    assert read(preset="corp") == Sample("corp", "uid", ("a", "b"), 5, "the column uid")
    assert read(preset="corp", limit="7", column="cn") == Sample("corp", "cn", ("a", "b"), 7, "the column cn")


def test_a_value_that_equals_the_default_wins_over_the_preset() -> None:
    found = read(preset="corp", limit="3", column="name")
    assert (found.limit, found.column) == (3, "name")


def test_what_derives_from_other_values_gives_way_to_the_ini_too() -> None:
    assert read(preset="corp", label="Staff").label == "Staff"


def test_the_word_for_the_empty_value_counts_where_a_field_names_it() -> None:
    found = read(preset="corp", column="none", words="none", free="none")
    assert (found.column, found.words, found.free) == ("", (), "none")
    assert found.label == "the column "
    assert read(words="none b").words == ("none", "b")


def test_rules_between_the_keys_see_what_the_preset_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "corp", {"limit": 12})
    with pytest.raises(SettingsError) as caught:
        read(preset="corp")
    assert caught.value.faults == [("p.limit", "is over 9")]
    assert read(preset="corp", limit="9").limit == 9


def test_a_fault_names_the_key_and_not_the_value() -> None:
    with pytest.raises(SettingsError) as caught:
        read(preset="canary-1", limit="canary-2", colum="canary-3")
    assert [key for key, _ in caught.value.faults] == ["p.colum", "p.limit", "p.preset"]
    assert "canary" not in str(caught.value)


def test_what_comes_from_the_preset_can_be_told_from_what_the_ini_says() -> None:
    given = {"preset": "corp", "limit": 3}
    assert set(preset_of(Sample, given)) - set(given) == {"column", "words", "label"}


def test_a_class_without_presets_is_made_of_what_is_given() -> None:
    @dataclass(frozen=True)
    class Plain:
        path: str

    assert settings_of(Plain, path="none") == Plain("none")
    assert preset_of(Plain, {}) == {}
