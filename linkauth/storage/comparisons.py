"""What shadows said of people whom another backend had let in: one row a person, kept from all worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Engine,
    Select,
    Subquery,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from linkauth.login.comparison import AGREE, UNAVAILABLE, Comparison, ComparisonsUnavailable
from linkauth.storage.engine import Reader, Writer, describe_error
from linkauth.storage.tables import comparisons, links

_KEY = (comparisons.c.shadow, comparisons.c.backend, comparisons.c.subject)


class Comparisons:
    """`linkauth.login.comparison.Comparisons` in a database, and counts for operators, which raise SQLAlchemyError."""

    def __init__(self, engine: Engine) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._insert = _insert_of(engine)

    def last(self, shadow: str, backend: str, subject: str) -> tuple[str, int] | None:
        """The outcome of a person, and when that was, in seconds since 1970; None if nobody asked yet."""
        found = select(comparisons.c.outcome, comparisons.c.compared_at)
        mine = and_(*(column == value for column, value in zip(_KEY, (shadow, backend, subject), strict=True)))
        with _errors(), self._reader.connect() as connection:
            row = connection.execute(found.where(mine)).first()
        return None if row is None else (row.outcome, row.compared_at)

    def record(self, comparison: Comparison, now: int) -> None:
        """Count a comparison, in one statement. That the shadow could not tell overwrites nothing that it told."""
        lost = comparison.outcome == UNAVAILABLE
        news: dict[str, Any] = {
            "username": comparison.username[:255],
            "outcome": comparison.outcome,
            "same_subject": comparison.same_subject,
            "compared_at": now,
        }
        key = {"shadow": comparison.shadow, "backend": comparison.backend, "subject": comparison.subject}
        counts = {"asked": comparisons.c.asked + 1, "unavailable": comparisons.c.unavailable + int(lost)}
        statement = self._insert(comparisons).values(**key, **news, asked=1, unavailable=int(lost))
        statement = statement.on_conflict_do_update(index_elements=_KEY, set_=counts if lost else news | counts)
        with _errors(), self._writer.begin() as connection:
            connection.execute(statement)

    def summary(self, shadow: str) -> list[dict[str, Any]]:
        """For each backend and outcome: people, how many of them keep their subject, and the sums of the counts."""
        summed: dict[str, ColumnElement[int]] = {"same_subject": case((comparisons.c.same_subject, 1), else_=0)}
        summed |= {name: comparisons.c[name] for name in ("asked", "unavailable")}
        # PostgreSQL's sum of whole numbers is no whole number
        sums = [cast(func.sum(each), BigInteger).label(name) for name, each in summed.items()]
        columns = (comparisons.c.backend, comparisons.c.outcome)
        counted = select(*columns, func.count().label("people"), *sums)
        return self._rows(counted.where(comparisons.c.shadow == shadow).group_by(*columns).order_by(*columns))

    def disagreements(self, shadow: str) -> list[dict[str, Any]]:
        """Everybody on whom the shadow does not agree, or whom it knows by another subject."""
        columns = [column for column in comparisons.c if column.name != "unavailable"]
        otherwise = or_(comparisons.c.outcome.not_in((AGREE, UNAVAILABLE)), comparisons.c.same_subject.is_(False))
        return self._rows(select(*columns).where(comparisons.c.shadow == shadow, otherwise).order_by(*_KEY))

    def unseen(self, shadow: str) -> list[dict[str, Any]]:
        """Everybody with a link that lives about whom the shadow was never asked: backend, subject, username."""
        return self._rows(select(_unseen(shadow)).order_by("backend", "subject"))

    def count_unseen(self, shadow: str) -> dict[str, int]:
        """How many of them each backend has."""
        unseen = _unseen(shadow)
        counted = select(unseen.c.backend, func.count().label("people")).group_by(unseen.c.backend)
        return {row["backend"]: row["people"] for row in self._rows(counted)}

    def forget(self, shadow: str) -> int:
        """Delete what was compared with a shadow; gives how many people that were."""
        with self._writer.begin() as connection:
            return connection.execute(delete(comparisons).where(comparisons.c.shadow == shadow)).rowcount

    def _rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        with self._reader.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]


def _insert_of(engine: Engine) -> Any:
    """INSERT with ON CONFLICT; only the dialect in use is imported, since each costs a start tens of milliseconds."""
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise ComparisonsUnavailable(describe_error(error)) from error


def _unseen(shadow: str) -> Subquery:
    # what the shadow itself decided, before it was one or since, is no person that it has yet to see
    seen = exists().where(
        comparisons.c.shadow == shadow,
        comparisons.c.backend == links.c.backend,
        comparisons.c.subject == links.c.subject,
    )
    people = select(links.c.backend, links.c.subject, func.max(links.c.username).label("username"))
    living = people.where(links.c.ended_at.is_(None), links.c.backend != shadow, ~seen)
    return living.group_by(links.c.backend, links.c.subject).subquery()
