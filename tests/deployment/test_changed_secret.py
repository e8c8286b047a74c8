"""A linkauth.secret other than the one that sealed the keys in the database: who says so, and the ways out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from sqlalchemy import update

from linkauth.config.settings import SettingsError
from linkauth.simulator import people
from linkauth.storage import KeyStore, open_engine
from linkauth.storage.tables import signing_keys
from tests.cli.test_keys import JWT, SECRET, issue_token, key_ids, make_server_app, published, rotate, run_command
from tests.conftest import ROOT, https
from tests.protocol.flow import Skill, engine_of, server_of

OTHER = "c4n4ry-another-secret-of-32-characters"
REMEDIES = ("linkauth.secret", "linkauth.previous_secrets", "linkauth keys rotate --forget-unreadable")


def write(path: Path, jwts: bool = True, **changes: str) -> Path:
    """testing.ini beside `path`'s database, with some settings changed."""
    more = {**(JWT if jwts else {}), **changes}
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(path.parent))
    if "secret" in more:
        text = text.replace(f"linkauth.secret = {SECRET}", "")
    lines = [f"linkauth.{key.replace('__', '.')} = {value}" for key, value in more.items()]
    path.write_text("\n".join([text, *lines, ""]), "utf-8")
    return path


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """As it was before the secret changed: two keys."""
    path = write(tmp_path / "linkauth.ini")
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    run_command("db", "upgrade", path)
    rotate(path)
    rotate(path)
    return path


def names_both_remedies(output: str, kids: list[str]) -> None:
    assert all(remedy in output for remedy in REMEDIES), output
    assert all(kid in output for kid in kids), output
    assert OTHER not in output
    assert SECRET not in output


@pytest.mark.parametrize("command", [["list"], ["rotate"], ["rotate", "--now"], ["reseal"]])
def test_every_command_says_which_keys_cannot_be_opened_and_both_ways_out(ini: Path, command: list[str]) -> None:
    kids = key_ids(ini)
    write(ini, secret=OTHER)
    names_both_remedies(run_command("keys", command[0], ini, *command[1:], expect=1), kids)
    write(ini)
    assert key_ids(ini) == kids


def test_the_list_marks_each_key_that_cannot_be_opened(ini: Path) -> None:
    kids = key_ids(ini)
    write(ini, secret=OTHER)
    marked = [
        line
        for line in run_command("keys", "list", ini, expect=1).splitlines()
        if line.endswith("; cannot be decrypted")
    ]
    assert [line.split()[0] for line in marked] == kids


def test_doctor_says_it_and_is_not_well(ini: Path) -> None:
    kids = key_ids(ini)
    assert "all checks passed" in run_command("doctor", ini)
    write(ini, secret=OTHER)
    output = run_command("doctor", ini, expect=1)
    names_both_remedies(next(line for line in output.splitlines() if line.startswith("FAILED")), kids)
    assert output.splitlines()[-1] == "1 failed"


