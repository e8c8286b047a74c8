"""Tests of `linkauth keys`: overlapping signing keys, which a running server publishes and uses."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import KeySet

from linkauth.cli import main
from linkauth.cli.keys import PUBLICATION_SECONDS
from linkauth.services import services_of
from linkauth.storage import KeyStore
from tests.alexa import Alexa
from tests.conftest import ROOT, https

NOW = 2_000_000_000
SECRET = "only for tests, 32 characters or more"
HOME = "https://layla.amazon.com/api/skill/link/M2HOME0000000"
JWT = {"client__home__token_format": "jwt", "client__home__access_token_lifetime": "7200"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A function that sets the time of commands and of the server, in seconds after NOW."""
    at = [NOW]
    monkeypatch.setattr("time.time", lambda: at[0])

    def set_time(seconds: int) -> None:
        at[0] = NOW + seconds

    return set_time


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """testing.ini in which the client `home` gets JWT access tokens with a lifetime of two hours."""
    path = tmp_path / "linkauth.ini"
    extra_lines = [f"linkauth.{key.replace('__', '.')} = {value}" for key, value in JWT.items()]
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    path.write_text("\n".join([text, *extra_lines, ""]), "utf-8")
    run_command("db", "upgrade", path)
    return path


def run_command(*arguments: str | Path, expect: int = 0) -> str:
    """Runs `linkauth ...`, checks its exit code and that it raised no exception, and returns its output."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == expect, result.output
    return result.output


def key_ids(ini: Path) -> list[str]:
    """Returns the ids of the published keys, oldest first."""
    return [line.split()[0] for line in run_command("keys", "list", ini).splitlines()]


def rotate(ini: Path, *options: str) -> str:
    return run_command("keys", "rotate", ini, *options).split()[0]


def make_server_app(make_app: Callable[..., Any], ini: Path) -> Any:
    return https(make_app(database=f"sqlite:///{ini.parent}/linkauth.sqlite", **JWT))


def reload_keys(app: Any) -> None:
    """Expires the key cache of the server, which otherwise expires after a minute."""
    server = services_of(app.app.registry).oauth2
    server._issuer.signer._keys.__self__._cache = (0.0, ())


def issue_token(app: Any) -> tuple[str, str]:
    """Returns the key id in a new access token, and the token."""
    alexa = Alexa(app)
    alexa.parameters |= {"client_id": "home", "redirect_uri": HOME}
    form = {"grant_type": "authorization_code", "code": alexa.code(), "redirect_uri": HOME}
    token: str = alexa.token(form).json["access_token"]
    head = token.split(".")[0]
    return json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"], token


def published(app: Any) -> KeySet:
    return KeySet.import_key_set(app.get("/.well-known/jwks.json").json)


def verifies(app: Any, token: str) -> bool:
    """Returns whether the published keys verify the token."""
    kids = {key.kid for key in published(app).keys}
    head = token.split(".")[0]
    if json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"] not in kids:
        return False
    return jwt.decode(token, published(app), algorithms=["ES256"]).claims["sub"] == "staff:1"


def test_an_empty_list_names_the_command_that_creates_a_key(ini: Path) -> None:
    assert "linkauth keys rotate" in run_command("keys", "list", ini)


def test_the_first_key_signs_at_once_and_the_next_one_is_published_first(
    make_app: Callable[..., Any], ini: Path, clock: Callable[[int], None]
) -> None:
    first = rotate(ini)
    app = make_server_app(make_app, ini)
    kid, old_token = issue_token(app)
    assert kid == first
    second = rotate(ini)
    reload_keys(app)
    assert {key.kid for key in published(app).keys} == {first, second} == set(key_ids(ini))
    clock(PUBLICATION_SECONDS - 1)
    kid, late_token = issue_token(app)
    assert kid == first
    clock(PUBLICATION_SECONDS)
    assert issue_token(app)[0] == second
    # the old key is published until its last token has expired
    clock(PUBLICATION_SECONDS - 1 + 7200)
    reload_keys(app)
    assert verifies(app, late_token)
    assert verifies(app, old_token)
    clock(2 * PUBLICATION_SECONDS + 7200)
    reload_keys(app)
    assert not verifies(app, late_token)
    assert key_ids(ini) == [second]


def test_rotating_with_now_removes_all_older_keys(
    make_app: Callable[..., Any], ini: Path, clock: Callable[[int], None]
) -> None:
    first = rotate(ini)
    app = make_server_app(make_app, ini)
    _, stolen = issue_token(app)
    # a key that does not sign yet must not keep the stolen key published
    waiting = rotate(ini)
    clock(1)
    new_key = rotate(ini, "--now")
    reload_keys(app)
    assert len({first, waiting, new_key}) == 3
    assert key_ids(ini) == [new_key]
    assert issue_token(app)[0] == new_key
    assert not verifies(app, stolen)


def test_repeated_rotation_always_leaves_a_signing_key(
    make_app: Callable[..., Any], ini: Path, clock: Callable[[int], None]
) -> None:
    rotate(ini)
    app = make_server_app(make_app, ini)
    for step in range(1, 6):
        clock(step * 300)
        rotate(ini)
        reload_keys(app)
        assert verifies(app, issue_token(app)[1])


def test_the_list_shows_when_keys_sign_and_retire(ini: Path, clock: Callable[[int], None]) -> None:
    rotate(ini)
    rotate(ini)
    first, second = run_command("keys", "list", ini).splitlines()
    assert re.fullmatch(r"\S+  signs from 2033-05-18 03:33:20 UTC, published until 2033-05-18 06:03:20 UTC", first)
    assert re.fullmatch(r"\S+  signs from 2033-05-18 03:48:20 UTC, published until the next rotation", second)


@pytest.mark.parametrize("command", [["list"], ["rotate"], ["rotate", "--now"]])
def test_a_different_secret_is_reported_and_changes_nothing(ini: Path, command: list[str]) -> None:
    kid = rotate(ini)
    text = ini.read_text("utf-8")
    ini.write_text(text.replace(SECRET, "c4n4ry that is another secret of 32"), "utf-8")
    output = run_command("keys", command[0], ini, *command[1:], expect=1)
    assert "linkauth.secret: cannot decrypt the signing keys in the database" in output
    assert "c4n4ry" not in output
    ini.write_text(text, "utf-8")
    assert key_ids(ini) == [kid]
    assert "until the next rotation" in run_command("keys", "list", ini)


def test_the_database_contains_no_private_key_in_plain_text(ini: Path) -> None:
    rotate(ini)
    raw = b"".join(path.read_bytes() for path in ini.parent.glob("linkauth.sqlite*"))
    from linkauth.storage import open_engine

    engine = open_engine(f"sqlite:///{ini.parent}/linkauth.sqlite")
    store = KeyStore(engine, SECRET)
    private = store.load_readable()[0].key.as_dict(private=True)["d"]
    engine.dispose()
    assert str(private).encode("ascii") not in raw


def test_a_corrupt_database_is_reported_in_one_sentence(ini: Path) -> None:
    for path in ini.parent.glob("linkauth.sqlite*"):
        path.write_bytes(b"no database" * 1000)
    output = run_command("keys", "rotate", ini, expect=1)
    assert "linkauth.database: cannot be opened" in output
