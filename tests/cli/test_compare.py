"""Tests of `linkauth backends`, which lists backends and prints the results of comparing a shadow backend."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from linkauth.login.comparison import Comparison
from linkauth.oauth2.tokens import Link
from linkauth.storage import Comparisons, LinkStore, open_engine, upgrade
from tests.backends.shadow_app import SHADOW_SETTINGS
from tests.cli.test_explain_and_doctor import linkauth
from tests.conftest import ROOT

HOSTILE = "=cmd()\x1b[31m\n"
NOW = 1_700_000_000
Ini = Callable[..., Path]


@pytest.fixture
def ini(tmp_path: Path, backend_plugins: Path) -> Ini:
    """`ini(**settings)`: an ini file with a backend and one on trial; None leaves a setting out."""

    def write(**changes: str | None) -> Path:
        text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
        text = re.sub(r"^linkauth\.backends?[ .].*\n", "", text, flags=re.MULTILINE)
        settings = {key: value for key, value in {**SHADOW_SETTINGS, **changes}.items() if value is not None}
        text += "".join(f"linkauth.{key.replace('__', '.')} = {value}\n" for key, value in settings.items())
        path = tmp_path / "trial.ini"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.fixture
def comparisons(tmp_path: Path) -> Iterator[Comparisons]:
    """Comparisons in the database of `ini`: three people agree, and for one of them the subject differs."""
    engine = open_engine(f"sqlite:///{tmp_path}/linkauth.sqlite")
    upgrade(engine)
    comparisons = Comparisons(engine)
    with closing(LinkStore(engine)) as store:
        for number, outcome in enumerate(("agree", "agree", "agree", "wrong_password", "unknown", "unavailable")):
            same = number > 0 if outcome == "agree" else None
            comparisons.record(Comparison("trial", "corp", str(number), f"name {number}", outcome, same), NOW)
            store.create(Link("corp", str(number), f"name {number}", "alexa", (), "implicit", "en", NOW))
        comparisons.record(Comparison("trial", "corp", "hostile", HOSTILE, "locked"), NOW)
        store.create(Link("corp", "unseen", "somebody", "alexa", (), "implicit", "en", NOW))
        yield comparisons
    engine.dispose()


def rows(path: Path, *options: str) -> list[dict[str, Any]]:
    output = linkauth("backends", "compare", path, "--format", "json", *options, expect=0)
    result_rows: list[dict[str, Any]] = json.loads("\n".join(output))
    return result_rows


def test_backends_are_listed(ini: Ini) -> None:
    path = ini(backend__corp__accepts="*@corp.example CORP\\*")
    output = [line.split() for line in linkauth("backends", "list", path, expect=0)]
    assert output == [
        ["name", "use", "accepts", "offers", "shadow"],
        ["trial", "scripted", "*", "Lookup", "PasswordChange", "True"],
        ["corp", "scripted", "*@corp.example", "CORP\\*", "Lookup", "PasswordChange", "False"],
    ]
    listed = json.loads("\n".join(linkauth("backends", "list", path, "--format", "json", expect=0)))
    assert [(row["name"], row["shadow"]) for row in listed] == [("trial", True), ("corp", False)]


def test_people_are_counted_by_outcome(ini: Ini, comparisons: Comparisons) -> None:
    result_rows = rows(ini())
    assert {(row["shadow"], row["backend"]) for row in result_rows} == {("trial", "corp")}
    assert {(row["verdict"], row["outcome"]): row["people"] for row in result_rows} == {
        ("agree", "agree"): 3,
        ("disagree", "wrong_password"): 1,
        ("disagree", "unknown"): 1,
        ("disagree", "locked"): 1,
        ("unavailable", "unavailable"): 1,
        ("never_seen", ""): 1,
    }
    output = linkauth("backends", "compare", ini(), expect=0)
    assert output[0].split() == [
        *("shadow", "backend", "verdict", "outcome", "people", "same_subject", "asked", "unavailable")
    ]
    assert output[-1] == "if trial replaces corp under its name, at least 2 of 8 people keep their sub"
    sheet = "\n".join(linkauth("backends", "compare", ini(), "--format", "csv", expect=0))
    assert [int(row["people"]) for row in csv.DictReader(io.StringIO(sheet))] == [row["people"] for row in result_rows]


def test_people_with_another_outcome_are_listed(ini: Ini, comparisons: Comparisons) -> None:
    result_rows = {row["subject"]: row for row in rows(ini(), "--list")}
    assert {subject: row["outcome"] for subject, row in result_rows.items()} == {
        "0": "agree, but with another subject",
        "3": "wrong_password",
        "4": "unknown",
        "hostile": "locked",
    }
    assert result_rows["0"]["same_subject"] is False
    assert result_rows["3"]["username"] == "name 3"
    assert result_rows["3"]["compared_at"] == "2023-11-14T22:13:20Z"
    table = linkauth("backends", "compare", ini(), "--list", expect=0)
    assert len(table) == 5
    sheet = linkauth("backends", "compare", ini(), "--list", "--format", "csv", expect=0)
    names = [row["username"] for row in csv.DictReader(io.StringIO("\n".join(sheet)))]
    assert "'=cmd()?[31m?" in names


def test_people_who_were_never_compared_are_listed(ini: Ini, comparisons: Comparisons) -> None:
    assert rows(ini(), "--never-seen") == [
        {"shadow": "trial", "backend": "corp", "subject": "unseen", "username": "somebody"}
    ]
    assert "cannot be combined" in linkauth("backends", "compare", ini(), "--list", "--never-seen", expect=2)[-1]


def test_people_of_a_sign_in_provider_cannot_be_compared(
    ini: Ini, comparisons: Comparisons, provider_plugins: Path, tmp_path: Path
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/linkauth.sqlite")
    with closing(LinkStore(engine)) as store:
        store.create(Link("box", "7", "somebody", "alexa", (), "implicit", "en", NOW))
    engine.dispose()
    before = (rows(ini()), rows(ini(), "--never-seen"))
    path = ini(sign_ins="box", sign_in__box__use="mailbox", sign_in__box__match="own")
    assert {row["backend"] for row in before[0]} == {"corp", "box"}
    assert {row["backend"] for row in rows(path)} == {"corp"}
    assert rows(path, "--never-seen") == [row for row in before[1] if row["backend"] == "corp"]


def test_forget_deletes_the_comparisons_of_a_shadow(ini: Ini, comparisons: Comparisons) -> None:
    output = linkauth("backends", "forget", ini(), "trial", expect=1)
    assert any("Delete the comparisons with trial?" in line for line in output)
    assert len(comparisons.summary("trial")) == 5
    assert linkauth("backends", "forget", ini(), "trial", "--yes", expect=0) == ["7 comparison(s) deleted"]
    assert [(row["verdict"], row["people"]) for row in rows(ini())] == [("never_seen", 7)]


def test_forget_rejects_a_name_without_comparisons(ini: Ini, comparisons: Comparisons) -> None:
    output = linkauth("backends", "forget", ini(), "trail", "--yes", expect=1)
    assert output == ["Error: there are no comparisons with trail"]
    assert len(comparisons.summary("trial")) == 5
    # a shadow that was removed from the ini file is accepted, and so is a configured shadow without comparisons
    ini_without_shadow = ini(
        backends="corp", backend__trial__use=None, backend__trial__position=None, backend__trial__shadow=None
    )
    assert linkauth("backends", "forget", ini_without_shadow, "trial", "--yes", expect=0) == ["7 comparison(s) deleted"]
    assert linkauth("backends", "forget", ini(), "trial", "--yes", expect=0) == ["0 comparison(s) deleted"]


def test_compare_requires_a_shadow(ini: Ini, comparisons: Comparisons) -> None:
    output = linkauth("backends", "compare", ini(backend__trial__shadow="false"), expect=1)
    assert output == ["Error: no backend in the ini has shadow = true"]


def test_explain_marks_a_shadow_and_ignores_its_result(ini: Ini) -> None:
    output = linkauth("explain", ini(), "good.unknown", expect=0)
    assert output[:2] == ["trial (shadow): may own the name", "  no such account"]
    assert output[-1] == "sign-in: corp would check the password"
    # the shadow knows the account, but does not decide
    assert linkauth("explain", ini(), "unknown.good", expect=1)[-1] == (
        "sign-in: no backend knows the name, so it would be refused"
    )
    assert linkauth("explain", ini(), "good.down", expect=0)[-1] == "sign-in: corp would check the password"


def test_doctor_reports_a_failed_check_of_a_shadow_as_a_warning(ini: Ini) -> None:
    lines = linkauth("doctor", "--offline", ini(), expect=1)
    assert [*lines[:2], lines[-1]] == [
        "warning  trial (shadow): connect: down",
        "FAILED   corp: connect: down",
        "1 failed, 1 warning(s)",
    ]
