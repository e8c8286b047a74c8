"""Tests of `linkauth sweep` on a server's database, with people in an SQL table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.cli.sweep import EXIT_CODES, AnotherSweep, Sweeper
from linkauth.login.leaver_sweep import SweepOptions
from linkauth.storage import LeaverSweeps
from tests.alexa import Alexa
from tests.cli.test_links import LinkauthApp
from tests.leavers.user_store import add_links, ended


def run(linkauth_app: LinkauthApp, *options: str, expect: int = 0) -> str:
    result = CliRunner().invoke(main, ["sweep", str(linkauth_app.ini), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == expect, result.output
    return result.output


def swept(linkauth_app: LinkauthApp, *options: str, expect: int = 0) -> dict[str, Any]:
    """Returns the report of each backend by name."""
    document = json.loads(run(linkauth_app, "--json", *options, expect=expect))
    return {report["backend"]: report for report in document["backends"]}


def write(linkauth_app: LinkauthApp, statement: str) -> None:
    people = sqlite3.connect(linkauth_app.folder / "people.sqlite")
    with people:
        people.execute(statement)
    people.close()


@pytest.fixture
def linkauth_app(make_app: Callable[..., Any]) -> LinkauthApp:
    return LinkauthApp(make_app())


def test_tokens_of_leavers_are_invalid_at_once(linkauth_app: LinkauthApp) -> None:
    ada, home = linkauth_app.link(), linkauth_app.link_by_code()
    grace, joerg = linkauth_app.link("grace", "hopper-1906"), linkauth_app.link("jörg", "müller größe 7")
    write(linkauth_app, "UPDATE people SET active = 0 WHERE login = 'ada'")
    write(linkauth_app, "DELETE FROM people WHERE login = 'grace'")
    report = swept(linkauth_app, "--max-share", "80")["staff"]
    assert (report["outcome"], report["links"]) == ("finished", 4)
    expected = {"people": 3, "present": 1, "ended": 3, "ended.disabled": 2, "ended.gone": 1}
    assert expected.items() <= report["counts"].items()
    assert [linkauth_app.is_active(token) for token in (ada, grace, joerg)] == [False, False, True]
    assert not linkauth_app.is_active(home["access_token"], "home", "the-home-clients-secret")
    form = {"grant_type": "refresh_token", "refresh_token": home["refresh_token"]}
    assert Alexa(linkauth_app.client).token(form).json["error"] == "invalid_grant"
    listed = {row["subject"]: row["end_reason"] for row in linkauth_app.list_links("--ended")}
    assert listed == {"1": "left: disabled", "2": "left: gone", "3": None}


def test_an_unknown_value_in_the_table_ends_nothing(linkauth_app: LinkauthApp) -> None:
    token = linkauth_app.link()
    write(linkauth_app, "UPDATE people SET active = 'perhaps'")
    report = swept(linkauth_app, "--max-share", "100")["staff"]
    assert (report["counts"]["doubtful"], report["counts"].get("leaving")) == (1, None)
    write(linkauth_app, "UPDATE people SET active = 1, password_hash = 'unusable'")
    assert swept(linkauth_app, "--max-share", "100")["staff"]["counts"]["doubtful"] == 1
    write(linkauth_app, "DROP TABLE people")
    assert swept(linkauth_app, expect=3)["staff"]["outcome"] == "unavailable"
    assert ended(linkauth_app.engine) == {}
    assert linkauth_app.is_active(token)


def test_too_many_leavers_end_nothing(linkauth_app: LinkauthApp) -> None:
    token = linkauth_app.link()
    write(linkauth_app, "DELETE FROM people")
    output = run(linkauth_app, expect=4)
    assert "staff: 1 of 1 links would end, 100.0 %, and --max-share is 5" in output
    assert linkauth_app.is_active(token)
    assert "1 links to end: gone" in run(linkauth_app, "--dry-run", "--max-share", "100")
    assert linkauth_app.is_active(token)
    assert "1 links ended: gone" in run(linkauth_app, "--max-share", "100")
    assert not linkauth_app.is_active(token)
    assert "there are no links" in run(linkauth_app)


def test_links_that_cannot_be_looked_up_are_reported_and_stay(
    make_app: Callable[..., Any], backend_plugins: object
) -> None:
    settings = {"backends": "staff plain mirror", "backend__plain__use": "outcomes"}
    mirror = {"use": "changing", "shadow": "true"}
    linkauth_app = LinkauthApp(make_app(**settings, **{f"backend__mirror__{key}": mirror[key] for key in mirror}))
    lines = ["backends = staff plain mirror", "backend.plain.use = outcomes"]
    lines += [f"backend.mirror.{key} = {value}" for key, value in mirror.items()]
    text = linkauth_app.ini.read_text("utf-8").replace("linkauth.backends = staff\n", "")
    text = text.replace("[app:main]\n", "[app:main]\n" + "".join(f"linkauth.{line}\n" for line in lines))
    linkauth_app.ini.write_text(text, "utf-8")
    for backend in ("staff", "plain", "mirror", "removed"):
        add_links(linkauth_app.engine, ["1"], backend)
    reports = swept(linkauth_app)
    outcomes = {name: report["outcome"] for name, report in reports.items()}
    assert outcomes == {
        "staff": "finished",
        "plain": "cannot_look_up",
        "mirror": "shadow",
        "removed": "unknown",
    }
    assert all(report["problem"] for name, report in reports.items() if name != "staff")
    assert ended(linkauth_app.engine) == {}
    assert list(swept(linkauth_app, "--backend", "staff")) == ["staff"]
    assert "no backend has the name removed" in run(linkauth_app, "--backend", "removed", expect=2)


def test_people_of_a_sign_in_provider_are_reported_and_stay(linkauth_app: LinkauthApp) -> None:
    add_links(linkauth_app.engine, ["1"], "corp-sso")
    settings: Any = SimpleNamespace(sign_ins=[SimpleNamespace(name="corp-sso")])
    storage = LeaverSweeps(linkauth_app.engine)
    (report,) = Sweeper(settings, (), storage, SweepOptions(), Event(), shows_progress=False).run(())
    assert (report.outcome, report.problem[:18]) == ("cannot_look_up", "a sign-in provider")
    assert ended(linkauth_app.engine) == {}


def test_another_sweep_has_its_own_exit_code(linkauth_app: LinkauthApp) -> None:
    linkauth_app.link()
    others = LeaverSweeps(linkauth_app.engine)
    assert others.take_lease() is None
    assert "another sweep is running: " in run(linkauth_app, expect=AnotherSweep.exit_code)
    others.give_lease_back()
    run(linkauth_app)
    # the command has given the lease back
    assert others.take_lease() is None


def test_reasons_that_pass_end_links_only_if_they_are_named(
    make_app: Callable[..., Any], backend_plugins: object
) -> None:
    linkauth_app = LinkauthApp(make_app(backends="staff changing", backend__changing__use="changing"))
    text = linkauth_app.ini.read_text("utf-8")
    text = text.replace("backends = staff", "backends = staff changing\nlinkauth.backend.changing.use = changing", 1)
    linkauth_app.ini.write_text(text, "utf-8")
    add_links(linkauth_app.engine, ["of must-a", "of fine-a"], "changing")
    report = swept(linkauth_app, "--max-share", "100")["changing"]
    assert report["counts"]["kept.must_change_password"] == 1
    assert ended(linkauth_app.engine) == {}
    swept(linkauth_app, "--max-share", "100", "--also", "must_change_password")
    assert ended(linkauth_app.engine) == {"of must-a": "left: must_change_password"}


@pytest.mark.parametrize("options", [("--max-share", "101"), ("--rate", "0"), ("--also", "disabled"), ("--jsn",)])
def test_wrong_options_are_reported(linkauth_app: LinkauthApp, options: tuple[str, ...]) -> None:
    run(linkauth_app, *options, expect=2)


def test_every_outcome_has_an_exit_code() -> None:
    assert set(EXIT_CODES) == {"finished", "unavailable", "interrupted", "stopped"}
    assert AnotherSweep.exit_code not in {0, 1, 2, *EXIT_CODES.values()}
