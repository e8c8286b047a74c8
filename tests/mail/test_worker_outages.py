"""Tests of outages and ends: of the worker, of its process, and of the database."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing

from linkauth.mail.outbox import Outcome, StoredMail
from linkauth.mail.worker import Intervals, Worker
from linkauth.oauth2.tokens import StorageUnavailableError
from linkauth.storage import OutboxStore
from tests.conftest import ROOT
from tests.mail.conftest import open_post
from tests.mail.mails import NOW, Post, mail, smtp
from tests.mail.smtp_server import DISCONNECT, SMTPServer, silent
from tests.servers.postgresql import running as running_postgresql

MakeWorker = Callable[..., Worker]


def test_a_worker_stops_while_the_server_hangs_and_its_mail_stays_due(
    sqlite_post: Post, make_worker: MakeWorker, server: SMTPServer
) -> None:
    with silent() as port:
        hung = smtp({"host": "127.0.0.1", "port": port, "security": "none", "timeout": 300})
        worker = make_worker(sqlite_post.outbox, hung)
        sqlite_post.add(mail())
        worker.wake()
        sqlite_post.wait_until(lambda rows: rows[0].leased_until is not None)
        worker.close()
        assert worker._thread is not None
        # without its end the delivery would last 300 s
        assert not worker._thread.is_alive()
    assert make_worker(sqlite_post.outbox, smtp(server.settings)).send_due() == {"sent": 1}


def test_a_closed_worker_does_not_start_again(sqlite_post: Post, make_worker: MakeWorker, server: SMTPServer) -> None:
    worker = make_worker(sqlite_post.outbox, smtp(server.settings))
    worker.close()
    worker.wake()
    assert worker._thread is None


class ForgetfulOutbox:
    """The outbox of a database that fails when the outcome of a mail is stored for the first time."""

    def __init__(self, outbox: OutboxStore) -> None:
        self.claim, self.retry, self.next_due = outbox.claim, outbox.retry, outbox.next_due
        self._done = outbox.done
        self.failures = 1

    def done(self, stored: StoredMail, outcome: Outcome, now: int) -> None:
        if self.failures:
            self.failures -= 1
            raise StorageUnavailableError("the database is down")
        self._done(stored, outcome, now)


def test_a_mail_whose_outcome_could_not_be_stored_is_not_sent_again(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker
) -> None:
    sqlite_post.add(mail())
    # the lease has ended before the outcome is stored
    intervals = Intervals(poll=0.01, lease=0, pause=0.01)
    make_worker(ForgetfulOutbox(sqlite_post.outbox), smtp(server.settings), intervals).start()
    (row,) = sqlite_post.wait_for_outcomes("sent")
    assert (row.attempts, len(server.mails)) == (1, 1)


def test_the_worker_survives_an_outage_of_the_database(server: SMTPServer, make_worker: MakeWorker) -> None:
    with running_postgresql() as database, closing(open_post(database.url)) as post:
        worker = make_worker(post.outbox, smtp(server.settings))
        post.add(mail())
        worker.start()
        post.wait_for_outcomes("sent")
        database.stop()
        # the worker has seen the outage
        while worker._failures < 2:
            worker._thread.join(0.01)  # type: ignore[union-attr]
        database.start()
        # the pool of the first one has connections that have ended
        with closing(open_post(database.url)) as reopened:
            reopened.add(mail())
            reopened.wait_for_outcomes("sent", "sent")
        worker.close()
    assert len(server.mails) == 2


def test_a_connection_that_ends_after_the_content_defers_only_this_mail(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker
) -> None:
    """Otherwise a server that accepts mails and then fails would get the same mail every few seconds."""
    server.replies["DATA"].append(DISCONNECT)
    sqlite_post.add(mail(), at=NOW)
    worker = make_worker(sqlite_post.outbox, smtp(server.settings), Intervals(), clock=lambda: NOW)
    assert worker.send_due() == {"waiting": 1}
    assert sqlite_post.rows()[0].due_at == NOW + 30


def test_a_mail_whose_worker_is_killed_is_sent_again_with_the_same_message_id(
    sqlite_post: Post, server: SMTPServer, make_worker: MakeWorker
) -> None:
    sqlite_post.add(mail())
    url = str(sqlite_post.engine.url)
    assert run_process("die_before_done", url, json.dumps(server.settings)) == -signal.SIGKILL
    assert sqlite_post.outcomes() == [None]
    worker = make_worker(sqlite_post.outbox, smtp(server.settings))
    assert worker.send_due() == {}
    after_the_lease = time.time() + Intervals().lease + 1
    assert make_worker(sqlite_post.outbox, smtp(server.settings), clock=lambda: after_the_lease).send_due() == {
        "sent": 1
    }
    first, second = (received.message["Message-ID"] for received in server.mails)
    assert first == second


def test_a_forked_process_has_its_own_worker(sqlite_post: Post) -> None:
    assert run_process("fork", str(sqlite_post.engine.url)) == 0


def run_process(name: str, *arguments: str) -> int:
    """Runs a function of worker_process.py in a new process, and returns its exit code."""
    command = [sys.executable, "-m", "tests.mail.worker_process", name, *arguments]
    return subprocess.run(command, cwd=ROOT, timeout=120).returncode
