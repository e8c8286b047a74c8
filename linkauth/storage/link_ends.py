"""Ends links in a transaction of the caller, and logs each of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, Row, Select, select, update

from linkauth.identities import shown_name
from linkauth.logs import event
from linkauth.storage.tables import deny_list, links

log = logging.getLogger(__name__)

REASON_LIMIT = 255
"""Maximum length of a stored reason in characters."""
LOGGED_COLUMNS = [links.c[name] for name in ("id", "client_id", "backend", "grant", "username")]


def end_links(
    connection: Connection, condition: ColumnElement[bool] | Select[tuple[int]], reason: str, now: int
) -> Sequence[Row[tuple[int, str, str, str, str]]]:
    """Ends the active links that the condition, or the selected IDs, name. Returns LOGGED_COLUMNS of each.

    Their tokens are invalid from the commit on. The version of the deny list changes too, so that servers publish the
    JWTs among them. After the commit, the caller passes the rows to `log_links`.
    """
    selected = links.c.id.in_(condition.scalar_subquery()) if isinstance(condition, Select) else condition
    ended = update(links).where(selected, links.c.ended_at.is_(None))
    rows = connection.execute(
        ended.values(ended_at=now, end_reason=reason[:REASON_LIMIT]).returning(*LOGGED_COLUMNS)
    ).all()
    if rows:
        connection.execute(update(deny_list).values(version=deny_list.c.version + 1))
    return rows


def active_rows(
    connection: Connection, condition: ColumnElement[bool]
) -> Sequence[Row[tuple[int, str, str, str, str]]]:
    """Returns LOGGED_COLUMNS of the active links that the condition names."""
    return connection.execute(select(*LOGGED_COLUMNS).where(condition, links.c.ended_at.is_(None))).all()


def log_links(text: str, rows: Iterable[Row[tuple[int, str, str, str, str]]], reason: str) -> None:
    """Logs an event for each link. `linkauth links` lists the same numbers, clients and backends."""
    for row in rows:
        fields = {"link": row.id, "client": row.client_id, "backend": row.backend, "grant": row.grant}
        event(log, logging.INFO, text, **fields, reason=reason, name=shown_name(row.username))
