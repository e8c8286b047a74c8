"""Tests of `linkauth second-factor`, of doctor, and of `linkauth keys reseal` with stored second factors."""

from __future__ import annotations

import getpass
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from tests.conftest import ROOT
from tests.second_factor.browser import Site

SECRET_LINE = "linkauth.secret = only for tests, 32 characters or more"
OTHER_SECRET = "another secret for tests, 32 characters"


def linkauth(*arguments: str | Path, expect: int = 0) -> str:
    """Runs the command, checks its exit code and that it raised no exception, and returns its output."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == expect, result.output
    return result.output


@pytest.fixture
def ini(site: Site) -> Path:
    """The ini file of the site, for commands."""
    folder = Path(str(site.services.engine.url.database)).parent
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(folder))
    ini = folder / "linkauth.ini"
    asking = "linkauth.client.alexa.second_factor = required\n"
    ini.write_text(text.replace("linkauth.client.alexa.name", asking + "linkauth.client.alexa.name"), "utf-8")
    return ini


def change(ini: Path, **settings: str) -> None:
    lines = "".join(f"linkauth.{key} = {value}\n" for key, value in settings.items())
    ini.write_text(ini.read_text("utf-8").replace(SECRET_LINE + "\n", lines), "utf-8")


def test_list_counts_and_show_finds_a_person_by_every_name(site: Site, ini: Path) -> None:
    site.browser().enrol("ada")
    site.browser().enrol("grace")
    assert json.loads(linkauth("second-factor", ini, "--format", "json")) == [{"backend": "staff", "people": 2}]
    # the email address is another user name of the backend, and no name that linkauth has stored
    for name in ("ada", "ADA", "staff:1", "ada@example.com"):
        (found,) = json.loads(linkauth("second-factor", "show", ini, name, "--format", "json"))
        assert (found["backend"], found["subject"], found["username"], found["codes_left"]) == ("staff", "1", "ada", 10)
        assert found["enrolled_at"].endswith("Z")
        assert found["no_code_before_at"] is None
    assert "nobody of that name" in linkauth("second-factor", "show", ini, "konrad", expect=1)


def test_reset_asks_first_and_then_the_person_enrols_again(
    site: Site, ini: Path, caplog: pytest.LogCaptureFixture
) -> None:
    browser = site.browser().enrol("ada")
    assert linkauth("second-factor", "reset", ini, "ada", expect=1).startswith("Aborted!")
    assert browser.sign_in() == "second_factor"
    with caplog.at_level(logging.WARNING):
        output = linkauth("second-factor", "reset", ini, "ada", "--yes")
    assert output.startswith("staff:1: the second factor, recovery codes, passkeys and remembered devices are removed")
    (record,) = [each for each in caplog.records if each.getMessage().startswith("second factor removed")]
    assert f"operator={getpass.getuser()}" in record.getMessage()
    assert "nobody of that name" in linkauth("second-factor", "reset", ini, "ada", "--yes", expect=1)
    assert browser.sign_in() == "second_factor_setup"
    assert browser.set_up() == "recovery_codes"


def test_commands_that_cannot_read_a_secret_still_reset(site: Site, ini: Path) -> None:
    site.browser().enrol("ada")
    change(ini, secret=OTHER_SECRET)
    assert "staff:1" in linkauth("second-factor", "reset", ini, "ada", "--yes")


def test_doctor_and_reseal_follow_a_rotation_of_the_secret(site: Site, ini: Path) -> None:
    site.browser().enrol("ada")
    assert "1 people; asked for by alexa" in linkauth("doctor", "--offline", ini)
    change(ini, secret=OTHER_SECRET)
    assert "linkauth.secret cannot decrypt 1 of them" in linkauth("doctor", "--offline", ini, expect=1)
    rotating = f"linkauth.secret = {OTHER_SECRET}\n"
    text = ini.read_text("utf-8")
    ini.write_text(text.replace(rotating, f"{rotating}linkauth.previous_secrets = {_former()}\n"), "utf-8")
    assert "1 of them are not encrypted with every secret" in linkauth("doctor", "--offline", ini)
    assert "1 second factor(s) resealed" in linkauth("keys", "reseal", ini)
    ini.write_text(text, "utf-8")
    assert "also encrypted with a secret that is not in the ini file" in linkauth("doctor", "--offline", ini)
    assert "1 second factor(s) resealed" in linkauth("keys", "reseal", ini)
    assert "second factors: 1 people" in linkauth("doctor", "--offline", ini).replace("  ", " ")


def _former() -> str:
    return SECRET_LINE.partition(" = ")[2]


def test_doctor_says_that_settings_have_no_effect_if_nobody_is_asked(ini: Path) -> None:
    change(ini, secret=OTHER_SECRET, **{"second_factor.remember_days": "30"})
    problem = "no client has second_factor = optional or required"
    assert problem not in linkauth("doctor", "--offline", ini)
    asking = "linkauth.client.alexa.second_factor = required\n"
    ini.write_text(ini.read_text("utf-8").replace(asking, ""), "utf-8")
    assert problem in linkauth("doctor", "--offline", ini)


def test_doctor_says_for_whom_codes_by_mail_have_no_effect(
    make_site: Callable[..., Site], ini: Path, backend_plugins: Path
) -> None:
    text = ini.read_text("utf-8").replace("linkauth.backends = staff", "linkauth.backends = staff recovering")
    more = (
        "linkauth.backend.recovering.use = recovering",
        "linkauth.second_factor.mail_codes = true",
        "linkauth.mail.host = 127.0.0.1",
        "linkauth.mail.port = 1",
        "linkauth.mail.security = none",
        "linkauth.mail.sender = no-reply@example.com",
    )
    ini.write_text(text.replace(SECRET_LINE, "\n".join((SECRET_LINE, *more))), "utf-8")
    output = CliRunner().invoke(main, ["doctor", "--offline", str(ini)]).output
    assert "linkauth.second_factor.mail_codes" in output
    assert "has no effect for people of recovering" in output
