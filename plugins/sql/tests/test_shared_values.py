"""A value that the ini file lists for one column does not allow a sign-in by another column."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import AccountRefused

from . import applications
from .stores import ApplicationStore
from .vectors import PASSWORDS

NAME, PASSWORD = "ada@example.com", PASSWORDS["B"]
ONE: dict[str, Any] = {"active_values": ("1", "2")}
ZERO: dict[str, Any] = {"active_values": ("0",), "disabled_values": ("1",)}
OWN: dict[str, Any] = {"active_column": "status"}
# (settings, values by column, reason of the refusal, column that the check reports)
CASES: list[tuple[dict[str, Any], dict[str, Any], str | None, str]] = [
    (ONE, {"status": 2, "banned": 0}, None, ""),
    (ONE, {"status": 1, "banned": 1}, "disabled", ""),
    (ONE, {"status": 1, "banned": "true"}, "disabled", ""),
    (ONE | OWN | {"disabled_column": "banned"}, {"status": 1, "banned": 1}, "disabled", ""),
    (ONE | {"disabled_column": "banned"}, {"status": 1, "banned": 1}, "disabled", ""),
    # without an active column, the values apply to the disabled column
    (ONE | {"disabled_column": "status"}, {"status": 1}, None, ""),
    # 0 applies to status only if active_column names it
    (ZERO, {"status": 0}, "disabled", "status"),
    (ZERO | OWN, {"status": 0}, None, ""),
    (ZERO | OWN, {"status": 1}, "disabled", ""),
    (ZERO | OWN, {"status": 0, "is_active": 0}, "disabled", "is_active"),
    (ZERO | OWN, {"status": 0, "banned": 1}, "disabled", ""),
    (ZERO | OWN, {"status": 0, "banned": 0}, None, ""),
    (ZERO, {"is_active": 1}, "disabled", "is_active"),
    (ONE | {"disabled_values": ("0",)}, {"status": 1, "banned": 0}, "disabled", "banned"),
    ({"active_values": ("null", "active")}, {"status": "active", "approved_at": None}, "disabled", "approved_at"),
    ({"active_values": ("null", "active")} | OWN, {"status": None}, None, ""),
    ({"disabled_values": ("null",)}, {"status": "active", "deleted_at": None}, "disabled", "deleted_at"),
    (
        {"optional_columns": ("locked:is_locked",), "locked_column": "state", "unlocked_values": ("1",)},
        {"state": 1, "is_locked": 1},
        "locked",
        "is_locked",
    ),
]


@pytest.mark.parametrize(("settings", "row", "reason", "named"), CASES)
def test_configured_value_applies_only_to_its_column(
    tmp_path: Path, settings: dict[str, Any], row: dict[str, Any], reason: str | None, named: str
) -> None:
    store = ApplicationStore(tmp_path / "people.sqlite", applications.LARAVEL)
    for column in row:
        store.run(f"ALTER TABLE users ADD COLUMN {column}")
    store.change(**row)
    with closing(store.backend(**settings)) as backend:
        assert backend.find(NAME).refused == reason
        if reason is None:
            assert backend.authenticate(NAME, PASSWORD)
        else:
            with pytest.raises(AccountRefused, match=reason):
                backend.authenticate(NAME, PASSWORD)
        details = [check.detail for check in backend.check() if check.name == "states"]
        assert bool(details) == bool(named)
        if named:
            assert f"{named} '" in details[0]
            assert "gives it the opposite meaning: remove it there, or set " in details[0]


def test_check_suggests_removing_an_optional_column(tmp_path: Path) -> None:
    store = ApplicationStore(tmp_path / "people.sqlite", applications.LARAVEL)
    store.run("ALTER TABLE users ADD COLUMN state TEXT DEFAULT 'Bavaria'")
    with closing(store.backend()) as backend:
        (states,) = [check for check in backend.check() if check.name == "states"]
        assert "name it in active_values or disabled_values, or leave active:state out of opt" in states.detail
