"""One settings dataclass from the keys that the ini gives: a default gives way to the preset, and both to the ini.

A settings dataclass may have a classmethod `preset_values(given)`. It gets the values that the ini gives, converted, by
the names of the fields, and returns the values of its preset and those that derive from other values. The merge happens
before the dataclass is made, so that each field has its final type and None never means "not in the ini".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def settings_of(cls: type[T], **given: Any) -> T:
    """An instance of the settings dataclass `cls` in which `given` is what the ini says.

    A value in `given` wins over the preset, even if it equals the default. The word that a field names in
    `metadata={"empty": "none"}` stands for the empty value, which an ini file cannot express.
    """
    for item in fields(cls):  # type: ignore[arg-type]
        word, value = item.metadata.get("empty"), given.get(item.name)
        if word is not None and value in (word, (word,)):
            given[item.name] = type(value)()
    return cls(**{**preset_values_of(cls, given), **given})


def preset_values_of(cls: type, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the preset of `cls` gives beside `given`, by the names of the fields; empty for a class without presets."""
    values: Mapping[str, Any] = getattr(cls, "preset_values", lambda _: {})(given)
    return values
