"""What counts as true, what counts as a time, and which state of an account comes first."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured
from linkauth_sql import values
from linkauth_sql.states import is_true, moment, of_row

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OVER = {"must_change": 1, "password_expires": NOW - HOUR, "expires": NOW - HOUR}
TIMES = [None, 1_700_000_000, "2026-01-01 00:00:00", "20260101000000", b"20260101000000", NOW]


@pytest.mark.parametrize(
    "value",
    [
        1,
        -1,
        True,
        0.5,
        Decimal(1),
        "1",
        "t",
        "true",
        "Y",
        "yes",
        "anything",
        b"\x01",
        b"1",
        NOW,
        NOW.date(),
        "2026-01-01",
    ],
)
def test_what_is_true(value: Any) -> None:
    assert is_true(value)


@pytest.mark.parametrize(
    "value",
    [
        0,
        False,
        0.0,
        Decimal(0),
        None,
        "",
        " ",
        "0",
        "f",
        "F",
        "false",
        "No",
        "off",
        b"\x00",
        b"0",
        b"",
        "0000-00-00 00:00:00",
    ],
)
def test_what_is_not(value: Any) -> None:
    assert not is_true(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NOW, NOW),
        (NOW.replace(tzinfo=None), NOW),
        (NOW.astimezone(timezone(timedelta(hours=9))), NOW),
        (date(2026, 11, 25), datetime(2026, 11, 26, tzinfo=UTC)),
        ("2026-11-25", datetime(2026, 11, 26, tzinfo=UTC)),
        ("2026-11-25 12:00:00", NOW),
        ("2026-11-25T12:00:00Z", NOW),
        ("2026-11-25 13:00:00.1234567+01:00", NOW + timedelta(microseconds=123_456)),
        ("20261125120000", NOW),
        (b"20261125120000", NOW),
        (int(NOW.timestamp()), NOW),
        (str(int(NOW.timestamp())), NOW),
        (int(NOW.timestamp() * 1_000), NOW),
        (Decimal(int(NOW.timestamp())), NOW),
        *((nothing, None) for nothing in (None, 0, "", "0", " ", "0000-00-00", "0000-00-00 00:00:00", b"")),
    ],
)
def test_what_is_a_time(value: Any, expected: datetime | None) -> None:
    assert moment(value, "expires_column") == expected


@pytest.mark.parametrize("value", ["soon", "2026-13-01", "99999999999999", [], True])
def test_what_is_no_time_is_the_operators_problem(value: Any) -> None:
    with pytest.raises(BackendMisconfigured, match="expires_column") as problem:
        moment(value, "expires_column")
    assert str(value) not in str(problem.value) or value is True


def test_times_beyond_python_are_far_away() -> None:
    for value in (10**30, "9" * 13, date.max, datetime.max):
        assert of_row({"expires": value}, NOW) is None
        assert of_row({"locked_until": value}, NOW) == "locked"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, None),
        ({"active": True}, None),
        ({"active": None}, "disabled"),
        ({"disabled": None}, None),
        ({"disabled": 1}, "disabled"),
        ({"locked": 0}, None),
        ({"locked": 1}, "locked"),
        ({"locked": NOW - HOUR}, "locked"),
        ({"locked_until": NOW + HOUR}, "locked"),
        ({"locked_until": NOW - HOUR}, None),
        ({"locked_until": NOW + HOUR, "lock_enabled": False}, None),
        ({"locked": 1, "lock_enabled": 0}, None),
        ({"locked_until": NOW + HOUR, "lock_enabled": True}, "locked"),
        ({"expires": NOW}, "account_expired"),
        ({"expires": NOW + HOUR}, None),
        ({"expires": NOW.date()}, None),
        ({"expires": NOW.date() - timedelta(days=1)}, "account_expired"),
        ({"must_change": "Y"}, "must_change_password"),
        ({"password_expires": NOW - HOUR}, "password_expired"),
        ({"password_expires": None, "must_change": False}, None),
        # what a new password would not mend comes first
        (
            {"must_change": 1, "password_expires": NOW - HOUR, "expires": NOW - HOUR, "locked": 1, "active": 0},
            "disabled",
        ),
        ({"must_change": 1, "password_expires": NOW - HOUR, "expires": NOW - HOUR, "locked": 1}, "locked"),
        ({"must_change": 1, "password_expires": NOW - HOUR, "expires": NOW - HOUR}, "account_expired"),
    ],
)
def test_the_state_of_a_row(row: dict[str, Any], reason: str | None) -> None:
    assert of_row(row, NOW) == reason


@pytest.mark.parametrize(
    ("locked", "reason"),
    [(NOW - HOUR, None), (NOW - HOUR / 2, "locked"), (None, None), (1, "locked"), ("true", "locked"), (0, None)],
)
def test_a_lock_that_ends_after_a_while(locked: Any, reason: str | None) -> None:
    assert of_row({"locked": locked}, NOW, locked_seconds=3_600) == reason


@pytest.mark.parametrize(
    ("present", "written"),
    [
        (True, False),
        (1, 0),
        (b"\x01", b"\0"),
        (b"1", b"0"),
        ("1", "0"),
        ("Y", "N"),
        ("yes", "no"),
        ("TRUE", "FALSE"),
        ("t", "f"),
        (NOW, None),
    ],
)
def test_a_no_looks_like_the_yes_that_was_there(present: Any, written: Any) -> None:
    assert values.no_like(present) == written
    assert not is_true(values.no_like(present))


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize(
    "present", [None, 1_700_000_000, "2026-01-01 00:00:00", "20260101000000", b"20260101000000", NOW]
)
def test_a_time_looks_like_the_one_that_was_there(present: Any, dialect: str) -> None:
    written = values.time_like(present, NOW, dialect)
    assert moment(written, "x") == NOW
    assert type(written) is type(present) or present is None or dialect == "sqlite"


def test_the_values_of_a_new_account() -> None:
    pairs = ("a=now", "b=true", "c=false", "d=null", "e=-7", "f=", "g={username}-x", "h={USERNAME}", "i=uuid")
    made = values.of_new_account(pairs, "ada", NOW, "sqlite")
    assert [made[name] for name in "abcdefgh"] == ["2026-11-25 12:00:00", True, False, None, -7, "", "ada-x", "ADA"]
    assert len(made["i"]) == 36
