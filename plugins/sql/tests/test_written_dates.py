"""Tests of dates that are written as text, and of the setting `date_order`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from linkauth_sql import values
from linkauth_sql.flags import FlagValues
from linkauth_sql.times import DateOrder, InvalidTime, orders_of, parse_time

from .stores import SCHEMA, SQLiteStore
from .test_states import state_of

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
END_OF_DAY = datetime(2026, 12, 1, tzinfo=UTC)
ANY_ORDER = {
    "2026-11-30 12:00": NOON,
    "2026-11-30T12:00:00Z": NOON,
    "2026-11-30T13:00:00+01:00": NOON,
    "2026-11-30 12:00:00 UTC": NOON,
    "2026-11-30 07:30:00 -0430": NOON,
    "2026/11/30 12:00:00": NOON,
    "2026.11.30": END_OF_DAY,
    "2026-Nov-30": END_OF_DAY,
}
IN_ORDER: dict[DateOrder, dict[str, datetime]] = {
    "dmy": {
        "30.11.2026": END_OF_DAY,
        "30.11.2026 12:00": NOON,
        "30.11.2026, 12:00:00": NOON,
        "30/11/2026 12:00:00.000": NOON,
        "30-NOV-2026": END_OF_DAY,
        "30-11-2026T14:00:00+02": NOON,
        "3.4.2026": datetime(2026, 4, 4, tzinfo=UTC),
        "03/04/2026 12:30 AM": datetime(2026, 4, 3, 0, 30, tzinfo=UTC),
    },
    "mdy": {
        "11/30/2026": END_OF_DAY,
        "11/30/2026 12:00:00 PM": NOON,
        "11-30-2026 12:00 GMT": NOON,
        "03/04/2026": datetime(2026, 3, 5, tzinfo=UTC),
        "3/4/2026 1:05 pm": datetime(2026, 3, 4, 13, 5, tzinfo=UTC),
    },
}
NO_DATES = (
    *("30.11.26", "26.11.30", "31.11.2026", "30.11-2026", "30.2.2026", "0.11.2026", "30.13.2026", "30..2026"),
    *("30.11.2026 25:00", "30.11.2026 12", "30.11.2026 13:00 PM", "30.11.2026 0:00 AM", "30.11.2026 12:60"),
    *("30.11.2026 12:00 CET", "30.11.2026 12:00 +99", "30.Nvm.2026", "\u0663\u0660.11.2026", "30.11.2026 " + "1" * 99),
)


def test_dates_in_the_configured_order() -> None:
    for order in ("ymd", "dmy", "mdy"):
        for text, expected in (ANY_ORDER | IN_ORDER.get(order, {})).items():
            assert parse_time(text, order) == expected, (text, order)
            assert parse_time(text.encode(), order) == expected
    for order, dates in IN_ORDER.items():
        for text in dates:
            with pytest.raises(InvalidTime):
                parse_time(text)
            assert order in orders_of(text)
        for text in NO_DATES:
            with pytest.raises(InvalidTime):
                parse_time(text, order)
            assert orders_of(text) == ()


def test_states_read_dates_in_the_configured_order() -> None:
    past, future = "30.10.2026", "30.12.2026 12:00"
    assert state_of({"expires": past}, date_order="dmy").reason == "account_expired"
    assert state_of({"expires": future}, date_order="dmy").reason is None
    assert state_of({"locked_until": future}, date_order="dmy").reason == "locked"
    assert state_of({"active": 1, "disabled@deleted_at": past}, date_order="dmy").reason == "disabled"
    assert state_of({"active": past}, date_order="dmy").reason is None
    assert state_of({"locked": "25.11.2026 11:00"}, date_order="dmy", locked_seconds=1800).reason is None
    # in the wrong order, or without one, nobody gets in
    for order in ("ymd", "mdy"):
        state = state_of({"expires": future}, date_order=order)
        assert state.reason == "account_expired"
        assert state.unknown[0].advice == "a date in another order: set date_order = dmy"
    assert state_of({"expires": "03/04/2027"}).unknown[0].advice.endswith("date_order = dmy or mdy")
    assert FlagValues().parse(past, NOON) is None


def test_doctor_names_the_order_that_reads_the_dates(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "people.sqlite", SCHEMA.replace("active INT", "active INT, until TEXT"))
    for name, until in (
        ("a", "01.02.2099"),
        ("b", "28.02.2099 12:00"),
        ("c", "never"),
        ("d", None),
        ("e", "2099-01-01"),
    ):
        store.add(name, None, until=until)

    def states(**changes: Any) -> list[str]:
        backend = store.backend(expires_column="until", **changes)
        found = [check.detail for check in backend.check() if check.name == "states"]
        backend.close()
        return found

    (detail,) = states()
    assert detail.startswith("accounts refused because a value is not understood: 3: ")
    assert detail.endswith("; date_order = dmy reads the 2 of them that are dates")
    (detail,) = states(date_order="dmy")
    assert detail.startswith("accounts refused because a value is not understood: 1: expires_column 'never' 1 (")
    store.run("DELETE FROM people WHERE login <> 'a'")
    assert states()[0].endswith(
        "; 1 of them are dates: date_order = dmy if they begin with the day, or mdy with the month"
    )
    store.add("f", None, until="12/31/2099")
    store.add("g", None, until="31/12/2099")
    assert states()[0].endswith(
        "; 3 of them are dates, some with the day first and some with the month: convert them by an expression"
    )


def test_times_are_written_in_the_order_of_the_column() -> None:
    when = NOON + timedelta(hours=1)
    for present, order, written in (
        ("01.02.2026", "dmy", "30.11.2026"),
        (b"01/02/2026 10:00", "mdy", b"11/30/2026 13:00:00"),
        ("2026-01-02", "dmy", "2026-11-30 13:00:00"),
        ("", "dmy", "2026-11-30 13:00:00"),
        (date(2026, 1, 2), "dmy", when.date()),
    ):
        assert values.time_in_form_of(present, when, "sqlite", "timestamp", order) == written  # type: ignore[arg-type]
