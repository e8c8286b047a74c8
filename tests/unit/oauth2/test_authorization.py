"""Tests of the authorization request: the order of the checks, and the redirect target of each error."""

from __future__ import annotations

import itertools
from hashlib import sha256
from typing import Any, ClassVar

import pytest

from linkauth.oauth2 import grants
from linkauth.oauth2.authorization import SCOPE_LIMIT, STATE_LIMIT, parse
from linkauth.oauth2.clients import Client, Clients
from linkauth.oauth2.errors import AuthorizationError, RedirectTarget, StorageUnavailableError, UntrustedRequestError
from linkauth.oauth2.jwt import Signer
from linkauth.oauth2.requests import AuthorizationRequest
from linkauth.oauth2.tokens import Link, Token, digest

CB = "https://client.example/cb"
SCOPES = tuple(f"s{number}" for number in range(SCOPE_LIMIT + 1))
ISSUER = "https://link.example.com"
CLIENTS = Clients(
    [
        Client("one", frozenset({"implicit"}), (CB,), ("a", "b")),
        Client("many", frozenset({"implicit"}), (CB, CB + "?x=1"), SCOPES, implicit_lifetime=600),
        Client("strict", frozenset({"implicit"}), (CB,), require_state=True),
        Client("server", secret_sha256=bytes(32)),
        Client("code", frozenset({"authorization_code"}), (CB,), ("a",)),
    ]
)
VALID = {"client_id": "one", "redirect_uri": CB, "response_type": "token", "scope": "a b", "state": "S"}
WRONG = {"client_id": "nobody", "redirect_uri": "https://evil.example/", "response_type": "foo", "scope": "unknown"}
ORDER = ("client_id", "redirect_uri", "state", "response_type", "response_mode", "request", "scope")
FAULTS: dict[str, tuple[str, str]] = {
    "client_id": ("nobody", "unknown_client"),
    "redirect_uri": ("https://evil.example/", "wrong_redirect_uri"),
    "state": ("\n", "invalid_request"),
    "response_type": ("foo", "unsupported_response_type"),
    "response_mode": ("query", "invalid_request"),
    "request": ("x", "request_not_supported"),
    "scope": ("unknown", "invalid_scope"),
}


def request(**changes: str | None) -> AuthorizationRequest:
    return parse([(name, value) for name, value in {**VALID, **changes}.items() if value is not None], CLIENTS, ISSUER)


def outcome(changes: dict[str, str | None]) -> str:
    """Returns the error code or the reason of the exception that `request` raises."""
    with pytest.raises((AuthorizationError, UntrustedRequestError)) as caught:
        request(**changes)
    return getattr(caught.value, "error", "") or getattr(caught.value, "reason", "")


def test_valid_request_has_client_scopes_and_target() -> None:
    result = request()
    assert result.client.client_id == "one"
    assert result.scopes == ("a", "b")
    assert result.scope_as_requested
    assert result.target == RedirectTarget(CB, "fragment", "S")


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(ORDER, 2)))
def test_first_failed_check_gives_the_error(first: str, second: str) -> None:
    both = {name: FAULTS[name][0] for name in (first, second)}
    assert outcome(dict(both)) == FAULTS[first][1]


def test_error_before_trusted_redirect_uri_has_no_target() -> None:
    with pytest.raises(UntrustedRequestError):
        request(**WRONG)
    with pytest.raises(UntrustedRequestError):
        request(**{**WRONG, "client_id": "one"})
    with pytest.raises(AuthorizationError):
        request(**{**WRONG, "client_id": "one", "redirect_uri": CB})


def test_repeated_parameter_is_refused_first() -> None:
    with pytest.raises(UntrustedRequestError) as caught:
        parse([("x", "1"), ("x", "2")], CLIENTS, ISSUER)
    assert caught.value.reason == "repeated_parameter"


@pytest.mark.parametrize("arguments", [("invalid_request", "text"), ("invalid_request",), ()])
def test_authorization_error_requires_target(arguments: tuple[str, ...]) -> None:
    error: Any = AuthorizationError
    with pytest.raises(TypeError):
        error(*arguments)


