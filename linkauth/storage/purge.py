"""Deletes links that ended long ago, and whatever has expired, in small transactions beside a running server."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Engine, and_, bindparam, delete, exists, func, select

from linkauth.storage.engine import Reader, Writer
from linkauth.storage.statements import Prepared
from linkauth.storage.tables import links, tokens
from linkauth.storage.usage import sweep

LINKS_PER_BATCH = 500
"""How many links are examined in one transaction. Requests wait for it for some milliseconds."""


@dataclass(frozen=True)
class Purged:
    """How many links were examined and deleted, and how long it took."""

    examined: int
    deleted: int
    seconds: float


def purge(
    engine: Engine,
    now: int,
    ended_seconds: int,
    is_stopped: Callable[[], bool] = lambda: False,
    pause: Callable[[float], object] = time.sleep,
    progress: Callable[[int], object] = lambda count: None,
) -> Purged:
    """Deletes what the sweep of a server deletes, and links that ended more than `ended_seconds` before `now`.

    A link stays while it has JWTs that have not expired: the deny list must contain them. After each transaction it
    calls `pause` with the seconds that the transaction took, so that it uses at most half of the time of the database.
    `progress` gets the number of examined links. Raises SQLAlchemyError or an error of the driver.
    """
    started = time.monotonic()
    sweep(engine, now, is_stopped)
    first, last = bindparam("first", type_=links.c.id.type), bindparam("last", type_=links.c.id.type)
    before = bindparam("before", type_=links.c.ended_at.type)
    valid_jwt = and_(tokens.c.link_id == links.c.id, tokens.c.jti.is_not(None), tokens.c.expires_at > bindparam("now"))
    ended = and_(links.c.id.between(first, last), links.c.ended_at < before, ~exists().where(valid_jwt))
    deletion, writer = Prepared(engine, delete(links).where(ended)), Writer(engine)
    with closing(Reader(engine)) as reader:
        bounds = reader.prepare(select(func.min(links.c.id), func.max(links.c.id)))({})
    examined = deleted = 0
    for start in [] if bounds[0] is None else range(bounds[0], bounds[1] + 1, LINKS_PER_BATCH):
        if is_stopped():
            break
        batch = {"first": start, "last": start + LINKS_PER_BATCH - 1, "before": now - ended_seconds, "now": now}
        begun = time.monotonic()
        deleted += writer.run(partial(_delete, deletion, batch))
        examined += LINKS_PER_BATCH
        progress(LINKS_PER_BATCH)
        pause(time.monotonic() - begun)
    return Purged(examined, deleted, time.monotonic() - started)


def _delete(deletion: Prepared, batch: dict[str, int], connection: Any) -> int:
    return int(deletion.execute(connection, batch).rowcount)
