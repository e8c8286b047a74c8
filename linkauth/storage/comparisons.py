"""Stores the comparisons of shadow backends: one row per shadow, backend and person."""

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
from linkauth.storage.statements import dialect_insert
from linkauth.storage.tables import comparisons, links

_KEY = (comparisons.c.shadow, comparisons.c.backend, comparisons.c.subject)


class Comparisons:
    """Implements `linkauth.login.comparison.Comparisons` and reports for operators, which raise SQLAlchemyError."""

    def __init__(self, engine: Engine) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._insert = dialect_insert(engine)

    def last(self, shadow: str, backend: str, subject: str) -> tuple[str, int] | None:
        """Returns the last outcome of a person and its time in seconds since 1970; None if there is none."""
        outcome = select(comparisons.c.outcome, comparisons.c.compared_at)
        same_key = and_(*(column == value for column, value in zip(_KEY, (shadow, backend, subject), strict=True)))
        with _errors(), self._reader.connect() as connection:
            row = connection.execute(outcome.where(same_key)).first()
        return None if row is None else (row.outcome, row.compared_at)

    def record(self, comparison: Comparison, now: int) -> None:
        """Stores a comparison in one statement. UNAVAILABLE is counted, but does not overwrite an earlier outcome."""
        unavailable = comparison.outcome == UNAVAILABLE
        result: dict[str, Any] = {
            "username": comparison.username[:255],
            "outcome": comparison.outcome,
            "same_subject": comparison.same_subject,
            "compared_at": now,
        }
        key = {"shadow": comparison.shadow, "backend": comparison.backend, "subject": comparison.subject}
        counts = {"asked": comparisons.c.asked + 1, "unavailable": comparisons.c.unavailable + int(unavailable)}
        statement = self._insert(comparisons).values(**key, **result, asked=1, unavailable=int(unavailable))
        update = counts if unavailable else result | counts
        statement = statement.on_conflict_do_update(index_elements=_KEY, set_=update)
        with _errors(), self._writer.begin() as connection:
            connection.execute(statement)

    def summary(self, shadow: str) -> list[dict[str, Any]]:
        """Returns per backend and outcome: number of people, number with the same subject, and the summed counts."""
        summed: dict[str, ColumnElement[int]] = {"same_subject": case((comparisons.c.same_subject, 1), else_=0)}
        summed |= {name: comparisons.c[name] for name in ("asked", "unavailable")}
        # PostgreSQL's sum of bigint is numeric
        sums = [cast(func.sum(each), BigInteger).label(name) for name, each in summed.items()]
        columns = (comparisons.c.backend, comparisons.c.outcome)
        counted = select(*columns, func.count().label("people"), *sums)
        return self._rows(counted.where(comparisons.c.shadow == shadow).group_by(*columns).order_by(*columns))

    def disagreements(self, shadow: str) -> list[dict[str, Any]]:
        """Returns the rows of people with another outcome or another subject at the shadow."""
        columns = [column for column in comparisons.c if column.name != "unavailable"]
        differs = or_(comparisons.c.outcome.not_in((AGREE, UNAVAILABLE)), comparisons.c.same_subject.is_(False))
        return self._rows(select(*columns).where(comparisons.c.shadow == shadow, differs).order_by(*_KEY))

    def unseen(self, shadow: str) -> list[dict[str, Any]]:
        """Returns backend, subject and username of people with an active link but without a comparison."""
        return self._rows(select(_unseen(shadow)).order_by("backend", "subject"))

    def count_unseen(self, shadow: str) -> dict[str, int]:
        """Returns the number of rows of `unseen` per backend."""
        unseen = _unseen(shadow)
        counted = select(unseen.c.backend, func.count().label("people")).group_by(unseen.c.backend)
        return {row["backend"]: row["people"] for row in self._rows(counted)}

    def delete(self, shadow: str) -> int:
        """Deletes the comparisons of a shadow. Returns their number."""
        with self._writer.begin() as connection:
            return connection.execute(delete(comparisons).where(comparisons.c.shadow == shadow)).rowcount

    def _rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        with self._reader.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise ComparisonsUnavailable(describe_error(error)) from error


def _unseen(shadow: str) -> Subquery:
    # links of the shadow itself are excluded: it may have been a normal backend before
    seen = exists().where(
        comparisons.c.shadow == shadow,
        comparisons.c.backend == links.c.backend,
        comparisons.c.subject == links.c.subject,
    )
    people = select(links.c.backend, links.c.subject, func.max(links.c.username).label("username"))
    unseen = people.where(links.c.ended_at.is_(None), links.c.backend != shadow, ~seen)
    return unseen.group_by(links.c.backend, links.c.subject).subquery()
