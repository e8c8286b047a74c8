"""What the ini may say under `linkauth.backend.<name>.` with `use = sql`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SQLSettings:
    """Either `table` and its columns, or `query`. `timeout` is in seconds.

    `query` is a SELECT with `:username` that gives columns named subject and password, and optionally username, name,
    email and active; it must match names case-insensitively itself.
    """

    url: str = field(repr=False)
    table: str = ""
    subject_column: str = ""
    username_columns: tuple[str, ...] = ()
    password_column: str = ""
    name_column: str = ""
    email_column: str = ""
    active_column: str = ""
    query: str = ""
    timeout: int = 3

    def faults(self) -> Iterator[tuple[str, str]]:
        """What the types cannot say, as (key, problem)."""
        needed = ("subject_column", "username_columns", "password_column")
        columns = (*needed, "name_column", "email_column", "active_column")
        if not self.table and not self.query:
            yield "table", "is missing, and so is query: one of them says where the people are"
        if self.table and self.query:
            yield "query", "cannot stand beside table: leave out one of them"
        for key in columns:
            if self.query and getattr(self, key):
                yield key, "cannot stand beside query, which names its columns itself"
            if self.table and key in needed and not getattr(self, key):
                yield key, "is missing"
        if self.query and ":username" not in self.query:
            yield "query", "has no :username"
        if not 1 <= self.timeout <= 30:
            yield "timeout", "is not between 1 and 30 seconds"
