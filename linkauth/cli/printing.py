"""What verbs print: text of a directory, made harmless; rows as a table, CSV or JSON."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

Row = dict[str, Any]

formatted = click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
"""The option that says how `show` prints."""


def printable(value: Any) -> str:
    """What a directory says may hold anything; a terminal gets printable characters only, and a row is one line."""
    return "" if value is None else "".join(letter if letter.isprintable() else "?" for letter in str(value))


def readable(row: Row) -> Row:
    """`row`, its times as ISO 8601, UTC."""
    return {
        name: datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if name.endswith("_at") and value is not None
        else value
        for name, value in row.items()
    }


def show(rows: Iterable[Row], form: str, columns: Sequence[str], shown: Sequence[str] = ()) -> None:
    """Print rows in the `form` of `formatted`; a table has only the columns `shown`, if they are said."""
    if form == "json":
        click.echo(json.dumps(list(rows), indent=2))
    elif form == "csv":
        _csv(rows, columns)
    else:
        _table(rows, shown or columns)


def _table(rows: Iterable[Row], shown: Sequence[str]) -> None:
    cells = [[printable(row[name]) for name in shown] for row in rows]
    widths = [max(map(len, column)) for column in zip(shown, *cells, strict=True)]
    for line in (list(shown), *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> None:
    writer = csv.DictWriter(sys.stdout, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _no_formula(printable(value)) for name, value in row.items()})


def _no_formula(cell: str) -> str:
    """A cell that begins like a formula is one to a spreadsheet."""
    return f"'{cell}" if cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else cell
