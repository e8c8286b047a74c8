"""`linkauth links`: who has linked what, and ending it, while a server works on the same database."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import update
from webtest import TestApp

from linkauth.cli import main
from linkauth.services import services_of
from linkauth.storage import COLUMNS, LinkAdmin, LinkFilter
from linkauth.storage.tables import links
from tests.alexa import Alexa
from tests.conftest import ROOT, https

DAY = 86_400
NOW = 2_000_000_000
HOME = "https://layla.amazon.com/api/skill/link/M2HOME0000000"
HOSTILE = "=cmd|' /C calc'!A0\x1b[31m\nadmin,\u202e\"x\""


def linkauth(*arguments: str | Path, expect: int = 1) -> str:
    """What the command says; it must end with that code, and by no other exception than its own."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == expect, result.output
    return result.output


class Running:
    """An app that serves, and the ini of the same database for commands."""

    def __init__(self, app: Any) -> None:
        self.client: TestApp = https(app)
        self.engine = services_of(app.registry).engine
        self.link_admin = LinkAdmin(self.engine)
        self.folder = Path(self.engine.url.database).parent
        self.ini = self.folder / "linkauth.ini"
        text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(self.folder))
        self.ini.write_text(text, "utf-8")

    def link(self, username: str = "ada", password: str = "lovelace-1815") -> str:
        """Link by the implicit grant; the access token."""
        return Alexa(self.client).link(username, password)["access_token"]

    def home(self) -> Any:
        """Link by code; the token answer."""
        alexa = Alexa(self.client)
        alexa.parameters |= {"client_id": "home", "redirect_uri": HOME}
        form = {"grant_type": "authorization_code", "code": alexa.code(), "redirect_uri": HOME}
        return alexa.token(form).json

    def lives(self, token: str, client: str = "alexa", secret: str = "the alexa client's secret") -> bool:
        reported = Alexa(self.client).introspect(token, client, secret).json
        assert reported == {"active": False} or reported["active"] is True
        return bool(reported["active"])

    def listed(self, *options: str) -> list[dict[str, Any]]:
        output = linkauth("links", self.ini, "--format", "json", *options, expect=0)
        found: list[dict[str, Any]] = json.loads(output)
        return found


@pytest.fixture
def running(make_app: Callable[..., Any]) -> Running:
    return Running(make_app())


@pytest.fixture(scope="module")
def one_link(make_app: Callable[..., Any]) -> tuple[Running, str]:
    """A server with one link, and its token; for what must change nothing."""
    running = Running(make_app())
    return running, running.link()


def set_times(running: Running, link_id: int, **times: int) -> None:
    with running.engine.begin() as connection:
        connection.execute(update(links).where(links.c.id == link_id).values(**times))


def test_the_list_in_all_its_forms(running: Running) -> None:
    running.link()
    running.link("grace", "hopper-1906")
    table = linkauth("links", running.ini, expect=0).splitlines()
    assert [line.split()[:4] for line in table] == [
        ["id", "username", "client_id", "grant"],
        ["1", "ada", "alexa", "implicit"],
        ["2", "grace", "alexa", "implicit"],
    ]
    assert linkauth("links", "list", running.ini, expect=0).splitlines() == table
    assert linkauth("links", "--format", "table", running.ini, expect=0).splitlines() == table
    rows = list(csv.DictReader(io.StringIO(linkauth("links", running.ini, "--format", "csv", expect=0))))
    assert [row["username"] for row in rows] == ["ada", "grace"]
    assert set(rows[0]) == set(COLUMNS)
    found = running.listed()
    assert [row["subject"] for row in found] == ["1", "2"]
    assert (found[0]["backend"], found[0]["scope"], found[0]["locale"]) == ("staff", "order_car basic_profile", "en")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[0]["created_at"])
    assert found[0]["ended_at"] is None


def test_no_links_is_an_empty_list(running: Running) -> None:
    assert running.listed() == []
    assert linkauth("links", running.ini, expect=0).split()[:2] == ["id", "username"]


