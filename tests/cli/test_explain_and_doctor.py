"""Tests of `linkauth explain` and `linkauth doctor`, which work without linkauth's own database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.simulator import people
from tests.conftest import ROOT
from tests.login.breached_file import write_breached_file

Ini = Callable[..., Path]


@pytest.fixture
def ini(tmp_path: Path, backend_plugins: Path) -> Ini:
    """`ini(**settings)` writes an ini with the backends of tests/backends. The next start creates its database."""

    def write(**changes: str) -> Path:
        text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
        text = text.replace("linkauth.backends = staff\n", "")
        lines = {"backends": "changing", "backend__changing__use": "changing", **changes}
        if "staff" not in lines["backends"]:
            text = re.sub(r"^linkauth\.backend\.staff\..*\n", "", text, flags=re.MULTILINE)
        if "backend__staff__query" in lines:
            text = re.sub(r"^linkauth\.backend\.staff\.(table|.*_columns?) .*\n", "", text, flags=re.MULTILINE)
        text += "".join(f"linkauth.{key.replace('__', '.')} = {value}\n" for key, value in lines.items())
        path = tmp_path / "linkauth.ini"
        path.write_text(text, "utf-8")
        return path

    return write


def linkauth(*arguments: Any, expect: int) -> list[str]:
    """Runs the command, checks its exit code and that it raised no exception, and returns its output lines."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == expect, result.output
    assert not re.search(r"[^\n\x20-\U0010ffff]", result.output)
    assert "Traceback" not in result.output
    return result.output.splitlines()


def test_explain_says_which_form_of_the_name_has_the_account(ini: Ini) -> None:
    typed = "ｆｉｎｅ-ａｄａ"
    assert linkauth("explain", ini(), f"\u200e{typed}", expect=0)[:3] == [
        "changing: may own the name",
        f"  found as fine-ada, which is another form of the typed name {typed}",
        "  subject: of fine-ada",
    ]
    assert linkauth("explain", ini(), "nobody-zoé", expect=1)[1] == "  no such account, also not as: nobody-zoe\\u0301"


def test_explain_shows_the_account_of_a_person(ini: Ini) -> None:
    assert linkauth("explain", ini(), " fine-ada ", expect=0) == [
        "changing: may own the name",
        "  subject: of fine-ada",
        "  username: fine-ada",
        "  name: A Name",
        "  email: a@example.com",
        "  groups: drivers, staff",
        "  flags: 512??[2J",
        "  expires: never",
        "  would be accepted with the right password",
        "sign-in: changing would check the password",
    ]


def test_explain_shows_why_a_person_would_be_refused(ini: Ini) -> None:
    output = linkauth("explain", ini(), "must-ada", expect=1)
    assert output[-2:] == [
        "  would be refused: must_change_password",
        "sign-in: changing would refuse it: must_change_password",
    ]


def test_an_unknown_account_state_is_refused(ini: Ini, tmp_path: Path) -> None:
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    path = ini(backends="staff changing")
    assert linkauth("explain", path, "ada", expect=0)[-1] == "sign-in: staff would check the password"
    with sqlite3.connect(tmp_path / "people.sqlite") as connection:
        connection.execute("UPDATE people SET active = 'pending' WHERE login = 'ada'")
    output = linkauth("explain", path, "ada", expect=1)
    assert "  active: pending (not understood)" in output
    assert output[-1] == "sign-in: staff would refuse it: disabled"
    (states,) = [line for line in linkauth("doctor", "--offline", path, expect=0) if "staff: states" in line]
    assert states.startswith("warning")
    assert "active_column 'pending' 1" in states
    # an account whose hash has an unsupported scheme is refused too
    output = linkauth("explain", ini(backends="staff changing", backend__staff__schemes="hex_md5"), "grace", expect=1)
    assert not [line for line in output if "accepted" in line]
    connection.close()


def test_explain_reports_an_unknown_name(ini: Ini) -> None:
    assert linkauth("explain", ini(), "ghost", expect=1) == [
        "changing: may own the name",
        "  no such account",
        "sign-in: no backend knows the name, so it would be refused",
    ]


TWO = {"backends": "first second", "backend__first__use": "changing", "backend__second__use": "changing"}


def test_the_first_backend_that_may_own_the_name_decides(ini: Ini) -> None:
    path = ini(**TWO, backend__first__accepts="*@emea.example.com CORP\\*")
    path.write_text(re.sub(r"^linkauth\.backend\.changing\..*\n", "", path.read_text("utf-8"), flags=re.MULTILINE))
    output = linkauth("explain", path, "fine-ada", expect=0)
    assert output[0] == "first: may not own the name (accepts *@emea.example.com CORP\\*)"
    assert "second: may own the name" in output
    assert output[-1] == "sign-in: second would check the password"
    down = linkauth("explain", path, "down-ada", expect=1)
    assert (
        down[-1]
        == "sign-in: second may own the name but is not available, so the sign-in would end with “try again later”"
    )
    assert "  unavailable: connection?[31m refused" in down
    assert "  unavailable: violated its contract: it raised RuntimeError" in linkauth(
        "explain", path, "crash-1", expect=1
    )


def test_an_unavailable_backend_ends_the_sign_in(ini: Ini) -> None:
    path = ini(**TWO)
    path.write_text(re.sub(r"^linkauth\.backend\.changing\..*\n", "", path.read_text("utf-8"), flags=re.MULTILINE))
    output = linkauth("explain", path, "down-ada", expect=1)
    assert output[-1].startswith("sign-in: first may own the name but is not available")


