"""The links of a person, for the page on which they see and end them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import ColumnElement, Engine, and_, func, select

from linkauth.events.types import Emit, LinkEnded, discard
from linkauth.login.own_links import END_REASON, OwnLink
from linkauth.mail.message import Mail
from linkauth.storage.engine import Reader, Writer, storage_errors
from linkauth.storage.link_ends import end_links, log_links
from linkauth.storage.mail_rows import INSERT_MAIL, MailRows
from linkauth.storage.tables import links, tokens


class OwnLinkStore:
    """Implements `linkauth.login.own_links.OwnLinkStorage`. `secret` and `previous` are from the ini file.

    Every method raises StorageUnavailableError if the database fails.
    """

    def __init__(self, engine: Engine, secret: str, previous: Sequence[str] = (), emit: Emit = discard) -> None:
        self._emit, self._engine, self._reader, self._writer = emit, engine, Reader(engine), Writer(engine)
        self._mails = MailRows(secret, previous)

    def links(self, backend: str, subject: str) -> Sequence[OwnLink]:
        # a client that verifies JWTs itself never calls introspection, so a refresh counts as a use
        refreshed = (
            select(tokens.c.link_id, func.max(tokens.c.issued_at).label("at"))
            .join(links, and_(links.c.id == tokens.c.link_id, tokens.c.issued_at > links.c.token_issued_at))
            .where(_active(backend, subject))
            .group_by(tokens.c.link_id)
            .subquery()
        )
        since, used = func.min(links.c.created_at), func.max(links.c.last_used_at)
        found = (
            select(links.c.client_id, since, used, func.max(refreshed.c.at))
            .outerjoin(refreshed, refreshed.c.link_id == links.c.id)
            # without a token, the person has signed in, but the platform has not linked
            .where(_active(backend, subject), links.c.token_issued_at.is_not(None))
            .group_by(links.c.client_id)
            .order_by(since.desc(), links.c.client_id)
        )
        with storage_errors(self._engine), self._reader.connect() as connection:
            rows = connection.execute(found).all()
        return [
            OwnLink(client_id, first, max((each for each in times if each is not None), default=None))
            for client_id, first, *times in rows
        ]

    def end(
        self, backend: str, subject: str, client_ids: Collection[str], now: int, mail: Callable[[Sequence[str]], Mail]
    ) -> Sequence[str]:
        condition = and_(_active(backend, subject), links.c.client_id.in_(client_ids))
        with storage_errors(self._engine), self._writer.begin() as connection:
            rows = end_links(connection, condition, END_REASON, now)
            ended = sorted({row.client_id for row in rows})
            if ended and (notice := mail(ended)).recipient:
                connection.execute(INSERT_MAIL, self._mails.waiting(notice, now))
        log_links("link ended", rows, END_REASON)
        for row in rows:
            self._emit(LinkEnded(row.client_id, row.id, row.backend, subject, row.username, END_REASON))
        return ended


def _active(backend: str, subject: str) -> ColumnElement[bool]:
    return and_(links.c.backend == backend, links.c.subject == subject, links.c.ended_at.is_(None))