def test_choosing_by_person_and_skill(running: Running) -> None:
    for who in (("ada", "lovelace-1815"), ("grace", "hopper-1906"), ("jörg", "müller größe 7")):
        running.link(*who)
    running.home()
    assert [row["id"] for row in running.listed("--person", "ADA")] == [1, 4]
    assert [row["id"] for row in running.listed("--person", "JÖRG")] == [3]
    assert [row["id"] for row in running.listed("--person", "staff:2")] == [2]
    assert [row["id"] for row in running.listed("--skill", "home")] == [4]
    assert [row["id"] for row in running.listed("--skill", "alexa", "--person", "staff:1")] == [1]
    assert running.listed("--person", "nobody") == running.listed("--person", "") == []
    assert "no client and no link has that name" in linkauth("links", running.ini, "--skill", "hmoe", expect=2)


def test_choosing_by_age_and_use(running: Running) -> None:
    for _ in range(4):
        running.link()
    long_ago, lately = NOW - 40 * DAY, NOW - 2 * DAY
    set_times(running, 1, created_at=long_ago, last_used_at=lately)
    set_times(running, 2, created_at=long_ago, last_used_at=long_ago + DAY)
    set_times(running, 3, created_at=long_ago)
    set_times(running, 4, created_at=lately)
    month = NOW - 30 * DAY

    def chosen(**which: int) -> list[int]:
        return [row["id"] for row in running.link_admin.links(LinkFilter(**which))]

    assert chosen(created_before=month) == [1, 2, 3]
    with running.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tokens SET issued_at = ? WHERE link_id < 4", (long_ago,))
    assert chosen(unused_since=month) == [2, 3]
    assert [row["id"] for row in running.listed("--older-than", "36500")] == []


def test_a_link_that_is_refreshed_is_not_unused(running: Running) -> None:
    got = running.home()
    later = NOW + DAY
    with running.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE links SET created_at = 1, last_used_at = NULL")
        connection.exec_driver_sql("UPDATE tokens SET issued_at = 1")
    assert running.link_admin.count(LinkFilter(unused_since=1_000)) == 1
    form = {"grant_type": "refresh_token", "refresh_token": got["refresh_token"]}
    assert Alexa(running.client).token(form).status_int == 200
    assert running.link_admin.count(LinkFilter(unused_since=1_000)) == 0
    assert running.link_admin.count(LinkFilter(unused_since=later)) == 1


def test_ending_kills_the_tokens_at_once(running: Running) -> None:
    own_token, other = running.link(), running.link("grace", "hopper-1906")
    home = running.home()
    reason = "left the company"
    output = linkauth("links", "end", running.ini, "--person", "ada", "--reason", f" {reason} ", "--yes", expect=0)
    assert "2 link(s) ended" in output
    assert not running.lives(own_token)
    assert not running.lives(home["access_token"], "home", "the-home-clients-secret")
    assert running.lives(other)
    form = {"grant_type": "refresh_token", "refresh_token": home["refresh_token"]}
    assert Alexa(running.client).token(form).json["error"] == "invalid_grant"
    assert [row["username"] for row in running.listed()] == ["grace"]
    ended = [row for row in running.listed("--ended") if row["ended_at"]]
    assert [row["end_reason"] for row in ended] == [reason, reason]
    again = linkauth("links", "end", running.ini, "--person", "ada", "--reason", "once more", "--yes", expect=0)
    assert "0 link(s) ended" in again
    assert {row["end_reason"] for row in running.listed("--ended") if row["ended_at"]} == {reason}


def test_relinking_leaves_older_links_alone(running: Running) -> None:
    tokens = [running.link() for _ in range(3)]
    assert all(map(running.lives, tokens))
    assert running.link_admin.end(LinkFilter(person="ada"), "enough", NOW) == 3
    fresh = running.link()
    assert [running.lives(token) for token in (*tokens, fresh)] == [False, False, False, True]


def test_ending_by_skill_and_all(running: Running) -> None:
    echo, home = running.link(), running.home()
    linkauth("links", "end", running.ini, "--skill", "home", "--reason", "gone", "--yes", expect=0)
    assert running.lives(echo)
    assert not running.lives(home["access_token"], "home", "the-home-clients-secret")
    linkauth("links", "end", running.ini, "--all", "--reason", "the whole house", "--yes", expect=0)
    assert not running.lives(echo)


