"""The transactions that write links and tokens, for SQLite and for PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from sqlalchemy import CTE, Column, Engine, Insert, Table, delete, insert, select, union_all, update
from sqlalchemy.sql import ClauseElement

from linkauth.storage.engine import Writer
from linkauth.storage.statements import (
    INSERT_LINK,
    NEW_CODE,
    NEW_TOKEN,
    SET_EXPIRY,
    USE_CODE,
    USE_TOKEN,
    Prepared,
    active_link,
    link_id,
    now_parameter,
    parameter,
    superseded_tokens,
)
from linkauth.storage.tables import codes, links, tokens

Row = Mapping[str, Any]


class LinkChanges(Protocol):
    """One transaction per method. Each raises one of `Reader.errors`.

    `link`, `code` and `tokens` are rows with the columns NEW_LINK, NEW_CODE and NEW_TOKEN. The keys of `presented` are
    `presented` (the digest of a code or refresh token), `link_id` and `now`, and for a refresh token `generation` and
    `new_expiry`.
    """

    def create(self, link: Row, tokens: Sequence[Row], code: Row | None) -> None: ...

    def redeem(self, presented: Row, tokens: Sequence[Row]) -> bool: ...

    def renew(
        self, presented: Row, tokens: Sequence[Row], consume: bool, set_expiry: bool, supersede: bool
    ) -> bool: ...


def link_changes(engine: Engine) -> LinkChanges:
    """Returns the transactions for the database of an engine."""
    return _SQLiteChanges(engine) if engine.dialect.name == "sqlite" else _PostgreSQLChanges(engine)


class _SQLiteChanges:
    """Transactions of several statements. SQLite runs one write transaction at a time, so no other one intervenes."""

    def __init__(self, engine: Engine) -> None:
        self._run = Writer(engine).run
        prepare = partial(Prepared, engine)
        self._insert_link = prepare(INSERT_LINK)
        self._insert_token = prepare(insert(tokens).values([_parameters((tokens.c.link_id, *NEW_TOKEN))]))
        self._insert_code = prepare(insert(codes).values([_parameters((codes.c.link_id, *NEW_CODE))]))
        self._use_code, self._use_token, self._set_expiry = prepare(USE_CODE), prepare(USE_TOKEN), prepare(SET_EXPIRY)
        self._update_link = prepare(update(links).where(active_link).values(token_issued_at=now_parameter))
        self._active_link = prepare(select(links.c.id).where(active_link))
        self._delete_superseded = {
            consume: prepare(delete(tokens).where(tokens.c.link_id == link_id, superseded_tokens(consume)))
            for consume in (False, True)
        }

    def create(self, link: Row, tokens: Sequence[Row], code: Row | None) -> None:
        def work(connection: Any) -> None:
            new_id = self._insert_link.execute(connection, link).lastrowid
            self._insert_tokens(connection, new_id, tokens)
            if code is not None:
                self._insert_code.execute(connection, {**code, "link_id": new_id})

        self._run(work)

    def redeem(self, presented: Row, tokens: Sequence[Row]) -> bool:
        def work(connection: Any) -> bool:
            if not self._use_code.execute(connection, presented).rowcount:
                return False
            if not self._update_link.execute(connection, presented).rowcount:
                return False
            self._insert_tokens(connection, presented["link_id"], tokens)
            return True

        return self._run(work)

    def renew(self, presented: Row, tokens: Sequence[Row], consume: bool, set_expiry: bool, supersede: bool) -> bool:
        def work(connection: Any) -> bool:
            if self._active_link.execute(connection, presented).fetchone() is None:
                return False
            if consume and not self._use_token.execute(connection, presented).rowcount:
                return False
            if set_expiry and not consume:
                self._set_expiry.execute(connection, presented)
            if supersede:
                self._delete_superseded[consume].execute(connection, presented)
            self._insert_tokens(connection, presented["link_id"], tokens)
            return True

        return self._run(work)

    def _insert_tokens(self, connection: Any, link_id: int, tokens: Sequence[Row]) -> None:
        self._insert_token.execute_many(connection, ({**token, "link_id": link_id} for token in tokens))


class _PostgreSQLChanges:
    """Transactions of one statement, so that each one is one round trip.

    The parts of a statement are common table expressions, which see the same snapshot of the database. A part that
    changes or locks a row waits for concurrent transactions on it, and then checks its condition again with the current
    row. So a code is used once, and a link does not end while it gets tokens.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._writer = engine, Writer(engine)
        self._prepared: dict[Hashable, Prepared] = {}

    def create(self, link: Row, tokens: Sequence[Row], code: Row | None) -> None:
        def statement() -> ClauseElement:
            new_link = INSERT_LINK.returning(links.c.id.label("link_id")).cte("new_link")
            inserts = [_insert_tokens(new_link, len(tokens))] if tokens else []
            inserts += [_insert_from(new_link, codes, NEW_CODE, ["_code"])] if code else []
            if not inserts:
                return INSERT_LINK
            return inserts[0].add_cte(*(other.cte("other") for other in inserts[1:]))

        code_values = {f"{name}_code": value for name, value in (code or {}).items()}
        self._run(("create", len(tokens), code is None), statement, {**link, **_numbered(tokens), **code_values})

    def redeem(self, presented: Row, tokens: Sequence[Row]) -> bool:
        def statement() -> ClauseElement:
            used = USE_CODE.returning(codes.c.link_id).cte("used")
            active = (
                update(links)
                .where(links.c.id == used.c.link_id, links.c.ended_at.is_(None))
                .values(token_issued_at=now_parameter)
                .returning(links.c.id.label("link_id"))
                .cte("active")
            )
            return _insert_tokens(active, len(tokens))

        return self._run(("redeem", len(tokens)), statement, {**presented, **_numbered(tokens)})

    def renew(self, presented: Row, tokens: Sequence[Row], consume: bool, set_expiry: bool, supersede: bool) -> bool:
        def statement() -> ClauseElement:
            # the lock prevents that the link ends now and the new token is missing in the deny list
            active = select(links.c.id.label("link_id")).where(active_link).with_for_update(read=True).cte("active")
            same_link = _tokens.c.link_id == active.c.link_id
            source, others = active, []
            if consume:
                source = USE_TOKEN.where(same_link).returning(_tokens.c.link_id).cte("used")
            elif set_expiry:
                others.append(SET_EXPIRY.where(same_link).cte("expiry"))
            if supersede:
                condition = (_tokens.c.link_id == source.c.link_id, superseded_tokens(consume))
                others.append(delete(_tokens).where(*condition).cte("superseded"))
            return _insert_tokens(source, len(tokens)).add_cte(*others)

        shape = ("renew", len(tokens), consume, set_expiry, supersede)
        return self._run(shape, statement, {**presented, **_numbered(tokens)})

    def _run(self, shape: Hashable, statement: Callable[[], ClauseElement], parameters: Row) -> bool:
        """Executes the statement, which is built at the first call for this `shape`. Returns whether it inserted."""
        prepared = self._prepared.get(shape)
        if prepared is None:
            prepared = self._prepared[shape] = Prepared(self._engine, statement())
        return self._writer.run(lambda connection: bool(prepared.execute(connection, parameters).rowcount))


# an alias, because some methods have an argument `tokens`
_tokens = tokens


def _parameters(columns: Sequence[Column[Any]], suffix: str = "") -> dict[str, Any]:
    return {column.name: parameter(column, suffix) for column in columns}


def _insert_from(source: CTE, table: Table, columns: Sequence[Column[Any]], suffixes: Sequence[str]) -> Insert:
    """Returns the INSERT of a row for each suffix, with the `link_id` of `source`, and of none if `source` is empty."""
    rows = [select(source.c.link_id, *_parameters(columns, suffix).values()) for suffix in suffixes]
    return insert(table).from_select(["link_id", *(column.name for column in columns)], union_all(*rows))


def _insert_tokens(source: CTE, count: int) -> Insert:
    return _insert_from(source, tokens, NEW_TOKEN, [f"_row{number}" for number in range(count)])


def _numbered(rows: Sequence[Row]) -> dict[str, Any]:
    """Returns the values of all rows with numbered names, as in `_insert_tokens`."""
    return {f"{name}_row{number}": value for number, row in enumerate(rows) for name, value in row.items()}
