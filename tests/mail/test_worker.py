"""Tests of the worker with real SMTP servers and databases: each mail is sent once, also after outages."""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from linkauth.mail.message import Mail
from linkauth.mail.transport import ServerUnavailable
from linkauth.mail.worker import LIFETIME_SECONDS, Intervals, Worker
from linkauth.storage import OutboxStore
from tests.mail.mails import ADA, CODE, NOW, SECRET, Post, mail, smtp
from tests.mail.smtp_server import SMTPServer
from tests.servers.development_server import free_port

MakeWorker = Callable[..., Worker]


def subjects(server: SMTPServer) -> Counter[str]:
    return Counter(received.message["Subject"] for received in server.mails)


def test_a_stored_mail_is_sent_when_the_worker_wakes(post: Post, server: SMTPServer, make_worker: MakeWorker) -> None:
    # the worker would look into the outbox only after an hour
    worker = make_worker(post.outbox, smtp(server.settings), Intervals(poll=3600))
    worker.start()
    for number in (1, 2):
        post.add(mail(names=(f"ada{number}",)))
        worker.wake()
        assert len(server.wait_for(number)) == number
    (first, _) = post.wait_for_outcomes("sent", "sent")
    assert (first.sealed, first.attempts) == (None, 1)
    assert server.mails[0].recipients == (ADA,)


def test_mails_that_a_former_process_left_are_sent(post: Post, server: SMTPServer, make_worker: MakeWorker) -> None:
    post.add(mail(), mail())
    # this process ended while it sent the first mail
    assert post.outbox.claim(int(time.time()), 0)
    make_worker(post.outbox, smtp(server.settings)).start()
    post.wait_for_outcomes("sent", "sent")
    assert len(server.mails) == 2


def test_several_workers_send_each_mail_once(post: Post, server: SMTPServer, make_worker: MakeWorker) -> None:
    post.add(*(mail(names=(f"ada{number}",)) for number in range(30)))
    with closing(OutboxStore(post.engine, SECRET)) as other:
        workers = [make_worker(outbox, smtp(server.settings)) for outbox in (post.outbox, other)]
        for worker in workers:
            worker.start()
        post.wait_for_outcomes(*["sent"] * 30)
        for worker in workers:
            worker.close()
    assert subjects(server) == {f"Your code for ada{number}": 1 for number in range(30)}


def test_mails_are_sent_once_after_the_server_was_stopped(sqlite_post: Post, make_worker: MakeWorker) -> None:
    server = SMTPServer()
    worker = make_worker(sqlite_post.outbox, smtp(server.settings))
    for number in range(3):
        sqlite_post.add(mail(names=(f"ada{number}",)))
        worker.wake()
    sqlite_post.wait_until(lambda rows: sum(row.attempts for row in rows) >= 3)
    assert sqlite_post.outcomes() == [None] * 3
    server.start()
    try:
        sqlite_post.wait_for_outcomes(*["sent"] * 3)
    finally:
        server.stop()
    assert subjects(server) == {f"Your code for ada{number}": 1 for number in range(3)}


def test_mails_are_sent_once_after_the_server_hung(sqlite_post: Post, make_worker: MakeWorker) -> None:
    server = SMTPServer()
    with socket.create_server(("127.0.0.1", server.port)) as hung:
        worker = make_worker(sqlite_post.outbox, smtp(server.settings, timeout=1))
        sqlite_post.add(mail(), mail(names=("grace",)))
        # a request stores a mail and wakes the worker, while the worker waits for the server
        worker.wake()
        with hung.accept()[0]:
            worker.wake()
            # the second attempt shows that the first one ended
            hung.accept()[0].close()
    server.start()
    try:
        sqlite_post.wait_for_outcomes("sent", "sent")
    finally:
        server.stop()
    assert subjects(server) == {"Your code for ada": 1, "Your code for grace": 1}


def test_a_mail_that_is_not_accepted_now_is_tried_again(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker
) -> None:
    server.replies["RCPT"].append("451 4.7.1 greylisted")
    server.replies["DATA"].append("452 4.3.1 full")
    sqlite_post.add(mail())
    make_worker(sqlite_post.outbox, smtp(server.settings), Intervals(poll=0.01, retry=0)).start()
    (row,) = sqlite_post.wait_for_outcomes("sent")
    assert (row.attempts, len(server.mails)) == (3, 1)


