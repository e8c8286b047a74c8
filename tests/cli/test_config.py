"""Tests of `linkauth config show`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from linkauth.cli import main
from linkauth.config.effective import GROUPS, SERVER_GROUP
from tests.conftest import ROOT
from tests.deployment.broken_settings import CANARY

SECRET = "7d8c6b1b5a2cd0f3a94e77c01b5a2cd0f3a9"
PASSWORD = "gr8h-oct0pus"
BASE = """[DEFAULT]
linkauth.database = sqlite:////srv/linkauth.sqlite
linkauth.sign_in_wait = 7

[app:base]
use = egg:linkauth
linkauth.service_name = Example Rides
linkauth.service_name.de = Beispiel Fahrten
linkauth.secret = file:{folder}/secret
linkauth.default_language = de
"""
INI = """[DEFAULT]
linkauth.sign_in_wait = 9

[app:main]
use = config:base.ini#base
linkauth.public_url = https://link.example.com
linkauth.default_language = fr
linkauth.previous_secrets = env:FORMER
  another former secret of this server
linkauth.backends = corp
linkauth.backend.corp.use = ldap
linkauth.backend.corp.preset = activedirectory
linkauth.backend.corp.uris = ldaps://dc1.example.com
    ldaps://dc2.example.com
linkauth.backend.corp.bind_dn = svc@example.com
linkauth.backend.corp.bind_password = env:DIRECTORY
linkauth.backend.corp.user_base = OU=People,DC=example,DC=com
linkauth.backend.corp.accepts = *@example.com
linkauth.clients = home
linkauth.client.home.name = Home
linkauth.client.home.grants = authorization_code
linkauth.client.home.secret = {secret}
linkauth.client.home.alexa_vendor_id = M2AAAAAAAAAAAA
linkauth.client.home.scopes = order_car
linkauth.scope.order_car = Order a taxi

[server:main]
use = egg:waitress#main
listen = 127.0.0.1:6543
"""


@pytest.fixture
def ini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ini file that includes another one, with values from files and environment variables."""
    monkeypatch.setenv("FORMER", "the former secret of this server, of 40 letters")
    monkeypatch.setenv("DIRECTORY", PASSWORD)
    monkeypatch.delenv("LINKAUTH_WORKERS", raising=False)
    (tmp_path / "secret").write_text(SECRET, "utf-8")
    (tmp_path / "base.ini").write_text(BASE.format(folder=tmp_path), "utf-8")
    path = tmp_path / "linkauth.ini"
    path.write_text(INI.format(secret=SECRET[::-1]), "utf-8")
    return path


def show(ini: Path, *options: str, expect: int = 0) -> str:
    result = CliRunner().invoke(main, ["config", "show", str(ini), *options])
    assert result.exit_code == expect, result.output
    return result.output


