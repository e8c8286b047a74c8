"""Tests that docs/events.md has every event with its fields, and that no event has a field for a secret."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import linkauth.events
from linkauth.events.types import PERSONAL, Event

DOCUMENT = (Path(__file__).parents[2] / "docs" / "events.md").read_text("utf-8")
FORBIDDEN = re.compile("password|token|secret|code|state|form|body|cookie|query", re.IGNORECASE)
NAME = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")


def event_classes() -> dict[str, type[Event]]:
    """Returns all event classes of the modules of linkauth.events, by their names."""
    found: dict[str, type[Event]] = {}
    for module in iter_modules(linkauth.events.__path__, "linkauth.events."):
        for item in vars(import_module(module.name)).values():
            if isinstance(item, type) and issubclass(item, Event) and item.name:
                assert found.setdefault(item.name, item) is item, f"two events have the name {item.name}"
    return found


def test_the_table_has_every_event_with_its_fields() -> None:
    rows = re.findall(r"^\| `([a-z_.]+\.[a-z_]+)` \| (.*?) \| (.*?) \|$", DOCUMENT, re.MULTILINE)
    documented = {name: (re.findall("`([a-z_]+)`", own), "(counted only)" in text) for name, own, text in rows}
    classes = event_classes()
    assert len(classes) >= 20
    assert documented == {
        name: ([each.name for each in fields(cls)], cls.counted_only) for name, cls in classes.items()
    }


def test_events_are_immutable_have_stable_names_and_no_field_for_a_secret() -> None:
    for name, cls in event_classes().items():
        assert NAME.fullmatch(name), name
        assert cls.__dataclass_params__.frozen, name  # type: ignore[attr-defined]
        assert [each.name for each in fields(cls) if FORBIDDEN.search(each.name)] == [], name


def test_the_common_fields_are_documented() -> None:
    for field in ("event", "time", "request", "client", "address", *PERSONAL):
        assert re.search(rf"^\|.*`{field}`.*\|", DOCUMENT, re.MULTILINE), field
