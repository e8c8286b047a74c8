"""Names of tables and columns in the settings.

A name is written as in the database, or in double quotes if it contains a blank, a dot or a quote, which is doubled
(SQL-92 section 5.2): "Full Name". Parts are separated by dots: staff."Full Name". A text in parentheses is an SQL
expression and not a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_QUOTED = r'"(?:[^"]|"")+"'
_PARTS = re.compile(rf'(?:{_QUOTED}|[^".]+)(?:\.(?:{_QUOTED}|[^".]+))*')
_PART = re.compile(rf'{_QUOTED}|[^".]+')
_WORD = re.compile(rf'[^\s"=]*{_QUOTED}\S*|\S+')
_PAIR = re.compile(rf"({_QUOTED}|[^\s=]+)=(\S*)")
_FOREIGN = re.compile(r"`.*`|\[.*\]")
PROBLEM = 'contains a name with wrong quotes: write "Full Name" in double quotes, and a quote inside twice'


def words(text: str) -> list[str]:
    """Returns the words of a list, in which blanks in quoted names do not separate words."""
    return _WORD.findall(text)


def is_expression(name: str) -> bool:
    return name.startswith("(")


def is_column(name: str) -> bool:
    """Returns whether the name is that of a column without its table, and not an expression."""
    return bool(name) and not is_expression(name) and len(parts(name)) == 1


def is_valid(name: str) -> bool:
    """Returns whether the quotes of a name are right. Names in the quotes of MySQL or SQL Server are not valid."""
    if is_expression(name):
        return True
    return bool(_PARTS.fullmatch(name)) and not any(map(_FOREIGN.fullmatch, _PART.findall(name)))


def parts(name: str) -> list[str]:
    """Returns the parts of a name without their quotes: schema, table and column, as many as it has."""
    found = _PART.findall(name)
    return [part[1:-1].replace('""', '"') if part.startswith('"') else part for part in found]


def plain(name: str) -> str:
    """Returns the last part of a name without its quotes, as the database knows it."""
    return (parts(name) or [""])[-1]


def quoted(name: str, quote: Callable[[str], str]) -> str:
    """Returns a name for SQL. `quote` quotes one part as the dialect requires."""
    return ".".join(map(quote, parts(name)))


def split_pair(pair: str) -> tuple[str, str] | None:
    """Returns the name, without quotes, and the value of name=value, or None if it is something else."""
    match = _PAIR.fullmatch(pair)
    return (plain(match[1]) if match[1].startswith('"') else match[1], match[2]) if match else None