@pytest.mark.parametrize(("length", "accepted"), [(1, True), (STATE_LIMIT, True), (STATE_LIMIT + 1, False)])
def test_state_of_4096_characters_is_accepted(length: int, accepted: bool) -> None:
    assert STATE_LIMIT == 4096
    state = "~" * length
    if accepted:
        assert request(state=state).target.state == state
        return
    with pytest.raises(AuthorizationError) as caught:
        request(state=state)
    assert caught.value.error == "invalid_request"
    assert caught.value.target == RedirectTarget(CB, "fragment", None)


@pytest.mark.parametrize("state", ["\x1f", "\x7f", "é", "a\n", "\n", "\ud800", "\0"])
def test_unprintable_state_is_refused_and_not_echoed(state: str) -> None:
    with pytest.raises(AuthorizationError) as caught:
        request(state=state)
    assert caught.value.target.state is None
    assert "state=" not in caught.value.location


@pytest.mark.parametrize("state", [None, ""])
def test_state_is_optional_unless_client_requires_it(state: str | None) -> None:
    assert request(state=state).target.state is None
    assert outcome({"client_id": "strict", "state": state, "scope": None}) == "invalid_request"
    assert request(client_id="strict", scope=None).target.state == "S"


@pytest.mark.parametrize("raw", [None, ""])
def test_missing_scope_means_all_scopes_of_client(raw: str | None) -> None:
    result = request(scope=raw)
    assert result.scopes == ("a", "b")
    assert not result.scope_as_requested


def test_client_without_scopes_is_granted_none() -> None:
    result = request(client_id="strict", scope=None)
    assert result.scopes == ()
    assert result.scope_as_requested


@pytest.mark.parametrize("raw", ["b", "b a"])
def test_fewer_or_reordered_scopes_are_granted_as_requested(raw: str) -> None:
    result = request(scope=raw)
    assert " ".join(result.scopes) == raw
    assert result.scope_as_requested


def test_repeated_scope_is_granted_once() -> None:
    result = request(scope="a a b a")
    assert result.scopes == ("a", "b")
    assert not result.scope_as_requested


@pytest.mark.parametrize("raw", [" a", "a ", "a  b", "a\tb", 'a"', "a\\", "a\x1f", "é", " ", "c", "a c", "A", "a,b"])
def test_malformed_or_foreign_scope_is_refused(raw: str) -> None:
    assert outcome({"scope": raw}) == "invalid_scope"


def test_number_of_requested_scopes_is_limited() -> None:
    many: dict[str, str | None] = {"client_id": "many"}
    assert len(request(**{**many, "scope": " ".join(SCOPES[:SCOPE_LIMIT])}).scopes) == SCOPE_LIMIT
    assert outcome({**many, "scope": " ".join(SCOPES)}) == "invalid_scope"


@pytest.mark.parametrize(
    ("client_id", "uri", "reason"),
    [
        ("many", None, "missing_redirect_uri"),
        ("many", "", "missing_redirect_uri"),
        ("server", None, "missing_redirect_uri"),
        ("server", CB, "wrong_redirect_uri"),
        ("one", CB + "/", "wrong_redirect_uri"),
        ("one", CB.upper(), "wrong_redirect_uri"),
        ("one", CB + "?x=1", "wrong_redirect_uri"),
    ],
)
def test_redirect_uri_is_compared_exactly(client_id: str, uri: str | None, reason: str) -> None:
    assert outcome({"client_id": client_id, "redirect_uri": uri}) == reason


def test_missing_redirect_uri_defaults_to_the_only_registered_one() -> None:
    assert request(redirect_uri=None).target.redirect_uri == CB


@pytest.mark.parametrize(
    ("client_id", "response_type", "mode"),
    [
        ("one", "foo", "fragment"),
        ("one", None, "fragment"),
        ("one", "code", "query"),
        ("one", "code token", "fragment"),
        ("code", "token", "fragment"),
        ("code", "code", "query"),
        ("code", "foo", "query"),
        ("code", None, "query"),
    ],
)
def test_response_type_decides_response_mode_of_error(client_id: str, response_type: str | None, mode: str) -> None:
    with pytest.raises(AuthorizationError) as caught:
        request(client_id=client_id, response_type=response_type, scope=None)
    assert caught.value.target == RedirectTarget(CB, "query" if mode == "query" else "fragment", "S")