def test_a_skill_that_left_the_ini_can_be_ended(running: Running) -> None:
    running.link()
    with running.engine.begin() as connection:
        connection.execute(update(links).values(client_id="long-gone"))
    output = linkauth("links", "end", running.ini, "--skill", "long-gone", "--reason", "gone", "--yes", expect=0)
    assert "1 link(s) ended" in output


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--reason", "x", "--yes"], 2, "select links with"),
        (["--all", "--person", "ada", "--reason", "x", "--yes"], 2, "select links with"),
        (["--all", "--person", "", "--reason", "x", "--yes"], 2, "select links with"),
        (["--all", "--yes"], 2, "--reason"),
        (["--all", "--reason", " ", "--yes"], 2, "must be 1 to 255 characters"),
        (["--all", "--reason", "x" * 256, "--yes"], 2, "must be 1 to 255 characters"),
        (["--skill", "alxea", "--reason", "x", "--yes"], 2, "no client and no link has that name; clients: alexa"),
        (["--skill", "", "--reason", "x", "--yes"], 2, "no client and no link has that name"),
        (["--older-than", "0", "--reason", "x", "--yes"], 2, "--older-than"),
        (["--older-than", "-5", "--reason", "x", "--yes"], 2, "--older-than"),
        (["--unused-for", "a month", "--reason", "x", "--yes"], 2, "--unused-for"),
        (["--persn", "ada", "--reason", "x", "--yes"], 2, "--persn"),
        (["--all", "--reason", "x"], 1, "End 1 link(s)?"),
    ],
)
def test_bad_input_ends_nothing(one_link: tuple[Running, str], options: list[str], code: int, sentence: str) -> None:
    running, token = one_link
    assert sentence in linkauth("links", "end", running.ini, *options, expect=code)
    assert running.lives(token)


def test_an_empty_name_is_nobodys(one_link: tuple[Running, str]) -> None:
    running, token = one_link
    assert "0 link(s)" in linkauth("links", "end", running.ini, "--person", "", "--reason", "x", "--yes", expect=0)
    assert running.lives(token)


def test_a_database_that_is_not_there_is_said(running: Running, tmp_path: Path) -> None:
    text = running.ini.read_text("utf-8")
    running.ini.write_text(text.replace(f"{running.folder}/linkauth.sqlite", f"{tmp_path}/none.sqlite"), "utf-8")
    assert "linkauth.database: has no tables of linkauth yet" in linkauth("links", running.ini)
    (tmp_path / "none.sqlite").write_bytes(b"this is no database at all, but a text" * 100)
    assert "linkauth.database: cannot be opened" in linkauth("links", "end", running.ini, "--all", "--reason", "x")


def test_hostile_names_stay_text(running: Running) -> None:
    people = sqlite3.connect(running.folder / "people.sqlite")
    with people:
        people.execute("UPDATE people SET login = ? WHERE login = 'ada'", (HOSTILE,))
    people.close()
    running.link("ada@example.com")
    assert running.listed()[0]["username"] == HOSTILE
    table = linkauth("links", running.ini, expect=0)
    assert len(table.splitlines()) == 2
    sheet = linkauth("links", running.ini, "--format", "csv", expect=0)
    assert len(sheet.splitlines()) == 2
    for output in (table, sheet):
        assert not set("\x1b\u202e") & set(output)
    cell = next(csv.DictReader(io.StringIO(sheet)))["username"]
    assert cell == "'=cmd|' /C calc'!A0?[31m?admin,?\"x\""


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", " =1", "\t=1", "＝1"])
def test_no_cell_is_a_formula(one_link: tuple[Running, str], name: str) -> None:
    running, _ = one_link
    with running.engine.begin() as connection:
        connection.execute(update(links).values(username=name))
    output = linkauth("links", running.ini, "--format", "csv", expect=0)
    cell = next(csv.DictReader(io.StringIO(output)))["username"]
    assert not re.match(r"\s*[=+@＝-]", cell)


def test_a_reader_that_pauses_does_not_stop_the_server(running: Running) -> None:
    running.link()
    rows = running.link_admin.links(LinkFilter())
    assert next(rows)["username"] == "ada"
    # in the middle of the list: with SQLite, a transaction left open would keep this from being written
    assert running.lives(running.link("grace", "hopper-1906"))
    rows.close()  # type: ignore[attr-defined]


def test_a_list_longer_than_a_page_is_whole(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        running.link()
    monkeypatch.setattr("linkauth.storage.link_admin.BATCH_SIZE", 2)
    assert [row["id"] for row in running.link_admin.links(LinkFilter())] == [1, 2, 3]
    assert running.link_admin.count(LinkFilter()) == 3