def test_the_start_says_it(ini: Path, make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    kids, url = key_ids(ini), f"sqlite:///{ini.parent}/linkauth.sqlite"
    with pytest.raises(SettingsError) as error:
        make_app(database=url, secret=OTHER, **JWT)
    names_both_remedies(str(error.value), kids)
    # without JWTs the keys are no part of any answer to people, so the server starts and says it in the log
    with caplog.at_level(logging.ERROR):
        make_app(database=url, secret=OTHER)
    names_both_remedies(caplog.text, kids)


def test_a_former_secret_opens_the_keys(ini: Path, make_app: Callable[..., Any]) -> None:
    kids = key_ids(ini)
    url = f"sqlite:///{ini.parent}/linkauth.sqlite"
    _, token = issue_token(make_server_app(make_app, ini))
    write(ini, secret=OTHER, previous_secrets=SECRET)
    assert key_ids(ini) == kids
    assert "are not encrypted with every secret in the ini file yet" in run_command("doctor", ini)
    app = https(make_app(database=url, secret=OTHER, previous_secrets=SECRET, **JWT))
    assert jwt.decode(token, published(app), algorithms=["ES256"]).claims["sub"] == "staff:1"
    # the start has sealed them for the new secret too
    assert "all checks passed" in run_command("doctor", ini)
    write(ini, secret=OTHER)
    assert key_ids(ini) == kids
    assert "linkauth keys reseal" in run_command("doctor", ini)
    assert run_command("keys", "reseal", ini) == "2 key(s) resealed\n"
    assert run_command("keys", "reseal", ini) == "0 key(s) resealed\n"
    assert "all checks passed" in run_command("doctor", ini)
    assert key_ids(ini) == kids
    write(ini)
    assert "cannot be decrypted" in run_command("keys", "list", ini, expect=1)


def test_reseal_needs_no_start_of_a_server(ini: Path) -> None:
    kids = key_ids(ini)
    write(ini, secret=OTHER, previous_secrets=f"\n {SECRET}\n the one before that one, which nobody used")
    assert run_command("keys", "reseal", ini) == "2 key(s) resealed\n"
    write(ini, secret=OTHER)
    assert key_ids(ini) == kids


def test_a_lost_secret_costs_what_the_command_says(ini: Path, make_app: Callable[..., Any]) -> None:
    old = make_server_app(make_app, ini)
    _, token = issue_token(old)
    kids = key_ids(ini)
    write(ini, secret=OTHER)
    output = run_command("keys", "rotate", ini, "--forget-unreadable")
    assert all(f"{kid} is deleted" in output for kid in kids)
    assert "can no longer be verified; 1 of them have not expired" in output
    [fresh] = key_ids(ini)
    assert fresh not in kids
    url = f"sqlite:///{ini.parent}/linkauth.sqlite"
    app = https(make_app(database=url, secret=OTHER, **JWT))
    # it signs at once, and the old token is good for those who ask
    kid, again = issue_token(app)
    assert kid == fresh
    assert jwt.decode(again, published(app), algorithms=["ES256"]).claims["sub"] == "staff:1"
    assert [key.kid for key in published(app).keys] == [fresh]
    assert Skill(app).post("/introspect", {"token": token}).json["active"] is True
    assert "all checks passed" in run_command("doctor", ini)


def test_forgetting_takes_only_what_cannot_be_opened(ini: Path) -> None:
    kids = key_ids(ini)
    assert "is deleted" not in run_command("keys", "rotate", ini, "--forget-unreadable")
    assert key_ids(ini)[:2] == kids
    # one of three is sealed by somebody else
    engine = open_engine(f"sqlite:///{ini.parent}/linkauth.sqlite")
    with engine.begin() as connection:
        connection.execute(update(signing_keys).where(signing_keys.c.kid == kids[0]).values(sealed="no seal"))
    engine.dispose()
    names_both_remedies(run_command("keys", "list", ini, expect=1), kids[:1])
    output = run_command("keys", "rotate", ini, "--forget-unreadable")
    assert f"{kids[0]} is deleted" in output
    assert kids[0] not in key_ids(ini)
    assert kids[1] in key_ids(ini)
    # it was the one that signed, so the new one cannot wait
    assert "signs from" in output


def test_a_running_server_goes_on_with_the_keys_that_it_knows(
    ini: Path, make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app, kids = make_server_app(make_app, ini), key_ids(ini)
    kid, token = issue_token(app)
    write(ini, secret=OTHER, previous_secrets=SECRET)
    run_command("keys", "reseal", ini)
    write(ini, secret=OTHER)
    run_command("keys", "reseal", ini)
    known = server_of(app)._issuer.signer._keys.__self__  # type: ignore[attr-defined]
    known._read_all(known._cache[1])
    assert {key.kid for key in published(app).keys} == set(kids)
    assert issue_token(app)[0] == kid
    names_both_remedies(caplog.text, kids)
    assert jwt.decode(token, published(app), algorithms=["ES256"]).claims["sub"] == "staff:1"
    # a server that never knew them has nothing to say
    stranger = KeyStore(engine_of(app), "yet another secret of 32 characters or more")
    server_of(app)._issuer.signer._keys = stranger.current
    assert app.get("/.well-known/jwks.json", status=503).json["error"] == "temporarily_unavailable"
