"""Tests of a linkauth.secret that cannot decrypt the keys in the database: its error messages, and both remedies."""

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

OTHER_SECRET = "c4n4ry-another-secret-of-32-characters"
REMEDIES = ("linkauth.secret", "linkauth.previous_secrets", "linkauth keys rotate --forget-unreadable")


def write(path: Path, jwts: bool = True, **changes: str) -> Path:
    """Writes testing.ini to `path` with changed settings. Its database is in the same folder."""
    more = {**(JWT if jwts else {}), **changes}
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(path.parent))
    if "secret" in more:
        text = text.replace(f"linkauth.secret = {SECRET}", "")
    lines = [f"linkauth.{key.replace('__', '.')} = {value}" for key, value in more.items()]
    path.write_text("\n".join([text, *lines, ""]), "utf-8")
    return path


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """An ini file whose database has two signing keys, which its secret can decrypt."""
    path = write(tmp_path / "linkauth.ini")
    people.create(f"sqlite:///{tmp_path}/people.sqlite")
    run_command("db", "upgrade", path)
    rotate(path)
    rotate(path)
    return path


def assert_names_both_remedies(output: str, kids: list[str]) -> None:
    assert all(remedy in output for remedy in REMEDIES), output
    assert all(kid in output for kid in kids), output
    assert OTHER_SECRET not in output
    assert SECRET not in output


@pytest.mark.parametrize("command", [["list"], ["rotate"], ["rotate", "--now"], ["reseal"]])
def test_every_command_names_the_unreadable_keys_and_both_remedies(ini: Path, command: list[str]) -> None:
    kids = key_ids(ini)
    write(ini, secret=OTHER_SECRET)
    assert_names_both_remedies(run_command("keys", command[0], ini, *command[1:], expect=1), kids)
    write(ini)
    assert key_ids(ini) == kids


def test_the_list_marks_each_unreadable_key(ini: Path) -> None:
    kids = key_ids(ini)
    write(ini, secret=OTHER_SECRET)
    marked_lines = [
        line
        for line in run_command("keys", "list", ini, expect=1).splitlines()
        if line.endswith("; cannot be decrypted")
    ]
    assert [line.split()[0] for line in marked_lines] == kids


def test_doctor_fails_for_unreadable_keys(ini: Path) -> None:
    kids = key_ids(ini)
    assert "all checks passed" in run_command("doctor", "--offline", ini)
    write(ini, secret=OTHER_SECRET)
    output = run_command("doctor", "--offline", ini, expect=1)
    assert_names_both_remedies(next(line for line in output.splitlines() if line.startswith("FAILED")), kids)
    assert output.splitlines()[-1] == "1 failed"


