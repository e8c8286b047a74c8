"""The list of revoked JWT access tokens at its URL: signed once and kept until it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, insert, select
from webtest import TestApp

from linkauth.cli import main
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.oauth2.jwt import RENEWAL_INTERVAL
from linkauth.storage import KeyStore, open_engine, upgrade
from linkauth.storage.tables import deny_list, links, tokens
from tests.conftest import ROOT, https
from tests.protocol.flow import DAY, Skill, engine_of, server_of, set_clock
from tests.protocol.histories import end_behind_everybodys_back, read, unverified
from tests.web.raw_requests import send

SECRET = "only for tests, 32 characters or more"
DENIED = "/.well-known/revoked-tokens"
NOW = 1_800_000_000


@pytest.fixture
def make_signed(make_app: Callable[..., Any], tmp_path: Path) -> Callable[..., TestApp]:
    """Servers on one database, whose client `home` gets JWTs."""
    url = f"sqlite:///{tmp_path}/linkauth.sqlite"
    engine = open_engine(url)
    upgrade(engine)
    KeyStore(engine, SECRET).rotate(1, 0)
    engine.dispose()
    return lambda **changes: https(make_app(database=url, client__home__token_format="jwt", **changes))


class Counted:
    """How often an app signed a list, read its entries, and asked whether it changed."""

    def __init__(self, app: TestApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self.signed = self.read = self.asked = 0
        store, signer = server_of(app)._storage, server_of(app)._issuer.signer

        def counting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                setattr(self, name, getattr(self, name) + 1)
                return original(*arguments)

            return call

        monkeypatch.setattr(signer, "_sign", counting("signed", signer._sign))
        monkeypatch.setattr(store, "revoked_tokens", counting("read", store.revoked_tokens))
        monkeypatch.setattr(store, "deny_list_version", counting("asked", store.deny_list_version))

    @property
    def counts(self) -> tuple[int, int]:
        return self.signed, self.read


def revoked(app: TestApp) -> list[str]:
    found: list[str] = read(app.get(DENIED).text, server_of(app))["revoked"]
    return found


def fill(engine: Engine, count: int, expires_at: int) -> None:
    """An ended link with many JWTs."""
    with engine.begin() as connection:
        row = {"backend": "b", "subject": "s", "username": "u", "client_id": "home", "scope": "", "grant": "implicit"}
        row |= {"locale": "en", "created_at": NOW, "ended_at": NOW}
        link = connection.execute(insert(links).returning(links.c.id), row).scalar_one()
        token = {"link_id": link, "kind": "access", "issued_at": NOW, "expires_at": expires_at}
        rows = [{**token, "digest": n.to_bytes(32), "jti": f"jti-{n}"} for n in range(count)]
        connection.execute(insert(tokens), rows)


def test_a_long_list_is_read_and_signed_once(
    make_signed: Callable[..., TestApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_signed()
    clock = set_clock(app)
    fill(engine_of(app), 20_000, int(clock.now) + DAY)
    counted = Counted(app, monkeypatch)
    first = app.get(DENIED)
    assert len(read(first.text, server_of(app))["revoked"]) == 20_000
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: send(app, path=DENIED), range(200)))
    assert {answer.body for answer in answers} == {first.body}
    assert counted.counts == (1, 1)
    # one look at the version a request, and one more by whoever signs
    assert counted.asked <= 203


def test_the_list_changes_with_its_entries(
    make_signed: Callable[..., TestApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_signed(client__home__access_token_lifetime="400")
    home, clock = Skill(app), set_clock(app)
    clock.now = (clock.now // RENEWAL_INTERVAL + 1) * RENEWAL_INTERVAL
    got = home.link()
    counted = Counted(app, monkeypatch)
    assert revoked(app) == []
    assert home.revoke(got["access_token"]).status_int == 200
    jti = unverified(got["access_token"])["jti"]
    assert revoked(app) == [jti]
    assert counted.counts == (2, 2)
    # an end that changes nothing in it
    opaque = Skill(app, "overlap", "the-overlapping-clients-secret", "https://overlap.example.com/cb", pkce=True)
    assert opaque.revoke(opaque.link()["access_token"]).status_int == 200
    assert revoked(app) == [jti]
    assert counted.counts == (2, 2)
    # signed anew in time, for its own expiry comes near, and without the token when that has expired
    clock.now += RENEWAL_INTERVAL
    assert revoked(app) == [jti]
    assert counted.counts == (3, 3)
    clock.now += 400 - RENEWAL_INTERVAL - 1
    assert revoked(app) == [jti]
    clock.now += 1
    assert revoked(app) == []
    assert counted.counts == (4, 3)


def test_what_ends_at_another_server_or_by_command_is_seen_at_once(
    make_signed: Callable[..., TestApp], tmp_path: Path
) -> None:
    one, other = make_signed(), make_signed()
    got = [Skill(one).link() for _ in range(2)]
    jtis = [unverified(each["access_token"])["jti"] for each in got]
    assert revoked(one) == revoked(other) == []
    assert Skill(other).revoke(got[0]["access_token"]).status_int == 200
    assert revoked(one) == revoked(other) == [jtis[0]]
    ini = tmp_path / "linkauth.ini"
    ini.write_text((ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path)), "utf-8")
    done = CliRunner().invoke(main, ["links", "end", str(ini), "--skill", "home", "--reason", "left", "--yes"])
    assert "1 link(s) ended" in done.output
    assert revoked(one) == revoked(other) == sorted(jtis)


def test_what_nobody_counted_is_seen_when_the_list_is_signed_anew(make_signed: Callable[..., TestApp]) -> None:
    app = make_signed()
    clock, got = set_clock(app), Skill(app).link()
    assert revoked(app) == []
    with engine_of(app).connect() as connection:
        link = connection.execute(select(links.c.id)).scalar_one()
    end_behind_everybodys_back(engine_of(app), link)
    clock.now += RENEWAL_INTERVAL
    assert revoked(app) == [unverified(got["access_token"])["jti"]]


def test_a_clock_that_is_set_back_brings_an_entry_back(make_signed: Callable[..., TestApp]) -> None:
    app = make_signed(client__home__access_token_lifetime="360")
    clock = set_clock(app)
    clock.now = (clock.now // RENEWAL_INTERVAL + 2) * RENEWAL_INTERVAL
    got = Skill(app).link()
    assert Skill(app).revoke(got["access_token"]).status_int == 200
    clock.now += 360
    assert revoked(app) == []
    clock.now -= 1
    assert revoked(app) == [unverified(got["access_token"])["jti"]]


def test_without_a_version_the_list_is_never_kept(make_signed: Callable[..., TestApp]) -> None:
    app = make_signed()
    got = Skill(app).link()
    with engine_of(app).begin() as connection:
        connection.execute(deny_list.delete())
    assert revoked(app) == []
    assert Skill(app).revoke(got["access_token"]).status_int == 200
    assert len(revoked(app)) == 1


def test_another_signing_key_signs_the_list_anew(make_signed: Callable[..., TestApp]) -> None:
    app = make_signed()
    keys = server_of(app)._issuer.signer._keys.__self__  # type: ignore[attr-defined]
    first = app.get(DENIED)
    # as `linkauth keys rotate --now` does: the old key verifies nothing any more
    KeyStore(engine_of(app), SECRET).rotate(2, 1)
    keys._cache = (0.0, ())
    second = app.get(DENIED)
    assert read(second.text, server_of(app))["revoked"] == []
    assert second.headers["ETag"] != first.headers["ETag"]


def test_who_has_the_list_hears_304(make_signed: Callable[..., TestApp]) -> None:
    app, other = make_signed(), make_signed()
    clock = set_clock(app)
    set_clock(other).now = clock.now + 1
    answer = app.get(DENIED)
    tag = answer.headers["ETag"]
    assert tag.startswith('W/"')
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    # whichever server is asked, although each has signed for itself
    for asked in (app, other):
        for header in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
            unchanged = asked.get(DENIED, headers={"If-None-Match": header}, status=304)
            assert unchanged.body == b""
            assert unchanged.headers["ETag"] == tag
            assert unchanged.headers["Cache-Control"] == "public, max-age=60"
    assert app.get(DENIED, headers={"If-None-Match": '"x"'}).status_int == 200
    for hostile in ("\xff\xfe", '"', "W/", '"' * 5000, "*" * 5000, ",,,"):
        assert send(app, path=DENIED, headers={"If-None-Match": hostile}).status in (200, 304)
    assert Skill(app).revoke(Skill(app).link()["access_token"]).status_int == 200
    changed = app.get(DENIED, headers={"If-None-Match": tag})
    assert changed.status_int == 200
    assert changed.headers["ETag"] != tag


@pytest.mark.parametrize(
    "later", [0, 59, RENEWAL_INTERVAL - 61, RENEWAL_INTERVAL - 1, RENEWAL_INTERVAL, 10 * RENEWAL_INTERVAL]
)
def test_what_was_confirmed_may_be_kept_for_the_minute(make_signed: Callable[..., TestApp], later: int) -> None:
    """Neither a fresh answer nor a 304 leaves a verifier with a document that expires within its max-age."""
    app = make_signed()
    clock = set_clock(app)
    for begin in range(0, RENEWAL_INTERVAL, 37):
        clock.now = 1_800_000_000 + 1_000 * begin
        answer = app.get(DENIED)
        expires = read(answer.text, server_of(app))["exp"]
        clock.now += later
        again = app.get(DENIED, headers={"If-None-Match": answer.headers["ETag"]}, status="*")
        if again.status_int == 200:
            expires = read(again.text, server_of(app))["exp"]
        assert expires >= clock.now + 60


def test_who_waits_for_one_that_fails_fails_with_it(
    make_signed: Callable[..., TestApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that cannot tell is not asked by each waiting request in turn."""
    app = make_signed()
    store, asked, fails = server_of(app)._storage, [], threading.Event()

    def revoked_tokens(_now: int) -> Any:
        asked.append(1)
        assert fails.wait(30)
        raise StorageUnavailableError("down")

    waiting = threading.Semaphore(0)

    def version() -> int:
        waiting.release()
        return 7

    with ThreadPoolExecutor(6) as threads, monkeypatch.context() as patched:
        patched.setattr(store, "revoked_tokens", revoked_tokens)
        patched.setattr(store, "deny_list_version", version)
        answers = [threads.submit(send, app, path=DENIED) for _ in range(6)]
        # all of them have seen that the list is outdated, and the first has seen it once more, behind the lock
        for _ in range(7):
            assert waiting.acquire(timeout=30)
        fails.set()
        assert {answer.result(30).status for answer in answers} == {503}
        assert len(asked) == 1
    assert revoked(app) == []
