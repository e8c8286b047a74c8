"""SELECT statements that are compiled once and run on the driver's own cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, TextClause


def name_parameters(count: int) -> list[str]:
    """Returns the names of the parameters for `count` forms of a name."""
    return [f"username{number}" if number else "username" for number in range(count)]


class Result(NamedTuple):
    """The labels of the columns, the rows, and the names of the columns that the table has beside these."""

    labels: Sequence[str]
    rows: Sequence[Sequence[Any]]
    further: Sequence[str] = ()


class PreparedSelect:
    """A SELECT with the parameters of `name_parameters`. SQLAlchemy would need several times as long to run it.

    `labels` are the first labels of the result; all further columns become `Result.further`. Without `labels`, all
    columns of the result are labels.
    """

    def __init__(self, statement: Select[Any] | TextClause, dialect: Any, labels: Sequence[str] = ()) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._sql: str = compiled.string
        self._labels = tuple(labels)
        # None for a driver with named parameters
        self._positions: list[str] | None = compiled.positiontup

    def execute(self, cursor: Any, forms: Sequence[str]) -> None:
        """Runs the SELECT for the forms of a name.

        Raises an exception of the driver, or ValueError or OverflowError if the driver does not accept the name.
        """
        values = dict(zip(name_parameters(len(forms)), forms, strict=True))
        cursor.execute(self._sql, values if self._positions is None else [values[name] for name in self._positions])

    def fetch(self, cursor: Any, limit: int) -> Result:
        """Returns at most `limit` rows. Raises an exception of the driver, ValueError or OverflowError."""
        columns, rows = [column[0] for column in cursor.description], cursor.fetchmany(limit)
        return Result(self._labels or columns, rows, columns[len(self._labels) :] if self._labels else ())
