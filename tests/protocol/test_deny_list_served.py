"""Tests of the deny list at its URL: it is signed once and cached until it changes."""

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
from tests.protocol.histories import deny_list_claims, end_link_without_version, unverified_claims
from tests.web.raw_requests import send

SECRET = "only for tests, 32 characters or more"
DENIED = "/.well-known/revoked-tokens"
NOW = 1_800_000_000


@pytest.fixture
def make_signed(make_app: Callable[..., Any], tmp_path: Path) -> Callable[..., TestApp]:
    """`make_signed(**settings)` returns a server whose client `home` gets JWTs; all servers share one database."""
    url = f"sqlite:///{tmp_path}/linkauth.sqlite"
    engine = open_engine(url)
    upgrade(engine)
    KeyStore(engine, SECRET).rotate(1, 0)
    engine.dispose()
    return lambda **changes: https(make_app(database=url, client__home__token_format="jwt", **changes))


class CallCounter:
    """Counts how often an app signed a list, read its entries, and queried its version."""

    def __init__(self, app: TestApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self.signed = self.read = self.version_queries = 0
        store, signer = server_of(app)._storage, server_of(app)._issuer.signer

        def counting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                setattr(self, name, getattr(self, name) + 1)
                return original(*arguments)

            return call

        monkeypatch.setattr(signer, "_sign", counting("signed", signer._sign))
        monkeypatch.setattr(store, "revoked_tokens", counting("read", store.revoked_tokens))
        monkeypatch.setattr(store, "deny_list_version", counting("version_queries", store.deny_list_version))

    @property
    def counts(self) -> tuple[int, int]:
        return self.signed, self.read


def revoked_tokens_of(app: TestApp) -> list[str]:
    result: list[str] = deny_list_claims(app.get(DENIED).text, server_of(app))["revoked"]
    return result


def add_ended_link(engine: Engine, count: int, expires_at: int) -> None:
    """Adds an ended link with `count` JWTs."""
    with engine.begin() as connection:
        row = {"backend": "b", "subject": "s", "username": "u", "client_id": "home", "scope": "", "grant": "implicit"}
        row |= {"locale": "en", "created_at": NOW, "ended_at": NOW}
        link = connection.execute(insert(links).returning(links.c.id), row).scalar_one()
        token = {"link_id": link, "kind": "access", "issued_at": NOW, "expires_at": expires_at}
        rows = [{**token, "digest": n.to_bytes(32), "jti": f"jti-{n}"} for n in range(count)]
        connection.execute(insert(tokens), rows)


def test_long_list_is_read_and_signed_once(
    make_signed: Callable[..., TestApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_signed()
    clock = set_clock(app)
    add_ended_link(engine_of(app), 20_000, int(clock.now) + DAY)
    counter = CallCounter(app, monkeypatch)
    first = app.get(DENIED)
    assert len(deny_list_claims(first.text, server_of(app))["revoked"]) == 20_000
    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda _: send(app, path=DENIED), range(200)))
    assert {response.body for response in responses} == {first.body}
    assert counter.counts == (1, 1)
    # one version query for each request, and a second one by the request that signs
    assert counter.version_queries <= 203


def test_list_is_signed_again_when_entries_change(
    make_signed: Callable[..., TestApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_signed(client__home__access_token_lifetime="400")
    home, clock = Skill(app), set_clock(app)
    clock.now = (clock.now // RENEWAL_INTERVAL + 1) * RENEWAL_INTERVAL
    token_response = home.link()
    counter = CallCounter(app, monkeypatch)
    assert revoked_tokens_of(app) == []
    assert home.revoke(token_response["access_token"]).status_int == 200
    jti = unverified_claims(token_response["access_token"])["jti"]
    assert revoked_tokens_of(app) == [jti]
    assert counter.counts == (2, 2)
    # the end of a link without JWTs does not change the list
    opaque = Skill(app, "overlap", "the-overlapping-clients-secret", "https://overlap.example.com/cb", pkce=True)
    assert opaque.revoke(opaque.link()["access_token"]).status_int == 200
    assert revoked_tokens_of(app) == [jti]
    assert counter.counts == (2, 2)
    # the list is signed again before it expires, and without the token after that has expired
    clock.now += RENEWAL_INTERVAL
    assert revoked_tokens_of(app) == [jti]
    assert counter.counts == (3, 3)
    clock.now += 400 - RENEWAL_INTERVAL - 1
    assert revoked_tokens_of(app) == [jti]
    clock.now += 1
    assert revoked_tokens_of(app) == []
    assert counter.counts == (4, 3)


def test_link_ended_by_another_server_or_command_appears_at_once(
    make_signed: Callable[..., TestApp], tmp_path: Path
) -> None:
    first, other = make_signed(), make_signed()
    token_response = [Skill(first).link() for _ in range(2)]
    jtis = [unverified_claims(each["access_token"])["jti"] for each in token_response]
    assert revoked_tokens_of(first) == revoked_tokens_of(other) == []
    assert Skill(other).revoke(token_response[0]["access_token"]).status_int == 200
    assert revoked_tokens_of(first) == revoked_tokens_of(other) == [jtis[0]]
    ini = tmp_path / "linkauth.ini"
    ini.write_text((ROOT / "tests/testing.ini").read_text("utf-8").replace("%(tmp)s", str(tmp_path)), "utf-8")
    result = CliRunner().invoke(main, ["links", "end", str(ini), "--skill", "home", "--reason", "left", "--yes"])
    assert "1 link(s) ended" in result.output
    assert revoked_tokens_of(first) == revoked_tokens_of(other) == sorted(jtis)


def test_link_ended_by_sql_appears_at_next_renewal(make_signed: Callable[..., TestApp]) -> None:
    app = make_signed()
    clock, token_response = set_clock(app), Skill(app).link()
    assert revoked_tokens_of(app) == []
    with engine_of(app).connect() as connection:
        link = connection.execute(select(links.c.id)).scalar_one()
    end_link_without_version(engine_of(app), link)
    clock.now += RENEWAL_INTERVAL
    assert revoked_tokens_of(app) == [unverified_claims(token_response["access_token"])["jti"]]


def test_clock_set_back_restores_entry(make_signed: Callable[..., TestApp]) -> None:
    app = make_signed(client__home__access_token_lifetime="360")
    clock = set_clock(app)
    clock.now = (clock.now // RENEWAL_INTERVAL + 2) * RENEWAL_INTERVAL
    token_response = Skill(app).link()
    assert Skill(app).revoke(token_response["access_token"]).status_int == 200
    clock.now += 360
    assert revoked_tokens_of(app) == []
    clock.now -= 1
    assert revoked_tokens_of(app) == [unverified_claims(token_response["access_token"])["jti"]]


def test_list_without_version_is_not_cached(make_signed: Callable[..., TestApp]) -> None:
    app = make_signed()
    token_response = Skill(app).link()
    with engine_of(app).begin() as connection:
        connection.execute(deny_list.delete())
    assert revoked_tokens_of(app) == []
    assert Skill(app).revoke(token_response["access_token"]).status_int == 200
    assert len(revoked_tokens_of(app)) == 1


def test_list_is_signed_again_with_new_key(make_signed: Callable[..., TestApp]) -> None:
    app = make_signed()
    keys = server_of(app)._issuer.signer._keys.__self__  # type: ignore[attr-defined]
    first = app.get(DENIED)
    # `linkauth keys rotate --now` retires the old key at once
    KeyStore(engine_of(app), SECRET).rotate(2, 1)
    keys._cache = (0.0, ())
    second = app.get(DENIED)
    assert deny_list_claims(second.text, server_of(app))["revoked"] == []
    assert second.headers["ETag"] != first.headers["ETag"]


def test_conditional_request_for_unchanged_list_gives_304(make_signed: Callable[..., TestApp]) -> None:
    app, other = make_signed(), make_signed()
    clock = set_clock(app)
    set_clock(other).now = clock.now + 1
    response = app.get(DENIED)
    tag = response.headers["ETag"]
    assert tag.startswith('W/"')
    assert response.headers["Cache-Control"] == "public, max-age=60"
    # both servers return the same tag, although each has signed its own list
    for server in (app, other):
        for header in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
            unchanged = server.get(DENIED, headers={"If-None-Match": header}, status=304)
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
def test_confirmed_list_stays_valid_for_its_max_age(make_signed: Callable[..., TestApp], later: int) -> None:
    """After a new response or a 304 the document of the verifier does not expire within its max-age."""
    app = make_signed()
    clock = set_clock(app)
    for begin in range(0, RENEWAL_INTERVAL, 37):
        clock.now = 1_800_000_000 + 1_000 * begin
        response = app.get(DENIED)
        expires = deny_list_claims(response.text, server_of(app))["exp"]
        clock.now += later
        conditional = app.get(DENIED, headers={"If-None-Match": response.headers["ETag"]}, status="*")
        if conditional.status_int == 200:
            expires = deny_list_claims(conditional.text, server_of(app))["exp"]
        assert expires >= clock.now + 60


def test_concurrent_requests_share_one_failed_read(
    make_signed: Callable[..., TestApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that wait do not query the unavailable database one after the other."""
    app = make_signed()
    store, reads, may_fail = server_of(app)._storage, [], threading.Event()

    def revoked_tokens(_now: int) -> Any:
        reads.append(1)
        assert may_fail.wait(30)
        raise StorageUnavailableError("down")

    waiting = threading.Semaphore(0)

    def version() -> int:
        waiting.release()
        return 7

    with ThreadPoolExecutor(6) as threads, monkeypatch.context() as patched:
        patched.setattr(store, "revoked_tokens", revoked_tokens)
        patched.setattr(store, "deny_list_version", version)
        responses = [threads.submit(send, app, path=DENIED) for _ in range(6)]
        # each request has queried the version, and the first has queried it again with the lock
        for _ in range(7):
            assert waiting.acquire(timeout=30)
        may_fail.set()
        assert {response.result(30).status for response in responses} == {503}
        assert len(reads) == 1
    assert revoked_tokens_of(app) == []
