"""Tests of what the log shows of names and addresses, and of `linkauth log hash`."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from linkauth import identities
from linkauth.cli import main
from linkauth.identities import HIDDEN, address_hash, name_hash, shown_address, shown_name
from linkauth.login.log_identities import show_identities
from tests.conftest import ROOT

SECRET = "only for tests, 32 characters or more"
DAY = date(2026, 11, 30)


@pytest.fixture(autouse=True)
def restored_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "_policy", identities._policy)
    monkeypatch.setattr(identities, "_canonical", identities._canonical)


def ini_file(folder: Path, *lines: str) -> Path:
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(folder))
    path = folder / "linkauth.ini"
    path.write_text(text.replace("[app:main]\n", "\n".join(["[app:main]", *lines, ""])), "utf-8")
    return path


def rows(*arguments: object, expect: int = 0) -> Any:
    result = CliRunner().invoke(main, ["log", "hash", *map(str, arguments), "--format", "json"])
    assert result.exit_code == expect, result.output
    return json.loads(result.stdout) if expect == 0 else result.output


def test_each_policy_shows_what_it_promises() -> None:
    identities.configure("full", SECRET)
    assert (shown_name("a.smith"), shown_address("198.51.100.7")) == ("a.smith", "198.51.100.7")
    identities.configure("none", SECRET)
    assert (shown_name("a.smith"), shown_address("198.51.100.7")) == (HIDDEN, HIDDEN)
    identities.configure("hashed", SECRET)
    assert "smith" not in shown_name("a.smith")
    assert "100" not in shown_address("198.51.100.7").removeprefix("hash:")[:3]


def test_all_typed_forms_of_a_name_have_one_hash_and_other_days_and_secrets_have_others() -> None:
    forms = ("José.Müller", "jose\u0301.mu\u0308ller", " JOSÉ.MÜLLER ", "\u200eｊosé.müller", "José.Müller\u2069")
    assert len({name_hash(form, SECRET, DAY) for form in forms}) == 1
    hashes = {name_hash("a", SECRET, DAY), name_hash("a", SECRET, date(2026, 12, 1)), name_hash("a", SECRET + "x", DAY)}
    # a name and an address that are the same text must not have the same hash either
    hashes |= {name_hash("b", SECRET, DAY), name_hash("192.0.2.1", SECRET, DAY), address_hash("192.0.2.1", SECRET, DAY)}
    assert len(hashes) == 6
    ipv6 = {address_hash(f"2001:db8::{end}", SECRET, DAY) for end in ("1", "ffff")}
    assert len(ipv6) == 1


def test_forms_of_a_telephone_number_have_one_hash(tmp_path: Path) -> None:
    ini = ini_file(tmp_path, "linkauth.backend.staff.username_form = phone", "linkauth.backend.staff.phone_region = DE")
    numbers = ("+49 1512 3456789", "015123456789", "01512/345 67 89", "００４９1512 3456789")
    assert len({rows(ini, number, "--date", "2026-11-30")[0]["value"] for number in numbers}) == 1


def test_log_hash_computes_what_the_log_of_a_day_contains(tmp_path: Path) -> None:
    former = "the former secret of these tests 7e91c2"
    ini = ini_file(tmp_path, f"linkauth.previous_secrets = {former}")
    found = rows(ini, "A.Smith", "--date", "2026-11-30", "--days", "2")
    assert [(row["date"], row["value"], row["secret"]) for row in found] == [
        ("2026-11-29", name_hash("a.smith", SECRET, date(2026, 11, 29)), "current"),
        ("2026-11-29", name_hash("a.smith", former, date(2026, 11, 29)), "previous 1"),
        ("2026-11-30", name_hash("a.smith", SECRET, DAY), "current"),
        ("2026-11-30", name_hash("a.smith", former, DAY), "previous 1"),
    ]
    # by default the hash of today, which this process would log now
    assert rows(ini, "a.smith")[0]["value"] == shown_name("A.SMITH")
    address = rows(ini, "192.0.2.1", "--date", "2026-11-30")[0]
    assert (address["field"], address["value"]) == ("address", address_hash("192.0.2.1", SECRET, DAY))


def test_log_hash_refuses_what_is_no_name_or_date_and_says_if_the_log_has_no_hashes(tmp_path: Path) -> None:
    ini = ini_file(tmp_path, "linkauth.log_identities = none")
    assert "NAME: must be 1 to 1024 characters" in rows(ini, " ", expect=2)
    assert "--date" in rows(ini, "ada", "--date", "yesterday", expect=2)
    assert "before the first date" in rows(ini, "ada", "--date", "0001-01-09", "--days", "9", expect=2)
    assert len(rows(ini, "ada", "--date", "0001-01-09", "--days", "8")) == 8
    assert "no such file" in rows(tmp_path / "missing.ini", "ada", expect=1)
    result = CliRunner().invoke(main, ["log", "hash", str(ini), "ada"])
    assert "now linkauth.log_identities = none: new lines contain no hash" in result.stderr


def test_an_unknown_policy_stops_the_start(tmp_path: Path) -> None:
    ini = ini_file(tmp_path, "linkauth.log_identities = plain")
    assert "linkauth.log_identities" in rows(ini, "ada", expect=1)


def test_a_command_for_operators_may_show_names_in_full(tmp_path: Path) -> None:
    from linkauth.cli.resources import load_settings

    settings = load_settings(str(ini_file(tmp_path)))
    assert shown_name("ada") != "ada"
    show_identities(settings, "full")
    assert shown_name("ada") == "ada"
