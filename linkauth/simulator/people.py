"""The demo users: a small table for the SQL backend of development.ini."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, create_engine, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from linkauth.config.settings import SettingsError
from linkauth.redaction import reason


@dataclass(frozen=True)
class DemoPerson:
    """A demo user. `password_hash` is the Argon2id hash of `password`."""

    login: str
    email: str
    name: str
    password: str
    password_hash: str
    active: bool = True


_ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$"
PEOPLE = (
    DemoPerson(
        "ada",
        "ada@example.com",
        "Ada Lovelace",
        "lovelace-1815",
        _ARGON2 + "VR4SuSA9dm8MMrtIj6oPWg$GU88Xg3HwLXqD5cti2n2WqiQa6r9USaUe3XjN2Ns4gc",
    ),
    DemoPerson(
        "grace",
        "grace@example.com",
        "Grace Hopper",
        "hopper-1906",
        _ARGON2 + "L7mlUCWqQlRArDB1lZuRww$58r1Sp+4a4dPKRe4IgYsubEJI3XhXm8DvTQSOaISOqk",
    ),
    DemoPerson(
        "jörg",
        "joerg@example.com",
        "Jörg Müller",
        "müller größe 7",
        _ARGON2 + "rorc2EPfcghwtpI+iSsg+A$2S+m/Yqd9PJtO40dYW2fdgRkRJYKGXh0WuxcdZjxgzs",
    ),
    DemoPerson(
        "konrad",
        "konrad@example.com",
        "Konrad Zuse",
        "zuse-1910",
        _ARGON2 + "v+L0bDG8RCfyUKAa9fEPlg$JpW+C/PPHMjfg6dLRrEhT4Gm+1/6nw/pMaiDEpPBbSM",
        active=False,
    ),
)

metadata = MetaData()
people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("login", String(64), nullable=False, unique=True),
    Column("email", String(255), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("active", Boolean, nullable=False),
    # of people who have signed up
    Column("country", String(2)),
    Column("postal_code", String(20)),
    Column("phone", String(32)),
)


def create(url: str) -> None:
    """Creates the table in the database at `url` and inserts the demo users, unless the table has rows already.

    A table of an earlier version gets the columns that it lacks.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            # mode 0600, as for a table of real users
            os.close(os.open(parsed.database, os.O_CREAT | os.O_RDWR, 0o600))
        engine = create_engine(parsed)
        with engine.begin() as connection:
            metadata.create_all(connection)
            present = {column["name"] for column in inspect(connection).get_columns(people.name)}
            for column in people.columns:
                if column.name not in present:
                    kind = column.type.compile(engine.dialect)
                    connection.execute(text(f"ALTER TABLE {people.name} ADD COLUMN {column.name} {kind}"))
            if connection.execute(select(people.c.id).limit(1)).first() is None:
                rows = [{**vars(person)} for person in PEOPLE]
                connection.execute(insert(people), [{k: row[k] for k in row if k != "password"} for row in rows])
        engine.dispose()
    except (SQLAlchemyError, OSError) as error:
        raise SettingsError([("linkauth.simulator.people", f"cannot be written: {reason(error)}")]) from error
