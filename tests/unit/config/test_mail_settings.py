"""Tests of the settings of mails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from linkauth.config.mail import MailSettings
from linkauth.config.plugins import settings_class
from linkauth.config.settings import Settings, SettingsError, read
from linkauth.redaction import redact
from tests.unit.config.test_settings import VALID

SMTP = {"mail.host": "smtp.example.com", "mail.sender": "Rides <no-reply@example.com>"}
LOOPBACK = {"public_url": "http://127.0.0.1:6543"}


def settings(keys: dict[str, str]) -> Settings:
    return read({**VALID, **{f"linkauth.{key}": value for key, value in keys.items()}}, settings_class)


def faults(keys: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        settings(keys)
    assert not any("s3cret" in problem for _, problem in refused.value.faults)
    return [key.removeprefix("linkauth.") for key, _ in refused.value.faults]


def test_without_settings_there_are_no_mails() -> None:
    assert settings({}).mail is None


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_depends_on_the_security(security: Any, port: int) -> None:
    assert MailSettings(security=security).server_port == port
    assert MailSettings(security=security, port=2525).server_port == 2525


def test_the_settings_of_a_server_are_read() -> None:
    keys = {"mail.username": "linkauth", "mail.password": "s3cret of mails", "mail.timeout": "5", "mail.port": "25"}
    mail = settings({**SMTP, **keys}).mail
    assert mail == MailSettings(
        "smtp.example.com",
        25,
        username="linkauth",
        password="s3cret of mails",
        sender="Rides <no-reply@example.com>",
        timeout=5,
    )
    assert mail.parsed_sender.name == "Rides"
    assert "s3cret" not in repr(settings({**SMTP, **keys}))
    assert redact("535 s3cret of mails") == "535 ***"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"mail.sender": "no-reply@example.com"}, "mail.host"),
        ({**SMTP, "mail.host": "smtp.example.com:587"}, "mail.host"),
        ({**SMTP, "mail.host": "smtp://smtp.example.com"}, "mail.host"),
        ({"mail.host": "smtp.example.com"}, "mail.sender"),
        ({**SMTP, "mail.sender": "Example Rides"}, "mail.sender"),
        ({**SMTP, "mail.sender": "Rides\nBcc: eve@example.com <a@example.com>"}, "mail.sender"),
        ({**SMTP, "mail.sender": "größe@example.com"}, "mail.sender"),
        ({**SMTP, "mail.security": "ssl"}, "mail.security"),
        ({**SMTP, "mail.security": "none"}, "mail.security"),
        ({**SMTP, "mail.security": "none", "mail.host": "127.0.0.1.example.com"}, "mail.security"),
        ({**SMTP, "mail.port": "0"}, "mail.port"),
        ({**SMTP, "mail.port": "65536"}, "mail.port"),
        ({**SMTP, "mail.timeout": "0"}, "mail.timeout"),
        ({**SMTP, "mail.timeout": "301"}, "mail.timeout"),
        ({**SMTP, "mail.username": "linkauth"}, "mail.password"),
        ({**SMTP, "mail.password": "s3cret"}, "mail.username"),
        ({**SMTP, "mail.username": "link\u200bauth", "mail.password": "s3cret"}, "mail.username"),
        ({**SMTP, "mail.username": "linkauth", "mail.password": "s3cret\u200b"}, "mail.password"),
        ({**SMTP, "mail.tls_ca_file": "/nonexistent/ca.pem"}, "mail.tls_ca_file"),
        ({**SMTP, "mail.tls_ca_file": __file__}, "mail.tls_ca_file"),
        ({**SMTP, **LOOPBACK, "mail.sink": "/tmp/mails"}, "mail.sink"),
        ({"mail.sink": "/tmp/mails"}, "mail.sink"),
        ({**LOOPBACK, "mail.sink": "mails"}, "mail.sink"),
        ({**SMTP, "mail.hots": "x"}, "mail.hots"),
    ],
)
def test_a_wrong_setting_is_named(keys: dict[str, str], expected: str) -> None:
    assert faults(keys) == [expected]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_clear_text_is_accepted_on_this_machine(host: str) -> None:
    mail = settings({**SMTP, "mail.host": host, "mail.security": "none"}).mail
    assert mail is not None
    assert mail.host == host


def test_a_folder_is_accepted_with_a_loopback_url(tmp_path: Path) -> None:
    mail = settings({**LOOPBACK, "mail.sink": str(tmp_path)}).mail
    assert mail is not None
    assert str(mail.parsed_sender.address) == "no-reply@localhost"
