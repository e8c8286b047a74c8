"""Tests of `linkauth mail`, and of the checks of mails by `linkauth doctor`, with real SMTP servers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from linkauth.mail.message import Mail
from linkauth.mail.sink import sunk_mails
from linkauth.simulator import people
from linkauth.storage import open_engine
from linkauth.storage.mail_rows import INSERT_MAIL, MailRows
from tests.cli.test_keys import SECRET, run_command
from tests.conftest import ROOT
from tests.mail.smtp_server import PASSWORD, SMTPServer, running, silent
from tests.servers.certificates import Certificates
from tests.servers.development_server import free_port

ADA = "ada@example.com"
CODE = "7KQ4MXRW"


class Ini:
    """testing.ini with an empty database and other settings of mails. `path` is its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "linkauth.ini"
        text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(folder))
        self._lines = [line for line in text.splitlines() if not line.startswith("linkauth.mail.")]
        people.create(f"sqlite:///{folder}/people.sqlite")
        self.write({})
        run_command("db", "upgrade", self.path)

    def write(self, settings: dict[str, Any], **changes: str) -> None:
        added = [f"linkauth.mail.{key} = {value}" for key, value in settings.items()]
        added += [f"linkauth.{key} = {value}" for key, value in changes.items()]
        kept = [line for line in self._lines if line.partition(" = ")[0].removeprefix("linkauth.") not in changes]
        end = next(index for index, line in enumerate(kept) if line.startswith("linkauth.")) + 1
        self.path.write_text("\n".join([*kept[:end], *added, *kept[end:], ""]), "utf-8")

    def add(self, recipient: str = ADA, secret: str = SECRET, at: int | None = None) -> None:
        """Stores a mail in the outbox."""
        mail = Mail("recovery_code", recipient, "alexa", "de", ("ada",), CODE, 15)
        engine = open_engine(f"sqlite:///{self.folder}/linkauth.sqlite", for_operator=True)
        with engine.begin() as connection:
            connection.execute(INSERT_MAIL, MailRows(secret).waiting(mail, int(time.time()) if at is None else at))
        engine.dispose()


@pytest.fixture
def ini(tmp_path: Path) -> Ini:
    return Ini(tmp_path)


@pytest.fixture
def server() -> Iterator[SMTPServer]:
    with running() as started:
        yield started


def test_show_lists_mails_without_codes_and_whole_addresses(ini: Ini) -> None:
    ini.add()
    ini.add("")
    output = run_command("mail", ini.path)
    assert output.splitlines()[0].split() == ["id", "created_at", "kind", "recipient", "state", "attempts", "due_at"]
    assert "recovery_code  a…@example.com  waiting" in output
    assert output.splitlines()[-1] == "2 waiting; linkauth.mail.host is missing, so linkauth sends no mails"
    assert ADA not in output
    assert CODE not in output
    rows = json.loads(run_command("mail", "show", ini.path, "--format", "json", "--limit", "1"))
    assert [(row["recipient"], row["state"]) for row in rows] == [("", "waiting")]


def test_show_reports_mails_of_another_secret(ini: Ini) -> None:
    ini.add(secret="c4n4ry of another server, 32 characters")
    output = run_command("mail", "show", ini.path, expect=1)
    assert "linkauth.secret: cannot decrypt 1 mail(s)" in output


def test_send_sends_what_is_due_in_the_language_of_the_mail(ini: Ini, server: SMTPServer) -> None:
    ini.write(server.settings)
    ini.add()
    ini.add("")
    assert run_command("mail", "send", ini.path) == "1 sent, 1 nobody\n"
    (received,) = server.mails
    assert received.message["Content-Language"] == "de"
    assert f"{CODE[:4]}-{CODE[4:]}" in str(received.message.get_body(("plain",)))
    assert run_command("mail", "send", ini.path) == "no mail is due\n"
    assert "1 sent, 1 nobody; mails go to 127.0.0.1 port" in run_command("mail", ini.path)


def test_send_reports_a_server_that_refuses_linkauth(ini: Ini, server: SMTPServer) -> None:
    ini.write({**server.settings, "password": "wr0ng password"})
    ini.add()
    output = run_command("mail", "send", ini.path, expect=1)
    assert "refuses linkauth.mail.username and linkauth.mail.password: 535" in output
    assert "wr0ng" not in output
    assert "1 waiting" in run_command("mail", ini.path)


