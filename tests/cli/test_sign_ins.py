"""Tests of `linkauth sign-ins`, and of what `linkauth doctor` and `client show` say about sign-in providers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.simulator import people
from tests.cli.client_command import fields, notes, show_client
from tests.conftest import ROOT

URL = "https://link.example.com/authorize/return"


@pytest.fixture(autouse=True)
def plugins(provider_plugins: Path) -> None:
    """Installs the provider `mailbox`."""


def ini(folder: Path, **changes: str) -> Path:
    """Writes testing.ini with the providers box and other; `__` stands for a dot in a key."""
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(folder))
    people.create(f"sqlite:///{folder}/people.sqlite")
    lines = {
        "sign_ins": "box other",
        "sign_in__box__use": "mailbox",
        "sign_in__box__match": "email:staff",
        "sign_in__other__use": "mailbox",
        "sign_in__other__match": "own",
        **changes,
    }
    given = {f"linkauth.{key.replace('__', '.')}" for key in lines}
    kept = [line for line in text.splitlines() if line.partition(" = ")[0] not in given]
    added = [f"linkauth.{key.replace('__', '.')} = {value}" for key, value in lines.items()]
    path = folder / "linkauth.ini"
    path.write_text("\n".join([*kept, *added, ""]), "utf-8")
    return path


def doctor(path: Path) -> list[tuple[str, str, str, str]]:
    """Returns (id, severity, subject, detail) of the findings about sign-in providers and settings."""
    result = CliRunner().invoke(main, ["doctor", "--offline", "--json", str(path)])
    rows = json.loads(result.stdout)["findings"]
    found = [(row["id"], row["severity"], row["subject"], row["detail"]) for row in rows]
    return [each for each in found if each[0].startswith(("sign_in", "settings"))]


def test_doctor_checks_each_provider_and_says_what_to_register(tmp_path: Path) -> None:
    assert doctor(ini(tmp_path)) == [
        ("sign_in.page", "ok", "box: page", "answers"),
        ("sign_in.registration", "ok", "linkauth.sign_in.box", f"register there: redirect URI = {URL}/box"),
        (
            "sign_in.match",
            "ok",
            "linkauth.sign_in.box.match",
            "people are the accounts of staff whose email address is the verified email address",
        ),
        ("sign_in.page", "ok", "other: page", "answers"),
        ("sign_in.registration", "ok", "linkauth.sign_in.other", f"register there: redirect URI = {URL}/other"),
        ("sign_in.match", "ok", "linkauth.sign_in.other.match", "people are accounts of their own: other:<subject>"),
    ]


def test_a_failed_check_and_a_violated_contract_are_reported_without_secrets(tmp_path: Path) -> None:
    secret = "canary-of-this-test"
    path = ini(
        tmp_path,
        sign_in__box__behaviour="down",
        sign_in__box__secret=secret,
        sign_in__other__behaviour="crash",
        sign_in__other__secret=secret,
    )
    failed = [finding for finding in doctor(path) if finding[1] == "failed"]
    assert failed == [
        ("sign_in.page", "failed", "box: page", "does not answer ***"),
        ("sign_in.check", "failed", "other: check", "violated its contract: it raised RuntimeError"),
    ]


def test_a_match_without_people_is_a_fault_as_at_the_start(tmp_path: Path) -> None:
    path = ini(tmp_path, backend__staff__email_column="none")
    path.write_text(path.read_text("utf-8").replace("linkauth.backend.staff.email_column = none\n", ""), "utf-8")
    ((identifier, severity, subject, detail),) = doctor(path)
    assert (identifier, severity, subject) == ("settings.invalid", "failed", "linkauth.sign_in.box.match")
    assert detail.startswith("names the backend staff, which cannot find people by their email address")
    # the wrong setting of a backend is the only fault
    path = ini(tmp_path, backend__staff__url="nosuch://x")
    assert [subject for _, severity, subject, _ in doctor(path) if severity == "failed"] == ["linkauth.backend.staff"]


def test_a_provider_that_nobody_can_use_is_a_warning(tmp_path: Path) -> None:
    clients = ("alexa", "other", "single", "expiring", "home", "app", "overlap")
    path = ini(tmp_path, **{f"client__{name}__sign_ins": "other" for name in clients})
    ((identifier, _, subject, _),) = [finding for finding in doctor(path) if finding[1] == "warning"]
    assert (identifier, subject) == ("sign_in.unused", "linkauth.sign_in.box")


def test_a_provider_that_refuses_apps_is_not_the_only_way(tmp_path: Path) -> None:
    only = {
        "sign_in__box__behaviour": "embedded",
        "client__alexa__sign_ins": "box",
        "client__alexa__password_form": "false",
        "client__home__sign_ins": "box",
    }
    ((identifier, severity, subject, detail),) = [each for each in doctor(ini(tmp_path, **only)) if each[1] != "ok"]
    assert (identifier, severity) == ("sign_in.embedded_browsers", "warning")
    assert subject == "linkauth.client.alexa.sign_ins"
    assert detail.startswith("is the only way to sign in, but box refuses browsers inside of apps")
    assert all(each[1] == "ok" for each in doctor(ini(tmp_path, **{**only, "client__alexa__sign_ins": "box other"})))


def test_the_list_of_providers(tmp_path: Path) -> None:
    path = ini(tmp_path, client__alexa__sign_ins="none", client__home__sign_ins="box")
    result = CliRunner().invoke(main, ["sign-ins", str(path), "--format", "json"])
    assert result.exit_code == 0, result.output
    box, other = json.loads(result.output)
    assert box == {
        "name": "box",
        "use": "mailbox",
        "match": "people are the accounts of staff whose email address is the verified email address",
        "clients": "other single expiring home app overlap",
        "redirect_uri": f"{URL}/box",
    }
    assert other["clients"] == "other single expiring app overlap"
    path = ini(tmp_path, sign_in__box__behaviour="unnamed")
    result = CliRunner().invoke(main, ["sign-ins", str(path)])
    assert result.exit_code == 1
    assert "linkauth.sign_in.box.label: is missing" in result.output


def test_the_domain_list_has_the_hosts_of_the_providers_of_a_client(tmp_path: Path) -> None:
    changes = {"sign_ins": "box", "sign_in__box__use": "mailbox", "sign_in__box__match": "own"}
    output = show_client(tmp_path, "rides", client__quiz__sign_ins="none", **changes).output
    assert "login.mailbox.example" in fields(output)["Domain List"]
    assert "login.mailbox.example: linkauth.sign_in.box" in notes(output)
    output = show_client(tmp_path, "quiz", client__quiz__sign_ins="none", **changes).output
    assert "login.mailbox.example" not in fields(output)["Domain List"]
    result = show_client(tmp_path, "rides", sign_in__box__behaviour="unopenable", **changes)
    assert result.exit_code == 1
    assert "linkauth.sign_in.box: cannot be opened" in result.output
