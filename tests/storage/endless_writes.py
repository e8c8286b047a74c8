"""A process that links and refreshes in several threads until it is killed, and reports the tokens that are stored."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection
from threading import Thread

from linkauth.oauth2.tokens import Code, Kind, StorageUnavailableError, Token
from linkauth.storage import LinkStore, open_engine
from tests.storage.concurrency import LINK, NOW

THREADS = 8
REPORT = 32
"""Bytes per report: the digest of a token."""


def write_until_killed(url: str, reports: Connection) -> None:
    """Each thread links, exchanges a code and refreshes, and reports the digest of each token that is stored."""
    store = LinkStore(open_engine(url))

    def report(*tokens: Token) -> None:
        # the system does not mix short writes to a pipe
        os.write(reports.fileno(), b"".join(token.digest for token in tokens))

    def new(kind: Kind = "access", generation: int = 0) -> Token:
        return Token(os.urandom(REPORT), kind, NOW, generation=generation)

    def write(consume: bool) -> None:
        implicit = new()
        store.create(LINK, (implicit,))
        report(implicit)
        code = Code(os.urandom(REPORT), None, None, NOW + 60)
        store.create(LINK, code=code)
        found = store.find_code(code.digest)
        assert found
        tokens = (new(), refresh := new("refresh"))
        assert store.redeem(code, found[0], tokens, NOW)
        report(*tokens)
        tokens = (new(), new("refresh", generation=1))
        assert store.renew(found[0], refresh, None, tokens, NOW, consume)
        report(*tokens)

    def write_endlessly() -> None:
        for number in count():
            # the disk may be busy
            with suppress(StorageUnavailableError):
                write(consume=bool(number % 2))

    for _ in range(THREADS):
        Thread(target=write_endlessly).start()