def test_each_setting_is_shown_with_its_value_and_origin(ini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKAUTH_WORKERS", "4")
    lines = show(ini).splitlines()
    file, base = ini, ini.with_name("base.ini")
    for expected in (
        f"linkauth.public_url = https://link.example.com  ({file}:6)",
        f"linkauth.default_language = fr  ({file}:7)",
        f"linkauth.sign_in_wait = 9  ({file}:2 [DEFAULT])",
        f"linkauth.database: set (sqlite:////srv/linkauth.sqlite)  ({base}:2 [DEFAULT])",
        f"linkauth.service_name = Example Rides  ({base}:7)",
        f"linkauth.service_name.de = Beispiel Fahrten  ({base}:8)",
        f"linkauth.secret: set  ({base}:9, file {ini.parent}/secret)",
        f"linkauth.previous_secrets: 2 set  ({file}:8, environment variable FORMER)",
        "linkauth.breached_passwords: not set  (default)",
        "linkauth.mail.host: not set  (default)",
        f"linkauth.backends = corp  ({file}:10)",
        f"linkauth.backend.corp.use = ldap  ({file}:11)",
        f"linkauth.backend.corp.uris = ldaps://dc1.example.com ldaps://dc2.example.com  ({file}:13)",
        f"linkauth.backend.corp.bind_password: set  ({file}:16, environment variable DIRECTORY)",
        "linkauth.backend.corp.subject_attribute = objectGUID  (preset activedirectory)",
        "linkauth.backend.corp.starttls = false  (default)",
        "linkauth.backend.corp.shadow = false  (default)",
        f"linkauth.backend.corp.accepts = *@example.com  ({file}:18)",
        f"linkauth.client.home.secret: set  ({file}:22)",
        f"linkauth.client.home.alexa_vendor_id = M2AAAAAAAAAAAA  ({file}:23)",
        "linkauth.client.home.refresh = stable  (platform alexa)",
        f"linkauth.scope.order_car = Order a taxi  ({file}:25)",
        "linkauth.theme = default  (default)",
        "linkauth.throttle.account_failures = 10  (default)",
        f"[server:main] listen = 127.0.0.1:6543  ({file}:29)",
        "[server:main] threads = 32  (default)",
        "LINKAUTH_WORKERS = 4  (environment)",
    ):
        assert expected in lines, expected
    assert [line for line in lines if line.startswith("# ")] == [
        f"# {title}" for title in (*dict(GROUPS), SERVER_GROUP)
    ]


def test_the_groups_are_those_of_production_ini() -> None:
    headings = re.findall("^# --- (.+) -+$", (ROOT / "production.ini").read_text("utf-8"), re.MULTILINE)
    assert [title.rstrip(" -") for title in headings][:-1] == [*dict(GROUPS), SERVER_GROUP]


def test_no_secret_is_shown(ini: Path) -> None:
    for options in ((), ("--json",)):
        output = show(ini, *options)
        for secret in (SECRET, SECRET[::-1], PASSWORD, "the former secret", "another former"):
            assert secret not in output


def test_json_has_the_same_settings(ini: Path) -> None:
    document: dict[str, Any] = json.loads(show(ini, "--json"))
    settings = {each["key"]: each for each in document["settings"]}
    assert document["findings"] == []
    assert settings["linkauth.secret"] == {
        "group": "this server",
        "key": "linkauth.secret",
        "value": None,
        "secret": "set",
        "source": "ini",
        "file": str(ini.with_name("base.ini")),
        "line": 9,
        "section": "app:base",
        "reference": f"file {ini.parent}/secret",
        "preset": None,
    }
    assert settings["linkauth.backend.corp.subject_attribute"]["preset"] == "preset activedirectory"
    assert settings["linkauth.backend.corp.shadow"]["source"] == "default"
    assert len(show(ini).splitlines()) == len(settings) + 2 * (len(GROUPS) + 1)


def test_wrong_settings_are_reported_as_by_doctor(ini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = ini.read_text("utf-8")
    for change, sentence in (
        (("sign_in_wait = 9", f"sign_in_wait = {CANARY}"), "FAILED   linkauth.sign_in_wait: is not a whole number"),
        (
            ("linkauth.clients", "linkauth.client"),
            "FAILED   linkauth.client: is not a known key; the nearest known key",
        ),
        (("listen =", "lisen ="), "FAILED   [server:main] lisen: is not a known key; the nearest known key is listen"),
        (("linkauth.clients", "clients"), "clients does not begin with linkauth. and has no effect"),
        (("#base", "#bse"), "[app:main] use: names [app:bse] of"),
    ):
        ini.write_text(text.replace(*change), "utf-8")
        reported = show(ini, expect=1)
        assert sentence in reported, reported
        assert CANARY not in reported
        assert reported.splitlines()[-1].endswith(" failed")
        failed = json.loads(show(ini, "--json", expect=1))["findings"]
        assert {each["severity"] for each in failed} == {"failed"}
        doctor = CliRunner().invoke(main, ["doctor", "--offline", str(ini)])
        assert sentence in doctor.output
    ini.write_text(text, "utf-8")
    monkeypatch.setenv("LINKAUTH_WORKERS", "0")
    sentence = "FAILED   LINKAUTH_WORKERS: (environment) must be the number of worker processes"
    assert sentence in show(ini, expect=1)
    assert sentence in CliRunner().invoke(main, ["doctor", "--offline", str(ini)]).output


def test_sign_in_providers_are_shown_without_their_secrets(ini: Path, provider_plugins: Path) -> None:
    lines = (
        *("sign_ins = box", "sign_in.box.use = mailbox", "sign_in.box.match = upn:username:corp"),
        *("sign_in.box.label = Mail", "sign_in.box.label.de = Post", f"sign_in.box.secret = {PASSWORD}"),
        *("client.home.second_factor = required", "second_factor.backends = corp", "client.home.sign_ins = none"),
    )
    added = "".join(f"linkauth.{line}\n" for line in lines)
    ini.write_text(ini.read_text("utf-8").replace("linkauth.clients =", f"{added}linkauth.clients ="), "utf-8")
    output = show(ini)
    assert PASSWORD not in output
    shown = [line.rpartition("  (")[0] for line in output.splitlines()]
    begin = shown.index("linkauth.sign_ins = box")
    assert sorted(shown[begin : begin + 11]) == sorted(
        [
            "linkauth.sign_ins = box",
            "linkauth.password_form = true",
            "linkauth.embedded_browsers: not set",
            "linkauth.sign_in.box.use = mailbox",
            "linkauth.sign_in.box.match = upn:username:corp",
            "linkauth.sign_in.box.label = Mail",
            "linkauth.sign_in.box.label.de = Post",
            "linkauth.sign_in.box.registration = false",
            "linkauth.sign_in.box.accept_hidden_locks = false",
            "linkauth.sign_in.box.behaviour: not set",
            "linkauth.sign_in.box.secret: set",
        ]
    )
    for expected in (
        "linkauth.passkeys = false",
        "linkauth.second_factor.backends = corp",
        "linkauth.second_factor.mail_codes = false",
        "linkauth.client.home.second_factor = required",
        "linkauth.client.home.sign_ins = none",
    ):
        assert expected in shown, expected
