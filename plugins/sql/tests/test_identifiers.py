"""Tests of names of tables and columns with blanks, quotes, dots, capitals and reserved words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from linkauth.backends import BackendMisconfigured, Identity
from linkauth.testing import settings_of
from linkauth_sql import SQLSettings, identifiers

from .servers import PASSWORD, MariaDBStore, PostgreSQLStore
from .stores import FAST_HASHER, SQLiteFile

SETTINGS: dict[str, Any] = {
    "table": '"All People"',
    "subject_column": '"Id No."',
    "username_columns": ('"Login Name"', "Group", '"e""mail"'),
    "password_column": '"Pass Word"',
    "name_column": '"All People"."Full Name"',
    "email_column": '"e""mail"',
    "active_column": "select",
    "locked_until_column": "Locked Until",
    "must_change_column": "(CASE WHEN 1 = 2 THEN 1 ELSE 0 END)",
    "expires_column": None,
    "password_changed_column": None,
    "optional_columns": ('disabled:"Deleted At"', "disabled:missing"),
}
COLUMNS = ("Id No.", "Login Name", "Group", 'e"mail', "Pass Word", "Full Name", "select", "Locked Until", "Deleted At")
ROW = ("7", "Ada L", "Math", "ada@example.com", "", "Ada Lovelace", 1, None, None)
WRITING = {
    "name_column": '"Full Name"',
    "must_change_column": None,
    "password_change": True,
    "password_recovery": True,
    "registration": True,
    "new_account": ("select=1", '"Id No."=9'),
    "optional_columns": None,
}


def create_table(store: Any, quote: str, mark: str) -> None:
    def quoted(name: str) -> str:
        return quote + name.replace(quote, 2 * quote) + quote

    kinds = {"select": "INT", "Id No.": "VARCHAR(9)"}
    definitions = ", ".join(f"{quoted(name)} {kinds.get(name, 'VARCHAR(150)')}" for name in COLUMNS)
    table = quoted("All People")
    store.run(f"DROP TABLE IF EXISTS {table}")
    store.run(f"CREATE TABLE {table} ({definitions})")
    row = [
        FAST_HASHER.hash(PASSWORD) if name == "Pass Word" else value for name, value in zip(COLUMNS, ROW, strict=True)
    ]
    store.run(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(row))})", *row)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "sqlite":
        found: Any = SQLiteFile(tmp_path / "people.sqlite", "", {})
        create_table(found, '"', "?")
    else:
        found = request.getfixturevalue(f"{request.param}_store")
        create_table(found, "`" if isinstance(found, MariaDBStore) else '"', "%s")
    return found


def test_people_sign_in_by_quoted_columns(store: SQLiteFile | PostgreSQLStore | MariaDBStore) -> None:
    backend = store.backend(**SETTINGS)
    expected = Identity("7", "Ada L", "Ada Lovelace", "ada@example.com")
    for name in ("ada l", "MATH", "ada@EXAMPLE.com"):
        assert backend.authenticate(name, PASSWORD) == expected
    checks = {check.name: check for check in backend.check()}
    assert all(check.ok for check in checks.values()), checks
    backend.close()
    # a column that decides and that is spelled wrongly lets nobody in; SQLite would read its name as a text
    for key in ("subject_column", "active_column", "name_column"):
        wrong = store.backend(**{**SETTINGS, key: '"No Column"'})
        with pytest.raises(BackendMisconfigured, match="No Column"):
            wrong.authenticate("ada l", PASSWORD)
        wrong.close()


def test_passwords_and_accounts_are_written_to_quoted_columns(store: Any) -> None:
    backend = store.backend(**{**SETTINGS, **WRITING})
    backend.reset_password("7", "a new password")
    assert backend.authenticate("Ada L", "a new password").subject == "7"
    made = backend.register("Grace H", "another password", {"email": "g@example.com", "name": "Grace Hopper"})
    assert (made.subject, made.email) == ("9", "g@example.com")
    checks = {check.name: check.detail for check in backend.check()}
    assert checks["writing"] == "Pass Word may be changed"
    assert checks["registration"] == 'a new account sets Full Name, e"mail, select, Id No., Login Name, Pass Word'
    backend.close()


def test_names_with_wrong_quotes_are_reported() -> None:
    given = {key: value for key, value in SETTINGS.items() if value is not None}
    assert not list(settings_of(SQLSettings, url="sqlite:///x", **given).faults())
    for key, wrong in (
        ("name_column", '"Full Name'),
        ("name_column", 'Full "Name"'),
        ("name_column", '"Full" Name'),
        ("name_column", "`Full Name`"),
        ("name_column", "[Full Name]"),
        ("name_column", 'people."Name'),
        ("name_column", "people."),
        ("table", '""'),
        ("username_columns", ('"Login', "Name")),
        ("optional_columns", ('disabled:"Deleted',)),
    ):
        settings = settings_of(SQLSettings, url="sqlite:///x", **{**given, key: wrong})
        assert (key, identifiers.PROBLEM) in list(settings.faults()), wrong
    # other plain columns may not be written
    faults = settings_of(SQLSettings, url="sqlite:///x", **{**given, "password_change": True}).faults()
    assert dict(faults) == {
        "must_change_column": "must be a plain column of the table, because it is written or identifies the row"
    }


def test_parts_of_names() -> None:
    for name, parts in {
        "login": ["login"],
        "Full Name": ["Full Name"],
        "staff.people.login": ["staff", "people", "login"],
        'staff."a.b"': ["staff", "a.b"],
        '"a ""b"" c"': ['a "b" c'],
    }.items():
        assert identifiers.is_valid(name)
        assert identifiers.parts(name) == parts
    assert identifiers.words('a "b c" k:"d e"=1\nx={"y": 1}') == ["a", '"b c"', 'k:"d e"=1', 'x={"y":', "1}"]
    assert identifiers.split_pair('"a = b"=c="d"') == ("a = b", 'c="d"')
