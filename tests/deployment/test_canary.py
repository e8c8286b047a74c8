"""A test that no secret, password, token or code remains anywhere, after people have used everything once.

It looks at the log, the database, the headers of the mails and of the responses, and the error pages.
"""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from linkauth.storage import KeyStore, open_engine, upgrade
from tests.backends.recovering import FIRST_PASSWORD
from tests.deployment.secret_leaks import plain_log
from tests.deployment.used_app import (
    AS_NAME,
    HOME_SECRET,
    SECRET,
    SETTINGS,
    WRONG,
    Recorder,
    Used,
    link_and_exchange,
    pass_second_step,
    recover_and_register,
    sign_in_at_provider,
)
from tests.mail import smtp_server
from tests.recovery.visitor import NEW
from tests.second_factor.browser import PASSWORDS
from tests.servers import postgresql
from tests.sign_ins.conftest import sign_in_plugin

__all__ = ["sign_in_plugin"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, database_folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{database_folder}/links.sqlite"
    else:
        with postgresql.running() as server:
            yield server.url


def dumped(engine: Any) -> str:
    """Returns all rows of all tables as text. Bytes are in hexadecimal, and also as they are if they are ASCII."""
    found = []
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        else:
            tables = (
                connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
            )
        assert len(tables) >= 10
        for table in tables:
            rows = connection.execute(text(f'SELECT * FROM "{table}"')).mappings()
            found += [f"{table}: {_readable(row)}" for row in rows]
    return "\n".join(found)


def _readable(row: Mapping[Any, Any]) -> str:
    values = []
    for name, value in row.items():
        if isinstance(value, memoryview | bytes):
            raw = bytes(value)
            values.append(f"{name}={raw.hex()} {raw.decode('latin-1')}")
        else:
            values.append(f"{name}={value}")
    return ", ".join(values)


def forms(secret: str) -> set[str]:
    """Returns how a secret may be written: as it is, percent-encoded, in base64 or in hexadecimal."""
    raw = secret.encode("utf-8")
    return {secret, quote(secret, safe=""), b64encode(raw).decode().rstrip("="), raw.hex()}


def leaks(secrets: Mapping[str, str], *texts: str) -> set[str]:
    """Returns the names of the secrets that occur in a text. Digits count only if no other digit is beside them."""
    found = set()
    for name, secret in secrets.items():
        for form in forms(secret):
            pattern = rf"(?<![\w.]){form}(?!\w)" if form.isdigit() else re.escape(form)
            if any(re.search(pattern, each, re.IGNORECASE) for each in texts):
                found.add(name)
    return found


def test_no_secret_remains_anywhere(
    database: str, make_app: Callable[..., Any], backend_plugins: Path, sign_in_plugin: None
) -> None:
    engine = open_engine(database, for_operator=True)
    upgrade(engine)
    KeyStore(engine, SECRET).rotate(1, 0)
    engine.dispose()
    # the SMTP server of the test logs the mails that it receives
    logging.getLogger("mail.log").propagate = False
    with smtp_server.running() as server, plain_log() as log:
        mail = {f"mail__{key}": str(value) for key, value in server.settings.items()}
        used = Used(Recorder(make_app(**SETTINGS, **mail, database=database)), server)
        settings = used.site.services.settings
        passwords = {"right": PASSWORDS["ada"], "wrong": WRONG, "new": NEW, "first": FIRST_PASSWORD}
        used.secrets |= {f"{name} password": value for name, value in passwords.items()}
        used.secrets |= {"server secret": settings.secret, "client secret": HOME_SECRET}
        used.secrets |= {"password in the name": AS_NAME, "mail password": smtp_server.PASSWORD}
        link_and_exchange(used)
        pass_second_step(used)
        recover_and_register(used)
        sign_in_at_provider(used)
        used.secrets |= {f"cookie {number}": value for number, value in enumerate(used.recorder.cookies) if value}
        rows = dumped(used.site.services.engine)
    headers = "\n".join(str(value) for mail in server.mails for value in mail.message.items())
    assert len(used.secrets) > 40
    assert "sign-in refused: backend=staff" in log.getvalue()
    assert len(used.recorder.pages) > 10
    assert leaks(used.secrets, log.getvalue()) == set()
    assert leaks(used.secrets, rows) == set()
    assert leaks(used.secrets, headers) == set()
    assert leaks(used.secrets, *used.recorder.headers) == set()
    # a form repeats what the person has typed, and the state of the authorization request
    own = ("state", "mailed code", "password in the name")
    assert {name for name in leaks(used.secrets, *used.recorder.pages) if not name.startswith(own)} == set()


def test_a_secret_in_any_form_is_found() -> None:
    secret = "canary-state/0b6d"
    for form in forms(secret):
        assert leaks({"state": secret}, f"before {form} after") == {"state"}
    assert leaks({"code": "123456"}, "code=123456") == {"code"}
    assert leaks({"code": "123456"}, "time=1764123456.7, 12:00:00.123456") == set()
