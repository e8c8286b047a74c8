"""Tests of the sweep of one backend: what it ends, what it reports, and how many links it never ends."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from linkauth.backends import Account, AmbiguousName, BackendMisconfigured, BackendUnavailable, Identity, WrongPassword
from linkauth.storage.tables import deny_list, leases, leaver_sweeps, leavers, links
from tests.leavers.user_store import Directory, Sweeper, add_links, ended

PEOPLE = [f"{number:03}" for number in range(100)]


def rows_left(engine: Engine) -> int:
    """Returns the number of rows that a finished sweep leaves behind."""
    with engine.connect() as connection:
        tables = (leaver_sweeps, leavers, leases)
        return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def test_links_of_leavers_end_with_the_reason(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE, per_person=2)
    directory.answers["010"] = None
    directory.refuse("disabled", "020")
    directory.refuse("account_expired", "030")
    directory.refuse("not_entitled", "040")
    directory.refuse("locked", "050")
    directory.refuse("disabled", "060", reasons=())
    report = sweep()
    assert ended(engine) == {
        "010": "left: gone",
        "020": "left: disabled",
        "030": "left: account_expired",
        "040": "left: not_entitled",
    }
    assert (report.outcome, report.links, report.resumed, report.problem) == ("finished", 200, False, "")
    counts = {"people": 100, "links": 200, "present": 94, "leaving": 8, "ended": 8, "kept.locked": 1, "doubtful": 1}
    assert counts.items() <= report.counts.items()
    assert report.counts["ended.gone"] == 2
    assert sweep.progress == 200
    assert rows_left(engine) == 0
    assert sweep().counts["people"] == 96


def test_nothing_ends_before_everybody_was_looked_up(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE)
    directory.answers["000"] = None
    ended_before_the_last: list[dict[str, str]] = []
    directory.before = lambda subject: subject == "099" and ended_before_the_last.append(ended(engine))
    sweep()
    assert ended_before_the_last[0] == {}
    assert ended(engine) == {"000": "left: gone"}


def test_one_link_too_many_ends_none(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE)
    directory.answers |= dict.fromkeys(PEOPLE[:6])
    report = sweep()
    assert report.outcome == "stopped"
    assert "6 of 100 links would end, 6.0 %, and --max-share is 5" in report.problem
    assert ended(engine) == {}
    # the next sweep trusts no finding of the stopped one
    del directory.answers[PEOPLE[0]]
    assert sweep().outcome == "finished"
    assert len(ended(engine)) == 5


def test_the_share_counts_links_and_not_people(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE[:90])
    add_links(engine, PEOPLE[90:91], per_person=10)
    directory.answers[PEOPLE[90]] = None
    assert sweep().outcome == "stopped"
    assert sweep(max_share=10).counts["ended"] == 10


def test_links_of_other_backends_stay(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE)
    add_links(engine, PEOPLE[:1], backend="staff")
    directory.answers[PEOPLE[0]] = None
    sweep()
    with engine.connect() as connection:
        backends = connection.execute(select(links.c.backend).where(links.c.ended_at.is_not(None))).scalars().all()
    assert backends == ["corp"]


def test_ended_links_change_the_deny_list(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    def version() -> int:
        with engine.connect() as connection:
            return connection.execute(select(deny_list.c.version)).scalar_one()

    add_links(engine, PEOPLE)
    before = version()
    sweep()
    assert version() == before
    directory.answers[PEOPLE[0]] = None
    sweep()
    assert version() == before + 1


def test_somebody_who_is_back_at_the_second_look_up_stays(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE)
    directory.answers["000"] = None
    # the look-ups reach the last person before the second look-up of the first one
    directory.before = lambda subject: subject == "099" and directory.answers.clear()
    report = sweep()
    assert (report.outcome, report.counts["returned"], ended(engine)) == ("finished", 1, {})
    assert rows_left(engine) == 0


@pytest.mark.parametrize(
    "failure",
    [
        BackendUnavailable("timeout"),
        BackendMisconfigured("the search base does not exist"),
        AmbiguousName("two entries"),
        WrongPassword(),
        RuntimeError("defect"),
        SystemExit(),
        Account(Identity("another", "x"), "disabled"),
        "no account",
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_failed_look_up_of_one_person_ends_nothing_of_theirs(
    engine: Engine, directory: Directory, sweep: Sweeper, failure: Any
) -> None:
    add_links(engine, PEOPLE)
    directory.answers |= {"050": failure, "060": None}
    report = sweep()
    assert (report.outcome, report.counts["doubtful"]) == ("finished", 1)
    assert ended(engine) == {"060": "left: gone"}


def test_a_dry_run_ends_and_stores_nothing(
    engine: Engine, directory: Directory, sweep: Sweeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "linkauth")
    add_links(engine, PEOPLE)
    directory.answers["010"] = None
    report = sweep(dry_run=True)
    assert (report.outcome, report.counts["leaving"], report.counts.get("ended")) == ("finished", 1, None)
    assert ended(engine) == {}
    assert rows_left(engine) == 0
    assert [line for line in caplog.messages if "link would end" in line and "left: gone" in line]
    assert sweep(dry_run=True, max_share=0.5).outcome == "stopped"


def test_every_ended_link_is_one_line_with_fields(
    engine: Engine, directory: Directory, sweep: Sweeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "linkauth")
    add_links(engine, PEOPLE)
    add_links(engine, PEOPLE[:1])
    directory.refuse("disabled", PEOPLE[0])
    sweep()
    found: list[Any] = [record.linkauth_event for record in caplog.records if hasattr(record, "linkauth_event")]  # type: ignore[attr-defined]
    lines = [fields for text, fields in found if text == "link ended"]
    assert len(lines) == 2
    expected = {"client": "alexa", "backend": "corp", "reason": "left: disabled"}
    assert all(expected.items() <= fields.items() for fields in lines)
    assert all(str(fields["name"]).startswith("hash:") for fields in lines)
    (summary,) = [fields for text, fields in found if text == "leaver sweep finished"]
    assert summary["ended"] == 2


def test_the_rate_bounds_the_look_ups(engine: Engine, directory: Directory, sweep: Sweeper) -> None:
    add_links(engine, PEOPLE)
    sweep(rate=1)
    # a test does not wait, so each look-up is due a second after the one before
    assert len(sweep.waits) == 100
    assert sweep.waits[-1] > 90
