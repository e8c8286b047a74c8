"""The SQL statements of requests: SQLAlchemy expressions that are compiled once and then passed to the driver.

SQLAlchemy would otherwise process an expression at each execution, which takes longer than the database does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import BindParameter, Column, ColumnElement, Engine, and_, bindparam, insert, or_, select, update
from sqlalchemy.sql import ClauseElement

from linkauth.storage.tables import codes, deny_list, links, tokens

RETENTION_SECONDS = 86_400
"""A day. How long expired access tokens, codes and opaque tokens of ended links are stored; see `usage.sweep`."""
REPLAY_DETECTION_SECONDS = 30 * 86_400
"""How long rotated refresh tokens are stored. Until then, a replay is detected and ends the link."""

LINK_COLUMNS = (
    links.c.id,
    links.c.backend,
    links.c.subject,
    links.c.username,
    links.c.client_id,
    links.c.scope,
    links.c.grant,
    links.c.locale,
    links.c.created_at,
    links.c.ended_at,
    links.c.claims,
    links.c.last_used_at,
)
NEW_LINK = (
    links.c.backend,
    links.c.subject,
    links.c.username,
    links.c.client_id,
    links.c.scope,
    links.c.grant,
    links.c.locale,
    links.c.claims,
    links.c.created_at,
    links.c.token_issued_at,
)
NEW_TOKEN = (
    tokens.c.digest,
    tokens.c.kind,
    tokens.c.issued_at,
    tokens.c.expires_at,
    tokens.c.scope,
    tokens.c.generation,
    tokens.c.jti,
)
NEW_CODE = (codes.c.digest, codes.c.redirect_uri, codes.c.code_challenge, codes.c.expires_at)


class Prepared:
    """A statement that is compiled at its first execution. `parameters` are the values of its `bindparam`s."""

    def __init__(self, engine: Engine, statement: ClauseElement) -> None:
        self._engine, self._statement = engine, statement

    @cached_property
    def _compiled(self) -> tuple[str, Sequence[str] | None, dict[str, Any]]:
        """The SQL, the names of the parameters if they are positional, and the values that are not parameters."""
        compiled: Any = self._statement.compile(self._engine)
        constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        return compiled.string, compiled.positiontup, constants

    def execute(self, connection: Any, parameters: Mapping[str, Any]) -> Any:
        """Executes the statement on a connection of the driver, and returns the cursor. Raises the driver's errors."""
        sql, names, constants = self._compiled
        values: Any = {**constants, **parameters}
        cursor = connection.cursor()
        cursor.execute(sql, values if names is None else [values[name] for name in names])
        return cursor

    def execute_many(self, connection: Any, rows: Iterable[Mapping[str, Any]]) -> None:
        """Executes the statement once for each row of parameters. Its parameters must be positional."""
        sql, names, constants = self._compiled
        assert names is not None
        merged = ({**constants, **row} for row in rows)
        connection.cursor().executemany(sql, [[values[name] for name in names] for values in merged])


def dialect_insert(engine: Engine) -> Any:
    """Returns the dialect's INSERT, which supports ON CONFLICT.

    Only the dialect in use is imported, because each import takes tens of milliseconds.
    """
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


def parameter(column: Column[Any], suffix: str = "") -> BindParameter[Any]:
    """Returns a parameter with the type of `column` and its name, to which `suffix` is added."""
    return bindparam(column.name + suffix, type_=column.type)


now_parameter = bindparam("now", type_=links.c.created_at.type)
link_id = bindparam("link_id", type_=links.c.id.type)
new_expiry = bindparam("new_expiry", type_=tokens.c.expires_at.type)
active_link = and_(links.c.id == link_id, links.c.ended_at.is_(None))
presented_token = tokens.c.digest == bindparam("presented", type_=tokens.c.digest.type)
presented_code = codes.c.digest == bindparam("presented", type_=codes.c.digest.type)

FIND_TOKEN = (
    select(
        *LINK_COLUMNS,
        tokens.c.issued_at,
        tokens.c.expires_at,
        tokens.c.scope.label("token_scope"),
        tokens.c.generation,
        tokens.c.used_at,
        tokens.c.jti,
    )
    .join_from(tokens, links)
    .where(presented_token, tokens.c.kind == bindparam("kind"))
)
FIND_CODE = (
    select(*LINK_COLUMNS, codes.c.redirect_uri, codes.c.code_challenge, codes.c.expires_at, codes.c.used_at)
    .join_from(codes, links)
    .where(presented_code)
)
DENY_LIST_VERSION = select(deny_list.c.version)

INSERT_LINK = insert(links).values({column: parameter(column) for column in NEW_LINK})
USE_CODE = update(codes).where(presented_code, codes.c.used_at.is_(None)).values(used_at=now_parameter)
USE_TOKEN = (
    update(tokens)
    .where(presented_token, tokens.c.used_at.is_(None))
    .values(used_at=now_parameter, expires_at=new_expiry)
)
SET_EXPIRY = update(tokens).where(presented_token).values(expires_at=new_expiry)


def superseded_tokens(consume: bool) -> ColumnElement[bool]:
    """Returns the condition for tokens of a link that are deleted when it gets new tokens for a presented one.

    Its parameters are `presented`, `generation` (of the presented token) and `now`.
    """
    generation = bindparam("generation", type_=tokens.c.generation.type)
    unused = tokens.c.used_at.is_(None)
    # with `consume`, this includes tokens of the same generation that were derived with another secret
    earlier = and_(tokens.c.generation < generation + int(consume), unused)
    # the client did not receive these successors, since it still uses their predecessor a day later
    lost = and_(tokens.c.generation == generation + 1, tokens.c.issued_at < now_parameter - RETENTION_SECONDS, unused)
    replay_detection_over = tokens.c.used_at < now_parameter - REPLAY_DETECTION_SECONDS
    refresh_tokens = and_(tokens.c.kind == "refresh", or_(earlier, lost, replay_detection_over))
    expired = and_(tokens.c.kind == "access", tokens.c.expires_at < now_parameter - RETENTION_SECONDS)
    return and_(or_(refresh_tokens, expired), ~presented_token)
