"""Builds a settings dataclass. The ini overrides the preset, and the preset overrides the field defaults.

A settings dataclass may have a classmethod `preset_values(given)`. Its argument maps field names to the converted
values of the ini. It returns the values of the preset and those derived from other values. The merge happens before
the dataclass is created. Thus each field has its final type, and None never means "not in the ini".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def settings_of(cls: type[T], **given: Any) -> T:
    """Returns an instance of the settings dataclass `cls`; `given` are the values of the ini by field name.

    A value in `given` overrides the preset, even if it equals the default. A field with `metadata={"empty": "none"}`
    accepts the keyword `none` for the empty value, which an ini file cannot express.
    """
    for item in fields(cls):  # type: ignore[arg-type]
        keyword, value = item.metadata.get("empty"), given.get(item.name)
        if keyword is not None and value in (keyword, (keyword,)):
            given[item.name] = type(value)()
    return cls(**{**preset_values_of(cls, given), **given})


def preset_values_of(cls: type, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the preset values of `cls` for `given`, by field name; empty for a class without presets."""
    values: Mapping[str, Any] = getattr(cls, "preset_values", lambda _: {})(given)
    return values