def test_a_start_fails_for_unreadable_keys_if_a_client_uses_jwts(
    ini: Path, make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    kids, url = key_ids(ini), f"sqlite:///{ini.parent}/linkauth.sqlite"
    with pytest.raises(SettingsError) as error:
        make_app(database=url, secret=OTHER_SECRET, **JWT)
    assert_names_both_remedies(str(error.value), kids)
    # if no client uses JWTs, the keys are not needed: the server starts and logs an error
    with caplog.at_level(logging.ERROR):
        make_app(database=url, secret=OTHER_SECRET)
    assert_names_both_remedies(caplog.text, kids)


def test_a_previous_secret_decrypts_the_keys(ini: Path, make_app: Callable[..., Any]) -> None:
    kids = key_ids(ini)
    url = f"sqlite:///{ini.parent}/linkauth.sqlite"
    _, token = issue_token(make_server_app(make_app, ini))
    write(ini, secret=OTHER_SECRET, previous_secrets=SECRET)
    assert key_ids(ini) == kids
    assert "are not encrypted with every secret in the ini file yet" in run_command("doctor", "--offline", ini)
    app = https(make_app(database=url, secret=OTHER_SECRET, previous_secrets=SECRET, **JWT))
    assert jwt.decode(token, published(app), algorithms=["ES256"]).claims["sub"] == "staff:1"
    # the start has encrypted them with the new secret too
    assert "all checks passed" in run_command("doctor", "--offline", ini)
    write(ini, secret=OTHER_SECRET)
    assert key_ids(ini) == kids
    assert "linkauth keys reseal" in run_command("doctor", "--offline", ini)
    assert run_command("keys", "reseal", ini) == "2 key(s) resealed\n"
    assert run_command("keys", "reseal", ini) == "0 key(s) resealed\n"
    assert "all checks passed" in run_command("doctor", "--offline", ini)
    assert key_ids(ini) == kids
    write(ini)
    assert "cannot be decrypted" in run_command("keys", "list", ini, expect=1)


def test_reseal_works_without_starting_a_server(ini: Path) -> None:
    kids = key_ids(ini)
    write(ini, secret=OTHER_SECRET, previous_secrets=f"\n {SECRET}\n the one before that one, which nobody used")
    assert run_command("keys", "reseal", ini) == "2 key(s) resealed\n"
    write(ini, secret=OTHER_SECRET)
    assert key_ids(ini) == kids


def test_after_a_lost_secret_new_tokens_are_valid_and_old_ones_only_for_introspection(
    ini: Path, make_app: Callable[..., Any]
) -> None:
    old_app = make_server_app(make_app, ini)
    _, token = issue_token(old_app)
    kids = key_ids(ini)
    write(ini, secret=OTHER_SECRET)
    output = run_command("keys", "rotate", ini, "--forget-unreadable")
    assert all(f"{kid} is deleted" in output for kid in kids)
    assert "can no longer be verified; 1 of them have not expired" in output
    [new_kid] = key_ids(ini)
    assert new_kid not in kids
    url = f"sqlite:///{ini.parent}/linkauth.sqlite"
    app = https(make_app(database=url, secret=OTHER_SECRET, **JWT))
    # the new key signs at once, and introspection accepts the old token
    kid, new_token = issue_token(app)
    assert kid == new_kid
    assert jwt.decode(new_token, published(app), algorithms=["ES256"]).claims["sub"] == "staff:1"
    assert [key.kid for key in published(app).keys] == [new_kid]
    assert Skill(app).post("/introspect", {"token": token}).json["active"] is True
    assert "all checks passed" in run_command("doctor", "--offline", ini)


def test_forget_unreadable_deletes_only_unreadable_keys(ini: Path) -> None:
    kids = key_ids(ini)
    assert "is deleted" not in run_command("keys", "rotate", ini, "--forget-unreadable")
    assert key_ids(ini)[:2] == kids
    # one of the three keys cannot be decrypted
    engine = open_engine(f"sqlite:///{ini.parent}/linkauth.sqlite")
    with engine.begin() as connection:
        connection.execute(update(signing_keys).where(signing_keys.c.kid == kids[0]).values(sealed="no seal"))
    engine.dispose()
    assert_names_both_remedies(run_command("keys", "list", ini, expect=1), kids[:1])
    output = run_command("keys", "rotate", ini, "--forget-unreadable")
    assert f"{kids[0]} is deleted" in output
    assert kids[0] not in key_ids(ini)
    assert kids[1] in key_ids(ini)
    # the deleted key was the signing key, so the new key signs at once
    assert "signs from" in output


def test_a_running_server_continues_with_its_cached_keys(
    ini: Path, make_app: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    app, kids = make_server_app(make_app, ini), key_ids(ini)
    kid, token = issue_token(app)
    write(ini, secret=OTHER_SECRET, previous_secrets=SECRET)
    run_command("keys", "reseal", ini)
    write(ini, secret=OTHER_SECRET)
    run_command("keys", "reseal", ini)
    key_store = server_of(app)._issuer.signer._keys.__self__  # type: ignore[attr-defined]
    key_store._load_into_cache(key_store._cache[1])
    assert {key.kid for key in published(app).keys} == set(kids)
    assert issue_token(app)[0] == kid
    assert_names_both_remedies(caplog.text, kids)
    assert jwt.decode(token, published(app), algorithms=["ES256"]).claims["sub"] == "staff:1"
    # a server that has never read the keys responds with 503
    other_store = KeyStore(engine_of(app), "yet another secret of 32 characters or more")
    server_of(app)._issuer.signer._keys = other_store.current
    assert app.get("/.well-known/jwks.json", status=503).json["error"] == "temporarily_unavailable"
