"""Tests that the look-up of a name can be compiled for every database of SQLAlchemy, with its only parameter."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Select
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite

from linkauth.testing import settings_of
from linkauth_sql import SQLSettings
from linkauth_sql.statements import OptionalColumn, build_statements, with_columns_of_table

DIALECTS = [mssql.dialect(), mysql.dialect(), oracle.dialect(), postgresql.dialect(), sqlite.dialect()]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("preset", ["aspnet-identity", "wordpress", "laravel", "devise"])
def test_look_up_with_optional_columns_has_one_parameter(dialect: Any, preset: str) -> None:
    settings = settings_of(SQLSettings, url="sqlite:///people.sqlite", preset=preset)
    statements = build_statements(settings, dialect, (OptionalColumn("disabled", "deleted_at"),))
    assert isinstance(statements.by_name, Select)
    assert statements.probe is not None
    compiled = with_columns_of_table(statements.by_name, statements.probe).compile(dialect=dialect)
    assert compiled.params.keys() == {"username"}
    assert "POSTCOMPILE" not in compiled.string
    # MariaDB would read the whole table for `present`
    assert ("LIMIT 0" in compiled.string) == (dialect.name == "mysql")
