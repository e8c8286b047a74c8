"""Tests of the delivery to real SMTP servers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkauth.mail.transport import MailDeferred, MailNotSent, RecipientRefused, ServerUnavailable
from linkauth.redaction import register_secret
from tests.mail.mails import ADA, CODE, outgoing, smtp
from tests.mail.smtp_server import NAME, PASSWORD, Security, SMTPServer, dripping, running, silent
from tests.servers.certificates import Certificates, Kind
from tests.servers.development_server import free_port


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("smtp") / "tls", "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def module_server() -> Iterator[SMTPServer]:
    with running() as server:
        yield server


@pytest.fixture
def server(module_server: SMTPServer) -> SMTPServer:
    """A server without TLS, whose record is empty."""
    module_server.mails.clear()
    module_server.commands.clear()
    module_server.logins.clear()
    return module_server


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_mail_is_delivered_with_each_security(security: Security, certificates: Certificates) -> None:
    with running(security, certificates) as server:
        smtp(server.settings).send(outgoing())
        (received,) = server.mails
    assert (received.sender, received.recipients) == ("no-reply@example.com", (ADA,))
    assert received.was_encrypted == (security != "none")
    assert received.login == NAME
    assert received.message["Message-ID"] == "<message-00000000000000000001@example.com>"
    text = received.message.get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines()[2:5] == ["7KQ4-MXRW", ".", "is valid for 15 minutes."]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("kind", ["expired", "foreign", "wrong_name"])
def test_nothing_is_sent_to_a_server_with_a_wrong_certificate(
    security: Security, kind: Kind, certificates: Certificates
) -> None:
    with running(security, certificates, kind=kind) as server, pytest.raises(ServerUnavailable) as failed:
        smtp(server.settings).send(outgoing())
    assert failed.value.misconfigured
    assert "linkauth.mail.tls_ca_file: the certificate of 127.0.0.1 port" in str(failed.value)
    assert (server.logins, server.commands, server.mails) == ([], [], [])


def test_nothing_is_sent_if_the_server_offers_no_starttls(server: SMTPServer) -> None:
    with pytest.raises(ServerUnavailable, match=r"linkauth\.mail\.security: .*STARTTLS") as failed:
        smtp(server.settings, security="starttls").send(outgoing())
    assert failed.value.misconfigured
    assert (server.logins, server.commands) == ([], [])


def test_tls_on_a_port_for_starttls_names_the_setting(server: SMTPServer) -> None:
    with pytest.raises(ServerUnavailable, match=r"linkauth\.mail\.security: .* may need starttls"):
        smtp(server.settings, security="tls").send(outgoing())


def test_a_wrong_password_is_tried_once_and_not_shown(server: SMTPServer) -> None:
    register_secret("another password 9")
    with pytest.raises(ServerUnavailable, match=r"linkauth\.mail\.username and linkauth\.mail\.password") as failed:
        smtp(server.settings, password="another password 9").send(outgoing())
    assert failed.value.misconfigured
    assert len(server.logins) == 1
    assert "another" not in str(failed.value) + failed.value.reply


def test_a_server_with_only_auth_login_is_supported() -> None:
    with running(auth_exclude_mechanism=["PLAIN"]) as server:
        smtp(server.settings).send(outgoing())
        assert server.logins == ["LOGIN"]
        assert server.mails[0].login == NAME


def test_a_server_without_a_login_is_reported() -> None:
    with running(auth_exclude_mechanism=["PLAIN", "LOGIN"]) as server:
        with pytest.raises(ServerUnavailable, match="offers no login") as failed:
            smtp(server.settings).send(outgoing())
        assert failed.value.misconfigured
        smtp(server.settings, username="", password="").send(outgoing())
        assert len(server.mails) == 1


def test_a_stopped_server_is_unavailable() -> None:
    with pytest.raises(ServerUnavailable, match=r"linkauth\.mail\.host: 127\.0\.0\.1 port \d+ failed") as failed:
        smtp({"host": "127.0.0.1", "port": free_port(), "security": "none"}).send(outgoing())
    assert not failed.value.misconfigured


def test_a_host_that_cannot_be_resolved_is_named() -> None:
    with pytest.raises(ServerUnavailable, match=r"linkauth\.mail\.host: smtp\.invalid cannot be resolved"):
        smtp({"host": "smtp.invalid", "port": 25, "security": "starttls"}).send(outgoing())


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_silent_server_ends_the_delivery_at_the_time_limit(security: Security) -> None:
    with silent() as port, pytest.raises(ServerUnavailable, match=r"\(linkauth\.mail\.timeout\)") as failed:
        smtp({"host": "127.0.0.1", "port": port, "security": security, "timeout": 1}).send(outgoing())
    assert ("needs linkauth.mail.security = tls" in str(failed.value)) == (security != "tls")


@pytest.mark.parametrize("beginning", [b"", b"220 slow\r\n", b"220 slow\r\n250-slow\r\n250-"])
def test_a_server_that_sends_one_letter_at_a_time_ends_the_delivery_at_the_time_limit(beginning: bytes) -> None:
    with dripping(beginning) as port, pytest.raises(ServerUnavailable, match=r"\(linkauth\.mail\.timeout\)"):
        smtp({"host": "127.0.0.1", "port": port, "security": "none", "timeout": 1}).send(outgoing())


def test_a_server_that_sends_without_end_ends_the_delivery() -> None:
    with dripping(b"220-x\r\n" * 200_000) as port, pytest.raises(ServerUnavailable, match="sends too much"):
        smtp({"host": "127.0.0.1", "port": port, "security": "none"}).send(outgoing())


@pytest.mark.parametrize("security", ["tls", "none"])
def test_a_running_delivery_can_be_ended_at_any_time(security: Security) -> None:
    with silent() as port:
        transport = smtp({"host": "127.0.0.1", "port": port, "security": security, "timeout": 300})
        # the delays end it at different steps; without its end the delivery would last 300 s
        for delay in (0, *(1 / 2**exponent for exponent in range(5, 15))):
            problems: list[MailNotSent] = []

            def send(problems: list[MailNotSent] = problems) -> None:
                try:
                    transport.send(outgoing())
                except MailNotSent as error:
                    problems.append(error)

            thread = threading.Thread(target=send)
            thread.start()
            thread.join(delay)
            while thread.is_alive():
                transport.abort()
                thread.join(0.01)
            assert isinstance(problems[0], ServerUnavailable)


@pytest.mark.parametrize("security", ["tls", "none"])
def test_a_delivery_that_is_ended_while_it_connects_sends_nothing(
    security: Security, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        transport = smtp({"host": "127.0.0.1", "port": port, "security": security, "timeout": 5})
        set_timeout = socket.socket.settimeout

        def end(connection: socket.socket, seconds: float) -> None:
            # the socket exists but is not connected, so that it cannot be shut down
            transport.abort()
            set_timeout(connection, seconds)

        with monkeypatch.context() as patched, pytest.raises(ServerUnavailable, match="the delivery was ended"):
            patched.setattr(socket.socket, "settimeout", end)
            transport.send(outgoing())
        with listener.accept()[0] as connection:
            assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("command", "reply", "expected"),
    [
        ("MAIL", "451 4.3.0 later", ServerUnavailable),
        ("MAIL", "550 5.7.1 not your domain", ServerUnavailable),
        ("RCPT", f"451 4.7.1 <{ADA}>: greylisted", MailDeferred),
        ("RCPT", f"550 5.1.1 <{ADA}>: no such user", RecipientRefused),
        ("RCPT", f"553 <{ADA}>", RecipientRefused),
        ("RCPT", f"554 5.7.1 <{ADA}>: relay access denied", MailDeferred),
        ("RCPT", "530 5.7.0 authentication required", MailDeferred),
        ("RCPT", "421 4.3.2 shutting down", ServerUnavailable),
        ("DATA", f"452 4.2.2 {ADA} is full", MailDeferred),
        ("DATA", f"554 5.6.0 spam: {CODE[:4]}-{CODE[4:]}", MailDeferred),
        ("DATA", "421 4.3.2 shutting down", ServerUnavailable),
    ],
)
def test_a_refusal_is_about_the_mail_the_recipient_or_the_server(
    server: SMTPServer, command: str, reply: str, expected: type[MailNotSent]
) -> None:
    server.replies[command].append(reply)
    with pytest.raises(MailNotSent) as failed:
        smtp(server.settings).send(outgoing())
    assert type(failed.value) is expected
    # the text of a reply may contain the address, or the whole mail
    assert reply[:3] in str(failed.value)
    assert ADA not in str(failed.value)
    assert CODE[:4] not in str(failed.value)
    assert server.mails == []
    smtp(server.settings).send(outgoing())
    assert len(server.mails) == 1


def test_a_refused_sender_names_the_setting(server: SMTPServer) -> None:
    server.replies["MAIL"].append("550 5.7.60 SMTP; Client does not have permissions to send as this sender")
    with pytest.raises(ServerUnavailable, match=r"linkauth\.mail\.sender: .*permissions") as failed:
        smtp(server.settings).send(outgoing())
    assert failed.value.misconfigured


def test_an_address_with_other_letters_than_ascii_needs_smtputf8(server: SMTPServer) -> None:
    smtp(server.settings).send(outgoing("ада@пример.example"))
    assert server.mails[0].recipients == ("ада@xn--e1afmkfd.example",)
    assert server.mails[0].message["To"] == "ада@xn--e1afmkfd.example"
    with running(enable_SMTPUTF8=False) as old_server:
        with pytest.raises(RecipientRefused, match="SMTPUTF8"):
            smtp(old_server.settings).send(outgoing("ада@пример.example"))
        # a domain in another script is sent as A-labels, which every server supports
        smtp(old_server.settings).send(outgoing("ada@пример.example"))
        assert old_server.mails[0].recipients == ("ada@xn--e1afmkfd.example",)


def test_the_reprs_contain_neither_the_password_nor_the_mail(server: SMTPServer) -> None:
    texts = repr(outgoing()) + repr(smtp(server.settings)._settings)
    assert PASSWORD not in texts
    assert ADA not in texts
    assert CODE[:4] not in texts


def test_a_ca_file_that_is_missing_is_reported(tmp_path: Path, server: SMTPServer) -> None:
    with pytest.raises(ValueError, match="tls_ca_file"):
        smtp(server.settings, security="tls", tls_ca_file=str(tmp_path / "missing.pem"))
