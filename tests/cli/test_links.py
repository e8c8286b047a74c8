"""Tests of `linkauth links`, which lists and ends links while a server uses the same database."""

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
    """Runs the command, checks its exit code and that it raised no exception, and returns its output."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == expect, result.output
    return result.output


class LinkauthApp:
    """An application, and an ini file with the same database for commands."""

    def __init__(self, app: Any) -> None:
        self.client: TestApp = https(app)
        self.engine = services_of(app.registry).engine
        self.link_admin = LinkAdmin(self.engine)
        self.folder = Path(self.engine.url.database).parent
        self.ini = self.folder / "linkauth.ini"
        text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(self.folder))
        self.ini.write_text(text, "utf-8")

    def link(self, username: str = "ada", password: str = "lovelace-1815") -> str:
        """Links by the implicit grant and returns the access token."""
        return Alexa(self.client).link(username, password)["access_token"]

    def link_by_code(self) -> Any:
        """Links by the authorization code grant and returns the token response."""
        alexa = Alexa(self.client)
        alexa.parameters |= {"client_id": "home", "redirect_uri": HOME}
        form = {"grant_type": "authorization_code", "code": alexa.code(), "redirect_uri": HOME}
        return alexa.token(form).json

    def is_active(self, token: str, client: str = "alexa", secret: str = "the alexa client's secret") -> bool:
        reported = Alexa(self.client).introspect(token, client, secret).json
        assert reported == {"active": False} or reported["active"] is True
        return bool(reported["active"])

    def list_links(self, *options: str) -> list[dict[str, Any]]:
        output = linkauth("links", self.ini, "--format", "json", *options, expect=0)
        found: list[dict[str, Any]] = json.loads(output)
        return found


@pytest.fixture
def linkauth_app(make_app: Callable[..., Any]) -> LinkauthApp:
    return LinkauthApp(make_app())


@pytest.fixture(scope="module")
def one_link(make_app: Callable[..., Any]) -> tuple[LinkauthApp, str]:
    """An application with one link and its access token, shared by tests that change nothing."""
    linkauth_app = LinkauthApp(make_app())
    return linkauth_app, linkauth_app.link()


def set_times(linkauth_app: LinkauthApp, link_id: int, **times: int) -> None:
    with linkauth_app.engine.begin() as connection:
        connection.execute(update(links).where(links.c.id == link_id).values(**times))


def test_links_are_listed_in_every_format(linkauth_app: LinkauthApp) -> None:
    linkauth_app.link()
    linkauth_app.link("grace", "hopper-1906")
    table = linkauth("links", linkauth_app.ini, expect=0).splitlines()
    assert [line.split()[:6] for line in table] == [
        ["id", "backend", "subject", "username", "client_id", "grant"],
        ["1", "staff", "1", "ada", "alexa", "implicit"],
        ["2", "staff", "2", "grace", "alexa", "implicit"],
    ]
    assert linkauth("links", "list", linkauth_app.ini, expect=0).splitlines() == table
    assert linkauth("links", "--format", "table", linkauth_app.ini, expect=0).splitlines() == table
    rows = list(csv.DictReader(io.StringIO(linkauth("links", linkauth_app.ini, "--format", "csv", expect=0))))
    assert [row["username"] for row in rows] == ["ada", "grace"]
    assert set(rows[0]) == set(COLUMNS)
    found = linkauth_app.list_links()
    assert [row["subject"] for row in found] == ["1", "2"]
    assert (found[0]["backend"], found[0]["scope"], found[0]["locale"]) == ("staff", "order_car basic_profile", "en")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[0]["created_at"])
    assert found[0]["ended_at"] is None


def test_no_links_is_an_empty_list(linkauth_app: LinkauthApp) -> None:
    assert linkauth_app.list_links() == []
    assert linkauth("links", linkauth_app.ini, expect=0).split()[:2] == ["id", "backend"]


def test_links_are_selected_by_person_and_skill(linkauth_app: LinkauthApp) -> None:
    for who in (("ada", "lovelace-1815"), ("grace", "hopper-1906"), ("jörg", "müller größe 7")):
        linkauth_app.link(*who)
    linkauth_app.link_by_code()
    assert [row["id"] for row in linkauth_app.list_links("--person", "ADA")] == [1, 4]
    assert [row["id"] for row in linkauth_app.list_links("--person", "JÖRG")] == [3]
    assert [row["id"] for row in linkauth_app.list_links("--person", "staff:2")] == [2]
    assert [row["id"] for row in linkauth_app.list_links("--skill", "home")] == [4]
    assert [row["id"] for row in linkauth_app.list_links("--skill", "alexa", "--person", "staff:1")] == [1]
    assert linkauth_app.list_links("--person", "nobody") == linkauth_app.list_links("--person", "") == []
    assert "no client and no link has that name" in linkauth("links", linkauth_app.ini, "--skill", "hmoe", expect=2)


def test_links_are_selected_by_age_and_last_use(linkauth_app: LinkauthApp) -> None:
    for _ in range(4):
        linkauth_app.link()
    long_ago, lately = NOW - 40 * DAY, NOW - 2 * DAY
    set_times(linkauth_app, 1, created_at=long_ago, last_used_at=lately)
    set_times(linkauth_app, 2, created_at=long_ago, last_used_at=long_ago + DAY)
    set_times(linkauth_app, 3, created_at=long_ago)
    set_times(linkauth_app, 4, created_at=lately)
    month = NOW - 30 * DAY

    def selected_ids(**conditions: int) -> list[int]:
        return [row["id"] for row in linkauth_app.link_admin.links(LinkFilter(**conditions))]

    assert selected_ids(created_before=month) == [1, 2, 3]
    with linkauth_app.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tokens SET issued_at = ? WHERE link_id < 4", (long_ago,))
    assert selected_ids(unused_since=month) == [2, 3]
    assert [row["id"] for row in linkauth_app.list_links("--older-than", "36500")] == []


def test_a_refresh_counts_as_use_of_a_link(linkauth_app: LinkauthApp) -> None:
    token_response = linkauth_app.link_by_code()
    later = NOW + DAY
    with linkauth_app.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE links SET created_at = 1, last_used_at = NULL")
        connection.exec_driver_sql("UPDATE tokens SET issued_at = 1")
    assert linkauth_app.link_admin.count(LinkFilter(unused_since=1_000)) == 1
    form = {"grant_type": "refresh_token", "refresh_token": token_response["refresh_token"]}
    assert Alexa(linkauth_app.client).token(form).status_int == 200
    assert linkauth_app.link_admin.count(LinkFilter(unused_since=1_000)) == 0
    assert linkauth_app.link_admin.count(LinkFilter(unused_since=later)) == 1


def test_ending_a_link_invalidates_its_tokens_at_once(linkauth_app: LinkauthApp) -> None:
    own_token, others_token = linkauth_app.link(), linkauth_app.link("grace", "hopper-1906")
    home_tokens = linkauth_app.link_by_code()
    reason = "left the company"
    output = linkauth("links", "end", linkauth_app.ini, "--person", "ada", "--reason", f" {reason} ", "--yes", expect=0)
    assert "2 link(s) ended" in output
    assert not linkauth_app.is_active(own_token)
    assert not linkauth_app.is_active(home_tokens["access_token"], "home", "the-home-clients-secret")
    assert linkauth_app.is_active(others_token)
    form = {"grant_type": "refresh_token", "refresh_token": home_tokens["refresh_token"]}
    assert Alexa(linkauth_app.client).token(form).json["error"] == "invalid_grant"
    assert [row["username"] for row in linkauth_app.list_links()] == ["grace"]
    ended = [row for row in linkauth_app.list_links("--ended") if row["ended_at"]]
    assert [row["end_reason"] for row in ended] == [reason, reason]
    second_output = linkauth(
        "links", "end", linkauth_app.ini, "--person", "ada", "--reason", "once more", "--yes", expect=0
    )
    assert "0 link(s) ended" in second_output
    assert {row["end_reason"] for row in linkauth_app.list_links("--ended") if row["ended_at"]} == {reason}


def test_linking_again_leaves_older_links_unchanged(linkauth_app: LinkauthApp) -> None:
    tokens = [linkauth_app.link() for _ in range(3)]
    assert all(map(linkauth_app.is_active, tokens))
    assert linkauth_app.link_admin.end(LinkFilter(person="ada"), "enough", NOW) == 3
    new_token = linkauth_app.link()
    assert [linkauth_app.is_active(token) for token in (*tokens, new_token)] == [False, False, False, True]


def test_links_are_ended_by_skill_and_with_all(linkauth_app: LinkauthApp) -> None:
    echo, home_tokens = linkauth_app.link(), linkauth_app.link_by_code()
    linkauth("links", "end", linkauth_app.ini, "--skill", "home", "--reason", "gone", "--yes", expect=0)
    assert linkauth_app.is_active(echo)
    assert not linkauth_app.is_active(home_tokens["access_token"], "home", "the-home-clients-secret")
    linkauth("links", "end", linkauth_app.ini, "--all", "--reason", "the whole house", "--yes", expect=0)
    assert not linkauth_app.is_active(echo)


def test_links_of_a_client_that_was_removed_from_the_ini_can_be_ended(linkauth_app: LinkauthApp) -> None:
    linkauth_app.link()
    with linkauth_app.engine.begin() as connection:
        connection.execute(update(links).values(client_id="long-gone"))
    output = linkauth("links", "end", linkauth_app.ini, "--skill", "long-gone", "--reason", "gone", "--yes", expect=0)
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
def test_invalid_options_end_no_link(
    one_link: tuple[LinkauthApp, str], options: list[str], code: int, sentence: str
) -> None:
    linkauth_app, token = one_link
    assert sentence in linkauth("links", "end", linkauth_app.ini, *options, expect=code)
    assert linkauth_app.is_active(token)


def test_an_empty_person_selects_no_link(one_link: tuple[LinkauthApp, str]) -> None:
    linkauth_app, token = one_link
    assert "0 link(s)" in linkauth("links", "end", linkauth_app.ini, "--person", "", "--reason", "x", "--yes", expect=0)
    assert linkauth_app.is_active(token)


def test_a_missing_or_invalid_database_is_reported(linkauth_app: LinkauthApp, tmp_path: Path) -> None:
    text = linkauth_app.ini.read_text("utf-8")
    linkauth_app.ini.write_text(
        text.replace(f"{linkauth_app.folder}/linkauth.sqlite", f"{tmp_path}/none.sqlite"), "utf-8"
    )
    assert "linkauth.database: has no linkauth tables" in linkauth("links", linkauth_app.ini)
    (tmp_path / "none.sqlite").write_bytes(b"this is no database at all, but a text" * 100)
    assert "linkauth.database: cannot be opened" in linkauth("links", "end", linkauth_app.ini, "--all", "--reason", "x")


def test_a_hostile_user_name_is_escaped_in_every_format(linkauth_app: LinkauthApp) -> None:
    people = sqlite3.connect(linkauth_app.folder / "people.sqlite")
    with people:
        people.execute("UPDATE people SET login = ? WHERE login = 'ada'", (HOSTILE,))
    people.close()
    linkauth_app.link("ada@example.com")
    assert linkauth_app.list_links()[0]["username"] == HOSTILE
    table = linkauth("links", linkauth_app.ini, expect=0)
    assert len(table.splitlines()) == 2
    sheet = linkauth("links", linkauth_app.ini, "--format", "csv", expect=0)
    assert len(sheet.splitlines()) == 2
    for output in (table, sheet):
        assert not set("\x1b\u202e") & set(output)
    cell = next(csv.DictReader(io.StringIO(sheet)))["username"]
    assert cell == "'=cmd|' /C calc'!A0?[31m?admin,?\"x\""


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", " =1", "\t=1", "＝1"])
def test_no_csv_cell_is_a_formula(one_link: tuple[LinkauthApp, str], name: str) -> None:
    linkauth_app, _ = one_link
    with linkauth_app.engine.begin() as connection:
        connection.execute(update(links).values(username=name))
    output = linkauth("links", linkauth_app.ini, "--format", "csv", expect=0)
    cell = next(csv.DictReader(io.StringIO(output)))["username"]
    assert not re.match(r"\s*[=+@＝-]", cell)


def test_a_list_that_is_read_slowly_does_not_block_the_server(linkauth_app: LinkauthApp) -> None:
    linkauth_app.link()
    rows = linkauth_app.link_admin.links(LinkFilter())
    assert next(rows)["username"] == "ada"
    # the list is not read to its end: an open transaction would block this write in SQLite
    assert linkauth_app.is_active(linkauth_app.link("grace", "hopper-1906"))
    rows.close()  # type: ignore[attr-defined]


def test_a_list_that_is_longer_than_one_page_is_complete(
    linkauth_app: LinkauthApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        linkauth_app.link()
    monkeypatch.setattr("linkauth.storage.link_admin.BATCH_SIZE", 2)
    assert [row["id"] for row in linkauth_app.link_admin.links(LinkFilter())] == [1, 2, 3]
    assert linkauth_app.link_admin.count(LinkFilter()) == 3
