"""What the look-up of a name has seen, for `linkauth try`."""

from __future__ import annotations

from collections.abc import Sequence

from linkauth.backends import is_watched, report
from linkauth_sql.rows import Row, subject_of
from linkauth_sql.settings import SQLSettings
from linkauth_sql.spelling import casefolded, names_by_column


def looked_up(forms: Sequence[str], settings: SQLSettings) -> None:
    if is_watched():
        columns = f"in {', '.join(settings.username_columns)} of {settings.table}"
        report("looked up", f"{' or '.join(map(repr, forms))} {'by the query' if settings.query else columns}")


def found(rows: Sequence[Row], row: Row | None, form: str, settings: SQLSettings) -> None:
    """Reports the row of a form among the rows that have it, and the column in which it has the name."""
    if not is_watched():
        return
    if row is None:
        report("row", f"{len(rows)} rows have the name in another case, and none exactly as it was typed")
        return
    columns = settings.username_columns or ("username",)
    names = zip(columns, names_by_column(row, len(columns)), strict=True)
    equal = [f"{column} = {name!r}" for column, name in names if casefolded(name) == casefolded(form)]
    report("row", " and ".join([f"subject {subject_of(row)}", *equal]))
