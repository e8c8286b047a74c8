"""Output of the commands: rows as a table, CSV or JSON, and escaping of text from outside."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

Row = dict[str, Any]

format_option = click.option(
    "--format", "output_format", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
"""The command-line option for the output format of `print_rows`."""


def printable(value: Any) -> str:
    """Returns `value` as one line of text in which `?` replaces each unprintable character.

    Text from a directory could otherwise contain line breaks or control sequences of the terminal.
    """
    return "" if value is None else "".join(letter if letter.isprintable() else "?" for letter in str(value))


def with_iso_times(row: Row) -> Row:
    """Returns a copy of `row` in which the Unix times in the columns *_at are ISO 8601 times in UTC."""
    return {
        name: datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if name.endswith("_at") and value is not None
        else value
        for name, value in row.items()
    }


def print_rows(
    rows: Iterable[Row], output_format: str, columns: Sequence[str], table_columns: Sequence[str] = ()
) -> None:
    """Prints rows in one of the formats of `format_option`. A table has only `table_columns`, if they are given."""
    if output_format == "json":
        click.echo(json.dumps(list(rows), indent=2))
    elif output_format == "csv":
        _csv(rows, columns)
    else:
        _table(rows, table_columns or columns)


def _table(rows: Iterable[Row], table_columns: Sequence[str]) -> None:
    cells = [[printable(row[name]) for name in table_columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(table_columns, *cells, strict=True)]
    for line in (list(table_columns), *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> None:
    writer = csv.DictWriter(sys.stdout, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _escape_formula(printable(value)) for name, value in row.items()})


def _escape_formula(cell: str) -> str:
    """Quotes a cell that a spreadsheet would evaluate as a formula (CSV injection)."""
    return f"'{cell}" if cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else cell
