"""Compares the spellings of names, and chooses the row of a typed name among those that the database found."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence

from linkauth import backends
from linkauth.identities import shown_name
from linkauth_sql.rows import Row, subject_of, text
from linkauth_sql.statements import USERNAME

log = logging.getLogger(__name__)

MAX_ROWS = 20
"""The maximum number of rows with one name in different cases; with more rows nobody can sign in with it."""
_DOTLESS = str.maketrans("İı", "ii")


class AmbiguousName(backends.AmbiguousName):
    """Several rows have the name, or the subject, in exactly the same spelling."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__("the name belongs to more than one row: exclude the wrong rows with where")
        self.subjects = ", ".join(repr(shown_name(subject_of(row))) for row in rows[:MAX_ROWS])


def rows_by_form(rows: Sequence[Row], forms: Sequence[str]) -> list[tuple[str, list[Row]]]:
    """Returns the rows of each form of a name, ignoring case; the rows of the look-up belong to any of them.

    The collation may equate different letters, such as ü and u. Such rows are left out.
    """
    # if the database has é as one code point and as two, these are the names of two people
    for normalized in (str, nfc):
        folded = [{_lowered(normalized(name)) for name in names_of(row)} for row in rows]
        found = [
            (form, [row for row, names in zip(rows, folded, strict=True) if _lowered(normalized(form)) in names])
            for form in forms
        ]
        if any(matching for _, matching in found):
            return found
    return []


def row_of_form(rows: Sequence[Row], form: str, by_query: bool) -> Row | None:
    """Returns the only row of a form, or of several rows the one with exactly this spelling; None without such a row.

    `by_query`: the rows are the result of a configured query. Raises AmbiguousName if several rows have exactly this
    spelling.
    """
    if len(rows) <= 1:
        return rows[0] if rows else None
    if len(rows) > MAX_ROWS or len({subject_of(row) for row in rows}) == 1:
        return single(rows)
    # a CHAR column is padded with spaces
    for normalized in (str, str.rstrip, nfc, lambda name: nfc(name).rstrip()):
        if exact := [row for row in rows if normalized(form) in map(normalized, names_of(row))]:
            return single(exact)
    if by_query and not all(casefolded(form) in map(casefolded, names_of(row)) for row in rows):
        # the query compares the name with a column that it does not return
        return single(rows)
    log.info("sign-in refused: no row has exactly the typed name, rows=%d", len(rows))
    return None


def single(rows: Sequence[Row]) -> Row:
    """Returns the only row. Raises AmbiguousName if there are several."""
    if len(rows) > 1:
        raise AmbiguousName(rows)
    return rows[0]


def names_of(row: Row) -> list[str]:
    """Returns all names of the person in the row."""
    names = (value for label, value in row.items() if label.startswith(USERNAME) and value is not None)
    return [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names]


def names_by_column(row: Row, count: int) -> list[str]:
    """Returns the name in each of the columns for names, in their order; "" for NULL."""
    labels = [USERNAME, *(f"{USERNAME}_{index}" for index in range(1, count))]
    return [text(row, label) for label in labels]


def nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def casefolded(name: str) -> str:
    """Returns a name for comparison. It equates at least all letters that databases equate when they ignore case."""
    return _lowered(nfc(name))


def _lowered(name: str) -> str:
    return name.translate(_DOTLESS).casefold().rstrip()