def test_a_test_mail_is_sent_in_a_language(ini: Ini, server: SMTPServer) -> None:
    ini.write(server.settings)
    assert run_command("mail", "test", ini.path, "--to", ADA).startswith(f"sent to {ADA}: ")
    run_command("mail", "test", ini.path, "--to", "ada@bücher.example", "--skill", "home", "--language", "ar")
    english, arabic = server.mails
    assert english.recipients == (ADA,)
    assert english.message["Content-Language"] == "en"
    assert arabic.recipients == ("ada@xn--bcher-kva.example",)
    html = arabic.message.get_body(("html",))
    assert html is not None
    assert 'dir="rtl"' in html.get_content()


def test_a_test_mail_is_written_to_the_folder(ini: Ini, tmp_path: Path) -> None:
    ini.write({"sink": tmp_path / "mails"}, public_url="http://127.0.0.1:6543")
    assert f"mails are written to {tmp_path}/mails" in run_command("mail", "test", ini.path, "--to", ADA)
    (mail,) = sunk_mails(str(tmp_path / "mails"))
    assert mail.to == ADA


def test_a_refused_test_mail_shows_the_reply_of_the_server(ini: Ini, server: SMTPServer) -> None:
    ini.write(server.settings)
    server.replies["RCPT"].append(f"550 5.1.1 <{ADA}>: nobody here")
    output = run_command("mail", "test", ini.path, "--to", ADA, expect=1)
    assert f"refuses the recipient: 550 5.1.1 (5.1.1 <{ADA}>: nobody here)" in output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--to", "ada"], "is not an email address"),
        (["--to", "ada@example.com\nBcc: eve@example.com"], "has characters before the @"),
        (["--to", ADA, "--skill", "missing"], "is not one of the clients"),
        ([], "--to"),
    ],
)
def test_wrong_arguments_are_refused(ini: Ini, server: SMTPServer, arguments: list[str], problem: str) -> None:
    ini.write(server.settings)
    assert problem in run_command("mail", "test", ini.path, *arguments, expect=2)


def test_without_settings_the_missing_one_is_named(ini: Ini) -> None:
    for arguments in (["test", ini.path, "--to", ADA], ["send", ini.path]):
        assert "linkauth.mail.host is missing" in run_command("mail", *arguments, expect=1)


def test_doctor_checks_each_step_and_sends_nothing(ini: Ini, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "tls", "127.0.0.1")
    with running("starttls", certificates) as server:
        ini.write(server.settings)
        output = run_command("doctor", "--offline", ini.path)
        assert (server.commands, server.mails) == (["MAIL"], [])
    for check in ("connection: 127.0.0.1 port", "EHLO: ", "login: accepted for mailer", "sender: no-reply@example.com"):
        assert f"ok       mail {check}" in output
    assert "mail TLS: TLSv1.3, the certificate is valid for 127.0.0.1" in output
    assert PASSWORD not in output


def test_doctor_names_the_setting_of_the_step_that_fails(ini: Ini, tmp_path: Path, server: SMTPServer) -> None:
    certificates = Certificates(tmp_path / "tls", "127.0.0.1")
    with running("tls", certificates, kind="expired") as expired:
        ini.write(expired.settings)
        assert "FAILED   mail: linkauth.mail.tls_ca_file" in run_command("doctor", "--offline", ini.path, expect=1)
    ini.write({**server.settings, "port": free_port()})
    assert "FAILED   mail: linkauth.mail.host: 127.0.0.1 port" in run_command("doctor", "--offline", ini.path, expect=1)
    ini.write({**server.settings, "password": "wr0ng"})
    assert "linkauth.mail.password: 535" in run_command("doctor", "--offline", ini.path, expect=1)
    ini.write(server.settings)
    server.replies["MAIL"].append("550 5.7.1 not yours")
    output = run_command("doctor", "--offline", ini.path, expect=1)
    assert "ok       mail login" in output
    assert "FAILED   mail: linkauth.mail.sender" in output
    with silent() as port:
        ini.write({**server.settings, "port": port, "timeout": 1})
        assert "(linkauth.mail.timeout)" in run_command("doctor", "--offline", ini.path, expect=1)


def test_doctor_warns_about_the_folder_and_about_mails_that_nobody_sends(ini: Ini, tmp_path: Path) -> None:
    ini.write({"sink": tmp_path / "mails"}, public_url="http://127.0.0.1:6543")
    ini.add(at=int(time.time()) - 1000)
    ini.add(secret="c4n4ry of another server, 32 characters")
    output = run_command("doctor", "--offline", ini.path)
    assert "warning  mail: mails are not sent, but written to" in output
    assert "mails: a mail is due since 100" in output
    assert "mails: 1 waiting mail(s) cannot be decrypted" in output
    (tmp_path / "file").touch()
    ini.write({"sink": tmp_path / "file"}, public_url="http://127.0.0.1:6543")
    assert "FAILED   mail: linkauth.mail.sink" in run_command("doctor", "--offline", ini.path, expect=1)