def test_a_name_of_several_accounts_is_not_told_as_an_outage(ini: Ini, tmp_path: Path) -> None:
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    connection = sqlite3.connect(tmp_path / "people.sqlite")
    with connection:
        connection.execute("ALTER TABLE people RENAME TO unique_people")
        connection.execute("CREATE TABLE people AS SELECT * FROM unique_people")
        connection.execute("UPDATE people SET login = 'grace'")
    connection.close()
    output = linkauth("explain", ini(backends="staff changing"), "grace", expect=1)
    assert any(line.startswith("  ambiguous: the name belongs to more than one row") for line in output)
    last = "sign-in: staff would refuse it with any password, because several accounts have the name"
    assert output[-1] == last


def test_a_backend_without_lookup_needs_the_password(ini: Ini, tmp_path: Path) -> None:
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    query = "SELECT id AS subject, password_hash AS password FROM people WHERE lower(login) = lower(:username)"
    no_lookup = {"backend__staff__query": query}
    output = linkauth("explain", ini(backends="staff changing", **no_lookup), "fine-ada", expect=1)
    assert output[:2] == ["staff: may own the name", "  this backend cannot look up an account without its password"]
    assert output[-1] == (
        "sign-in: staff would check the password; if the name is unknown there, changing would check the password"
    )
    output = linkauth("explain", ini(backends="staff changing", **no_lookup), "ada", expect=1)
    assert output[-1] == "sign-in: staff would check the password"
    # it does not matter after the backend that decides
    assert linkauth("explain", ini(backends="changing staff", **no_lookup), "fine-ada", expect=0)[-1] == (
        "sign-in: changing would check the password"
    )
    output = linkauth(
        "explain", ini(backends="staff changing", backend__staff__accepts="CORP\\*", **no_lookup), "fine-a", expect=0
    )
    assert output[-1] == "sign-in: changing would check the password"


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "n" * 255, "\udcff"])
def test_explain_rejects_a_name_that_a_sign_in_would_reject(ini: Ini, name: str) -> None:
    assert "254 characters" in linkauth("explain", ini(), name, expect=2)[-1]


def test_doctor_prints_a_line_for_each_check(ini: Ini, tmp_path: Path) -> None:
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    output = linkauth("doctor", "--offline", ini(backends="staff changing"), expect=0)
    assert [line for line in output if line.startswith("ok       staff: ")]
    assert [line for line in output if "changing: " in line] == [
        "ok       changing: connect: in 1 ms",
        "warning  changing: password: expires in 6 days",
    ]
    assert output[-1] == "1 warning(s)"


def test_doctor_reports_that_the_response_time_reveals_the_backend_of_a_name(ini: Ini, tmp_path: Path) -> None:
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    # the backend staff computes a hash for an unknown name
    output = linkauth("doctor", "--offline", ini(backends="changing staff"), expect=0)
    (order,) = [line for line in output if "backends: order: " in line]
    assert re.search(
        r"takes [0-9]+ ms for a name that changing knows and [0-9]+ ms for a name that no backend knows", order
    )
    owners = {"backend__changing__accepts": "*@a.example", "backend__staff__accepts": "*@b.example"}
    for settings in ({"backends": "changing"}, {"backends": "changing staff", **owners}):
        assert not [line for line in linkauth("doctor", "--offline", ini(**settings), expect=0) if "order: " in line]


def test_the_exit_code_is_1_if_a_check_fails(ini: Ini) -> None:
    output = linkauth("doctor", "--offline", ini(backends="staff changing"), expect=1)
    assert [line for line in output if line.startswith("FAILED   staff: ")]
    assert output[-1] == "1 failed, 1 warning(s)"


@pytest.mark.parametrize(
    ("failures", "mark", "code"), [("5", "warning", 0), ("500", "ok     ", 0), ("-1", "FAILED ", 1), ("0", None, 0)]
)
def test_the_throttle_is_compared_with_the_lockout(ini: Ini, failures: str, mark: str | None, code: int) -> None:
    output = linkauth("doctor", "--offline", ini(backend__changing__lockout_failures=failures), expect=code)
    marks = [line[:7] for line in output if "changing: lockout: " in line]
    assert marks == ([mark] if mark else [])
    if mark == "warning":
        assert "linkauth.throttle.account_failures = 4 would be safe" in output[2]


def test_a_backend_without_checks_gives_a_warning(ini: Ini) -> None:
    output = linkauth("doctor", "--offline", ini(backend__changing__use="outcomes"), expect=0)
    assert output[0] == "warning  changing: check: the backend has no checks"
    assert output[-1] == "1 warning(s)"


def test_the_file_of_leaked_passwords_is_checked(ini: Ini, tmp_path: Path) -> None:
    path = ini(breached_passwords=str(tmp_path / "leaked"))
    assert "FAILED   linkauth.breached_passwords: does not name a file" in linkauth(
        "doctor", "--offline", path, expect=1
    )
    write_breached_file(tmp_path / "leaked", ["one"])
    assert "ok       linkauth.breached_passwords: sorted SHA-1 hashes" in linkauth(
        "doctor", "--offline", path, expect=0
    )


@pytest.mark.parametrize("verb", [("doctor",), ("explain", "ada")])
def test_an_invalid_ini_file_is_reported_in_one_sentence(verb: tuple[str, ...], ini: Ini, tmp_path: Path) -> None:
    command, *name = verb
    assert "no such file" in linkauth(command, tmp_path / "none.ini", *name, expect=1)[0]
    path = ini(backend__changing__use="nothing")
    output = linkauth(command, path, *name, expect=1)
    assert "linkauth.backend.changing.use" in output[0]
