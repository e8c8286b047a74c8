"""Tests of flags, times and account states."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from linkauth.testing import settings_of
from linkauth_sql import SQLSettings, values
from linkauth_sql.flags import FlagValues, normalize, normalize_all
from linkauth_sql.states import State, StateRules
from linkauth_sql.times import InvalidTime, parse_time

from .stores import COLUMNS

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
EPOCH = int(NOW.timestamp())


def state_of(row: dict[str, Any], **settings: Any) -> State:
    return StateRules(settings_of(SQLSettings, url="sqlite:///x", **{**COLUMNS, **settings})).state_of(row, NOW)


YES = [1, True, 1.0, Decimal(1), "1", "t", "true", "Y", " yes ", "ON", b"\x01", b"1", b"\x00\x01", NOW, NOW.date()]
YES += ["2026-01-01", "2026-01-01 12:00:00", "20260101000000", b"20260101000000", "20260101", EPOCH, str(EPOCH)]
YES += [EPOCH * 1_000, Decimal(EPOCH), float(EPOCH), NOW.replace(tzinfo=None) + HOUR]
NO = [0, False, 0.0, Decimal(0), None, "", " ", "0", "f", "F", "false", "No", "off", b"\x00", b"\x00\x00", b"0", b""]
NO += ["0000-00-00 00:00:00"]
NEITHER: list[Any] = [
    *(
        "ja",
        "oui",
        "sì",
        "si",
        "verdadero",
        "はい",
        "да",
        "नहीं",
        "nein",
        "non",
        "いいえ",
        "blocked",
        "pending",
        "yes!",
        "null",
    ),
    *("anything", "-", "?", "01", "1.0", "true;false", "1,0", '{"active": true}', "[]", "\u0661", "²", "0x1"),
    *(2, -1, 0.5, 17, Decimal("1.5"), Decimal("NaN"), float("nan"), float("inf"), Decimal("Infinity"), 12_345_678),
    *(b"\x02", b"\xff", b"\x01\x00", b"ja", [], {}, [True], ("yes",), object(), HOUR, 10**30, "9" * 5_000),
    *("2099-01-01", NOW + 4 * 24 * HOUR, date(2099, 1, 1), date.max, datetime.min, "25-NOV-26", "25/11/2026"),
]


@pytest.mark.parametrize("value", YES, ids=repr)
def test_values_that_mean_yes(value: Any) -> None:
    assert FlagValues().parse(value, NOW) is True


@pytest.mark.parametrize("value", NO, ids=repr)
def test_values_that_mean_no(value: Any) -> None:
    assert FlagValues().parse(value, NOW) is False


@pytest.mark.parametrize("value", NEITHER, ids=lambda value: ascii(value)[:20])
def test_values_that_are_not_understood(value: Any) -> None:
    assert FlagValues().parse(value, NOW) is None


def test_configured_values_take_precedence() -> None:
    flag_values = FlagValues(
        configured_yes=normalize_all(("Ja", "2", "null")), configured_no=normalize_all(("NEIN", "1"))
    )
    assert [flag_values.parse(value, NOW) for value in ("JA", 2, "2", b"\x02", None, "nein", 1, True)] == [True] * 5 + [
        False
    ] * 3
    assert flag_values.parse("yes", NOW)
    only = FlagValues(configured_yes=normalize_all(("confirmed",)), only_configured=True)
    assert [only.parse(value, NOW) for value in ("Confirmed", "yes", 1, True, "0", None, NOW)] == [
        *(True, None, None, None, False, False, True),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NOW, NOW),
        (NOW.replace(tzinfo=None), NOW),
        (NOW.astimezone(timezone(timedelta(hours=9))), NOW),
        (date(2026, 11, 25), datetime(2026, 11, 26, tzinfo=UTC)),
        ("2026-11-25", datetime(2026, 11, 26, tzinfo=UTC)),
        ("20261125", datetime(2026, 11, 26, tzinfo=UTC)),
        (20261125, datetime(2026, 11, 26, tzinfo=UTC)),
        ("2026-11-25 12:00:00", NOW),
        ("2026-11-25T12:00:00Z", NOW),
        ("2026-11-25 13:00:00.1234567+01:00", NOW + timedelta(microseconds=123_456)),
        ("20261125120000", NOW),
        (b"20261125120000", NOW),
        (20261125120000, NOW),
        (EPOCH, NOW),
        (str(EPOCH), NOW),
        (EPOCH * 1_000, NOW),
        (Decimal(EPOCH), NOW),
        *((nothing, None) for nothing in (None, 0, "", "0", " ", "0000-00-00", "0000-00-00 00:00:00", b"", b"0")),
    ],
)
def test_valid_times(value: Any, expected: datetime | None) -> None:
    assert parse_time(value) == expected


NO_TIMES: list[Any] = [
    *(
        "soon",
        "never",
        "nie",
        "2026-13-01",
        "2026-02-30",
        "25-NOV-26",
        "25-NOV-26 12.00.00 PM",
        "11/25/2026",
        "25.11.2026",
    ),
    *("12:00", "now()", "-1", "1e9", "99999999999999", "9" * 30, "\u0661\u0662", "1700000000.5", "NaT", "infinity"),
    *([], {}, True, False, HOUR, -1, 1, 30, 99_999_999, -EPOCH, 10**30, 202611251200, EPOCH * 1_000_000, b"\xff\xfe"),
    *(
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        133_500_000_000_000_000,
        638_000_000_000_000_000,
    ),
]


@pytest.mark.parametrize("value", NO_TIMES, ids=lambda value: ascii(value)[:20])
def test_invalid_times(value: Any) -> None:
    with pytest.raises(InvalidTime) as problem:
        parse_time(value)
    assert str(value) not in str(problem.value)


def test_distant_times_are_valid() -> None:
    for value in (2**63 - 1, 253_402_300_799, 99_999_999_999, "9" * 13, "9999-12-31", date.max, datetime.max):
        assert state_of({"expires": value}).reason is None
        assert state_of({"locked_until": value}).reason == "locked"


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
        ({"locked": 1, "lock_enabled": None}, "locked"),
        ({"locked": 0, "lock_enabled": "nein"}, None),
        ({"locked": 1, "lock_enabled": "nein"}, "locked"),
        ({"locked_until": NOW + HOUR, "lock_enabled": True}, "locked"),
        ({"expires": NOW}, "account_expired"),
        ({"expires": NOW + HOUR}, None),
        ({"expires": NOW.date()}, None),
        ({"expires": NOW.date() - timedelta(days=1)}, "account_expired"),
        ({"must_change": "Y"}, "must_change_password"),
        ({"password_expires": NOW - HOUR}, "password_expired"),
        ({"password_expires": None, "must_change": False}, None),
        # optional columns have the same effect as others
        ({"active": 1, "active@state": "no"}, "disabled"),
        ({"active": 1, "disabled@deleted_at": NOW}, "disabled"),
        ({"active": 1, "locked_until@banned_until": NOW + HOUR}, "locked"),
        # reasons that a new password does not resolve come first
        (
            {"must_change": 1, "password_expires": NOW - HOUR, "expires": NOW - HOUR, "locked": 1, "active": 0},
            "disabled",
        ),
        ({"must_change": 1, "password_expires": NOW - HOUR, "expires": NOW - HOUR, "locked": 1}, "locked"),
        ({"must_change": 1, "password_expires": NOW - HOUR, "expires": NOW - HOUR}, "account_expired"),
    ],
)
def test_state_of_a_row(row: dict[str, Any], reason: str | None) -> None:
    assert state_of(row).reason == reason


@pytest.mark.parametrize(
    ("locked", "reason"),
    [
        *((NOW - HOUR, None), (NOW - HOUR / 2, "locked"), (None, None), (1, "locked"), ("true", "locked"), (0, None)),
        *((EPOCH - 60, "locked"), (EPOCH - 9_000, None), ("blocked", "locked"), (17, "locked"), ("gesperrt", "locked")),
    ],
)
def test_lock_ends_after_locked_seconds(locked: Any, reason: str | None) -> None:
    assert state_of({"locked": locked}, locked_seconds=3_600, locked_values=("gesperrt",)).reason == reason


def test_state_is_changeable_only_if_understood() -> None:
    assert state_of({"must_change": 1}).changeable
    for row in ({"must_change": "ja"}, {"password_expires": "soon"}, {"must_change": 1, "password_expires": "soon"}):
        state = state_of(row)
        assert state.reason in ("must_change_password", "password_expired")
        assert not state.changeable


def test_unknown_value_is_described_in_one_short_line() -> None:
    (unknown,) = state_of({"active": "a\nb" * 99}).unknown
    assert unknown.column == "active_column"
    assert len(unknown.value) < 60
    assert "\n" not in unknown.value
    assert normalize(" Größe ") == "grösse"


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
def test_false_value_has_the_form_of_the_true_value(present: Any, written: Any) -> None:
    assert values.false_like(present) == written
    assert FlagValues().parse(values.false_like(present), NOW) is False


def test_false_value_is_the_configured_one() -> None:
    assert values.false_like("expired", ("current", "x")) == "current"
    assert values.false_like(7, ("3",)) == 3
    assert values.false_like("expired", ("null",)) is None
    assert values.false_like(True, ("current",)) is False


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize(
    "present", [None, 1_700_000_000, "2026-01-01 00:00:00", "20260101000000", b"20260101000000", NOW]
)
def test_time_has_the_form_of_the_previous_value(present: Any, dialect: str) -> None:
    written = values.time_in_form_of(present, NOW, dialect)
    assert parse_time(written) == NOW
    assert type(written) is type(present) or present is None or dialect == "sqlite"