def test_a_refused_recipient_is_given_up_and_the_next_mail_is_sent(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker
) -> None:
    server.replies["RCPT"].append("550 5.1.1 no such user")
    sqlite_post.add(mail(), mail("grace@example.com"))
    make_worker(sqlite_post.outbox, smtp(server.settings)).start()
    sqlite_post.wait_for_outcomes("dead", "sent")
    assert server.commands == ["MAIL", "RCPT", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("recipient", ["ada", "ada@example.com\r\nBcc: eve@example.com", "ada@-", "ada@b_d.example"])
def test_a_recipient_that_is_no_address_is_given_up(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker, recipient: str
) -> None:
    sqlite_post.add(mail(recipient), mail())
    assert make_worker(sqlite_post.outbox, smtp(server.settings)).send_due() == {"dead": 1, "sent": 1}
    assert [received.recipients for received in server.mails] == [(ADA,)]


def test_a_mail_to_nobody_is_done_without_the_server(sqlite_post: Post, make_worker: MakeWorker) -> None:
    sqlite_post.add(mail(""))
    worker = make_worker(sqlite_post.outbox, smtp({"host": "127.0.0.1", "port": free_port(), "security": "none"}))
    assert worker.send_due() == {"nobody": 1}
    (row,) = sqlite_post.rows()
    assert (row.outcome, row.sealed) == ("nobody", None)


def test_the_wait_before_an_attempt_doubles_and_after_a_day_the_mail_is_given_up(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker
) -> None:
    server.replies["RCPT"].extend(["451 4.7.1 later"] * 100)
    sqlite_post.add(mail(kind="password_changed", code=""), at=NOW)
    now, waits = NOW, []
    worker = make_worker(sqlite_post.outbox, smtp(server.settings), Intervals(), clock=lambda: now)
    while not sqlite_post.outcomes()[0]:
        worker.send_due()
        due_at = sqlite_post.rows()[0].due_at or now
        waits.append(due_at - now)
        now = due_at
    assert waits[:8] == [30, 60, 120, 240, 480, 960, 1920, 3600]
    assert set(waits[8:-1]) == {3600}
    assert waits[-1] == 0
    assert sqlite_post.outcomes() == ["dead"]
    assert LIFETIME_SECONDS <= now - NOW < LIFETIME_SECONDS + 3600
    assert server.mails == []


def test_a_code_that_has_expired_is_not_sent_any_more(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker, caplog: pytest.LogCaptureFixture
) -> None:
    sqlite_post.add(mail(), mail(kind="name_taken", code=""), at=NOW - 15 * 60)
    sqlite_post.add(mail(), at=NOW - 15 * 60 + 1)
    worker = make_worker(sqlite_post.outbox, smtp(server.settings), clock=lambda: NOW)
    assert worker.send_due() == {"dead": 1, "sent": 2}
    assert sqlite_post.outcomes() == ["dead", "sent", "sent"]
    assert "mail: given up, its code has expired: kind=recovery_code attempts=0" in caplog.text


def test_the_first_failure_of_the_server_ends_a_round_and_the_mail_is_due_at_once(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker
) -> None:
    sqlite_post.add(mail(), mail())
    with pytest.raises(ServerUnavailable):
        make_worker(sqlite_post.outbox, smtp(server.settings, password="wrong")).send_due()
    assert sorted(row.attempts for row in sqlite_post.rows()) == [0, 1]
    assert make_worker(sqlite_post.outbox, smtp(server.settings)).send_due() == {"sent": 2}
    assert len(server.logins) == 3


def test_texts_that_cannot_be_rendered_are_tried_again_and_not_logged(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(given: Mail) -> Any:
        raise LookupError(f"no text for {given}")

    sqlite_post.add(mail())
    assert make_worker(sqlite_post.outbox, smtp(server.settings), render=fail).send_due() == {"waiting": 1}
    assert "LookupError" in caplog.text
    assert ADA not in caplog.text
    assert CODE not in caplog.text


def test_no_log_contains_an_address_a_name_or_a_code(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for reply in (f"451 <{ADA}> later", f"550 5.1.1 <{ADA}> unknown", f"421 {ADA}"):
        server.replies["RCPT"].append(reply)
    for reply in (f"554 {ADA} {CODE}", f"421 4.3.2 {CODE[:4]}-{CODE[4:]}"):
        server.replies["DATA"].append(reply)
    sqlite_post.add(*[mail(names=("ada.lovelace",))] * 6)
    make_worker(sqlite_post.outbox, smtp(server.settings), Intervals(poll=0.01, retry=0, pause=0.01)).start()
    rows = sqlite_post.wait_until(lambda rows: all(row.outcome for row in rows))
    assert Counter(row.outcome for row in rows) == {"sent": 5, "dead": 1}
    messages = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("linkauth"))
    assert "mail: sent: kind=recovery_code" in messages
    for value in (ADA, "ada.lovelace", CODE, CODE[:4], CODE[4:]):
        assert value not in messages