def test_token_response_requires_implicit_grant() -> None:
    assert outcome({"client_id": "code", "scope": None}) == "unauthorized_client"


@pytest.mark.parametrize(
    ("uri", "mode", "expected"),
    [
        ("https://c.example/cb", "fragment", "https://c.example/cb#state=a%20b%26%23&error=x"),
        ("https://c.example/cb?q=1", "fragment", "https://c.example/cb?q=1#state=a%20b%26%23&error=x"),
        ("https://c.example/cb", "query", "https://c.example/cb?state=a%20b%26%23&error=x"),
        ("https://c.example/cb?q=1", "query", "https://c.example/cb?q=1&state=a%20b%26%23&error=x"),
    ],
)
def test_location_keeps_uri_and_encodes_parameters(uri: str, mode: Any, expected: str) -> None:
    assert RedirectTarget(uri, mode, "a b&#").location({"error": "x"}) == expected


def test_refusal_by_user_is_access_denied() -> None:
    error = request().access_denied()
    assert error.error == "access_denied"
    assert error.location.startswith(CB + "#state=S&error=access_denied&")


class Owner:
    """A signed-in person with the attributes that the protocol core reads."""

    backend = "staff"
    subject = "7"
    username = "ada"
    claims: ClassVar[dict[str, str]] = {}


class MemoryLinkStore:
    """A link store in memory; `broken` makes it unavailable."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.links: list[tuple[Link, tuple[Token, ...]]] = []

    def create(self, link: Link, tokens: tuple[Token, ...]) -> None:
        if self.broken:
            raise StorageUnavailableError
        self.links.append((link, tokens))

    def find(self, digest: bytes, kind: Any) -> tuple[Link, Token] | None:
        return next(((link, token) for link, tokens in self.links for token in tokens if token.digest == digest), None)


def issuer(store: MemoryLinkStore) -> Any:
    return grants.Issuer(store, b"key", Signer(ISSUER, list))  # type: ignore[arg-type]


def test_implicit_grant_stores_digest_and_returns_token() -> None:
    store = MemoryLinkStore()
    location = grants.authorize_implicit(request(client_id="many", scope="s1 s1"), Owner(), "de", issuer(store), 1000)
    response = dict(pair.split("=") for pair in location.removeprefix(CB + "#").split("&"))
    (link, (token,)) = store.links[0]
    assert token == Token(digest(response.pop("access_token")), "access", 1000, 1600)
    assert response == {"state": "S", "token_type": "Bearer", "expires_in": "600", "scope": "s1"}
    assert link == Link("staff", "7", "ada", "many", ("s1",), "implicit", "de", 1000)
    assert link.sub == "staff:7"


def test_implicit_grant_returns_no_token_that_is_not_stored() -> None:
    with pytest.raises(StorageUnavailableError):
        grants.authorize_implicit(request(), Owner(), "en", issuer(MemoryLinkStore(broken=True)), 1000)


def test_secret_pasted_as_client_id_is_not_logged() -> None:
    clients = Clients([Client("alexa", frozenset({"implicit"}), (CB,), secret_sha256=sha256(b"the secret").digest())])
    with pytest.raises(UntrustedRequestError) as refused:
        parse([("client_id", "the secret")], clients, ISSUER)
    assert "the secret of alexa is not one of alexa" in refused.value.log
    assert "'the secret'" not in refused.value.log


def test_several_resources_are_accepted_and_ignored() -> None:
    """A request may name several resource servers (RFC 8707 section 2)."""
    resources = [("resource", "https://a.example.com"), ("resource", "https://b.example.com")]
    pairs = [("client_id", "many"), ("redirect_uri", CB), ("response_type", "token"), ("state", "S")]
    parsed = parse([*pairs, *resources], CLIENTS, ISSUER)
    assert "resource" not in dict(parsed.parameters)
    with pytest.raises(UntrustedRequestError):
        parse([*pairs, ("state", "S")], CLIENTS, ISSUER)


def test_missing_client_id_is_not_logged_as_an_unknown_one() -> None:
    for pairs in ([], [("client_id", "")]):
        with pytest.raises(UntrustedRequestError) as refused:
            parse(pairs, CLIENTS, ISSUER)
        assert refused.value.log.startswith("client_id is missing or empty, and must be one of one, many")
