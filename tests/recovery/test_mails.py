"""Tests of a recovery with a real SMTP server: the code in the mail that arrives opens the page for a new password."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.mail.smtp_server import SMTPServer, running
from tests.recovery.visitor import NEW, Site


@pytest.fixture(scope="module")
def smtp_server() -> Iterator[SMTPServer]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def mailing_site(make_site: Callable[..., Site], smtp_server: SMTPServer) -> Site:
    return make_site(**{f"mail__{key}": str(value) for key, value in smtp_server.settings.items()})


@pytest.mark.parametrize("language", ["en", "ar", "ja"])
def test_code_from_the_mail_that_arrives_recovers_the_account(
    mailing_site: Site, smtp_server: SMTPServer, language: str
) -> None:
    before = len(smtp_server.mails)
    visitor = mailing_site.visitor(ui_locales=language)
    visitor.ask(f"ada-{language}")
    smtp_server.wait_for(before + 1)
    received = smtp_server.mails[-1]
    assert received.recipients == (f"ada-{language}@mail.example",)
    body = received.message.get_body(("plain",))
    assert body is not None
    (code,) = set(re.findall(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}\b", body.get_content()))
    assert code not in str(received.message["Subject"])
    assert f"ada-{language}" in body.get_content()
    visitor.enter(code)
    visitor.choose()
    visitor.linked()
    assert mailing_site.backend.password_of(f"ada-{language}") == NEW
    smtp_server.wait_for(before + 2)
    notice = smtp_server.mails[-1].message.get_body(("plain",))
    assert notice is not None
    assert code not in notice.get_content()


def test_mail_of_an_unknown_name_is_not_sent(mailing_site: Site, smtp_server: SMTPServer) -> None:
    before = len(smtp_server.mails)
    visitor = mailing_site.visitor()
    visitor.ask("nobody at all")
    visitor.ask("ghost-1@mail.example")
    visitor.ask("ada-after")
    # the mails are sent in order
    smtp_server.wait_for(before + 1)
    (received,) = smtp_server.mails[before:]
    assert received.recipients == ("ada-after@mail.example",)
    assert mailing_site.outcomes()[-3:-1] == ["nobody", "nobody"]
