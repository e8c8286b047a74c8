"""`linkauth keys`: signing keys that overlap, as the running server publishes and uses them."""

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
    """Sets the time of commands and of the server: seconds after NOW."""
    at = [NOW]
    monkeypatch.setattr("time.time", lambda: at[0])

    def set_time(seconds: int) -> None:
        at[0] = NOW + seconds

    return set_time


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """testing.ini, whose client `home` gets JWTs of two hours."""
    path = tmp_path / "linkauth.ini"
    more = [f"linkauth.{key.replace('__', '.')} = {value}" for key, value in JWT.items()]
    text = (ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path))
    path.write_text("\n".join([text, *more, ""]), "utf-8")
    keys("db", "upgrade", path)
    return path


def keys(*arguments: str | Path, expect: int = 0) -> str:
    """What `linkauth ...` says; it must end with that code, and by no other exception than its own."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == expect, result.output
    return result.output


def listed(ini: Path) -> list[str]:
    """The published keys' names, oldest first."""
    return [line.split()[0] for line in keys("keys", "list", ini).splitlines()]


def rotate(ini: Path, *options: str) -> str:
    return keys("keys", "rotate", ini, *options).split()[0]


def served(make_app: Callable[..., Any], ini: Path) -> Any:
    return https(make_app(database=f"sqlite:///{ini.parent}/linkauth.sqlite", **JWT))


def reread(app: Any) -> None:
    """What a minute does: the server asks for its keys anew."""
    server = services_of(app.app.registry).oauth2
    server._issuer.signer._keys.__self__._cache = (0.0, ())


def signed(app: Any) -> tuple[str, str]:
    """The key that a new token names, and the token."""
    alexa = Alexa(app)
    alexa.parameters |= {"client_id": "home", "redirect_uri": HOME}
    form = {"grant_type": "authorization_code", "code": alexa.code(), "redirect_uri": HOME}
    token: str = alexa.token(form).json["access_token"]
    head = token.split(".")[0]
    return json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"], token


def published(app: Any) -> KeySet:
    return KeySet.import_key_set(app.get("/.well-known/jwks.json").json)


def verifies(app: Any, token: str) -> bool:
    """Could a verifier with today's published keys read the token?"""
    kids = {key.kid for key in published(app).keys}
    head = token.split(".")[0]
    if json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"] not in kids:
        return False
    return jwt.decode(token, published(app), algorithms=["ES256"]).claims["sub"] == "staff:1"


def test_no_keys_yet_is_said_with_the_command(ini: Path) -> None:
    assert "linkauth keys rotate" in keys("keys", "list", ini)


def test_the_first_key_signs_at_once_and_the_next_one_is_published_first(
    make_app: Callable[..., Any], ini: Path, clock: Callable[[int], None]
) -> None:
    first = rotate(ini)
    app = served(make_app, ini)
    kid, old = signed(app)
    assert kid == first
    second = rotate(ini)
    reread(app)
    assert {key.kid for key in published(app).keys} == {first, second} == set(listed(ini))
    clock(PUBLICATION_SECONDS - 1)
    kid, late = signed(app)
    assert kid == first
    clock(PUBLICATION_SECONDS)
    assert signed(app)[0] == second
    # as long as a token of the old key lives it can be verified, and the key is gone afterwards
    clock(PUBLICATION_SECONDS - 1 + 7200)
    reread(app)
    assert verifies(app, late)
    assert verifies(app, old)
    clock(2 * PUBLICATION_SECONDS + 7200)
    reread(app)
    assert not verifies(app, late)
    assert listed(ini) == [second]


def test_rotating_now_takes_every_older_key_away(
    make_app: Callable[..., Any], ini: Path, clock: Callable[[int], None]
) -> None:
    first = rotate(ini)
    app = served(make_app, ini)
    _, stolen = signed(app)
    # one that waits for its time must not keep the stolen one alive
    waiting = rotate(ini)
    clock(1)
    fresh = rotate(ini, "--now")
    reread(app)
    assert len({first, waiting, fresh}) == 3
    assert listed(ini) == [fresh]
    assert signed(app)[0] == fresh
    assert not verifies(app, stolen)


def test_rotating_again_and_again_keeps_a_signer(
    make_app: Callable[..., Any], ini: Path, clock: Callable[[int], None]
) -> None:
    rotate(ini)
    app = served(make_app, ini)
    for step in range(1, 6):
        clock(step * 300)
        rotate(ini)
        reread(app)
        assert verifies(app, signed(app)[1])


def test_the_list_says_when(ini: Path, clock: Callable[[int], None]) -> None:
    rotate(ini)
    rotate(ini)
    first, second = keys("keys", "list", ini).splitlines()
    assert re.fullmatch(r"\S+  signs from 2033-05-18 03:33:20 UTC, published until 2033-05-18 06:03:20 UTC", first)
    assert re.fullmatch(r"\S+  signs from 2033-05-18 03:48:20 UTC, published until the next rotation", second)


@pytest.mark.parametrize("command", [["list"], ["rotate"], ["rotate", "--now"]])
def test_another_secret_is_said_and_changes_nothing(ini: Path, command: list[str]) -> None:
    kid = rotate(ini)
    text = ini.read_text("utf-8")
    ini.write_text(text.replace(SECRET, "c4n4ry that is another secret of 32"), "utf-8")
    output = keys("keys", command[0], ini, *command[1:], expect=1)
    assert "linkauth.secret: is another one than the signing keys in the database were sealed with" in output
    assert "c4n4ry" not in output
    ini.write_text(text, "utf-8")
    assert listed(ini) == [kid]
    assert "until the next rotation" in keys("keys", "list", ini)


def test_a_copy_of_the_database_signs_nothing(ini: Path) -> None:
    rotate(ini)
    raw = b"".join(path.read_bytes() for path in ini.parent.glob("linkauth.sqlite*"))
    from linkauth.storage import open_engine

    engine = open_engine(f"sqlite:///{ini.parent}/linkauth.sqlite")
    store = KeyStore(engine, SECRET)
    private = store.all()[0].key.as_dict(private=True)["d"]
    engine.dispose()
    assert str(private).encode("ascii") not in raw


def test_a_broken_database_is_one_sentence(ini: Path) -> None:
    for path in ini.parent.glob("linkauth.sqlite*"):
        path.write_bytes(b"no database" * 1000)
    output = keys("keys", "rotate", ini, expect=1)
    assert "linkauth.database: cannot be opened" in output
