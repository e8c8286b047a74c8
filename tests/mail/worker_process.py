"""Programs of the tests of workers in other processes: `python -m tests.mail.worker_process NAME URL ...`."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from linkauth.mail.outbox import Outcome, StoredMail
from linkauth.mail.transport import OutgoingMail, ServerUnavailable
from linkauth.mail.worker import Intervals, Worker
from linkauth.storage import OutboxStore, open_engine
from tests.mail.mails import SECRET, SENDER, Post, mail, render, smtp


class DyingOutbox(OutboxStore):
    """The process is killed before it stores the outcome of a mail."""

    def done(self, stored: StoredMail, outcome: Outcome, now: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def die_before_done(url: str, settings: str) -> None:
    """Sends a mail and dies after the SMTP server has accepted it."""
    outbox = DyingOutbox(open_engine(url, for_operator=True), SECRET)
    Worker(outbox, render, smtp(json.loads(settings)), SENDER, Intervals()).send_due()


def fork(url: str) -> None:
    """Starts a worker, which cannot send, and forks. The worker of the child sends a mail."""
    parent = os.getpid()

    class ChildTransport:
        def send(self, mail: OutgoingMail) -> None:
            if os.getpid() == parent:
                raise ServerUnavailable("this is the parent")

        def abort(self) -> None: ...

    # connections must not be shared with the child, so the parent has none at the fork
    intervals = Intervals(poll=3600, pause=0.01, pause_limit=0.01)
    engine = open_engine(url, for_operator=True)
    outbox: Any = OutboxStore(engine, SECRET)
    worker = Worker(outbox, render, ChildTransport(), SENDER, intervals)
    worker.start()
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        worker.close()
        sys.exit(os.waitstatus_to_exitcode(status))
    # os._exit skips the cleanup of the parent's objects
    try:
        engine.dispose(close=False)
        post = Post(engine)
        post.add(mail())
        worker.wake()
        post.wait_for_outcomes("sent")
        worker.close()
        os._exit(0)
    finally:
        os._exit(1)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
