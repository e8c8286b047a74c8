"""Tests of client authentication, and of the tokens that a client may introspect."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest

from linkauth.oauth2.clients import CREDENTIALS_LIMIT, Client, ClientRequest, Clients
from linkauth.oauth2.errors import ClientRequestError, InvalidClientError

ODD = "p+a%2B ss:wörd&="
IMPLICIT = frozenset({"implicit"})
CLIENTS = Clients(
    [
        Client("alexa", IMPLICIT, secret_sha256=sha256(b"the secret").digest()),
        Client("odd:id".replace(":", "+"), secret_sha256=sha256(ODD.encode()).digest()),
        Client("public", IMPLICIT),
        Client("zeros", secret_sha256=bytes(32)),
    ]
)


def header(client_id: str, secret: str) -> str:
    return "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode("ascii")


def test_client_authenticates_by_header_or_body() -> None:
    assert CLIENTS.authenticate(ClientRequest({}, header("alexa", "the secret"))).client_id == "alexa"
    assert (
        CLIENTS.authenticate(ClientRequest({"client_id": "alexa", "client_secret": "the secret"}, None)).client_id
        == "alexa"
    )
    assert (
        CLIENTS.authenticate(ClientRequest({"client_id": "alexa"}, header("alexa", "the secret"))).client_id == "alexa"
    )


def test_header_over_length_limit_is_refused() -> None:
    right = header("alexa", "the secret")
    assert CLIENTS.authenticate(ClientRequest({}, right + " " * 100)).client_id == "alexa"
    with pytest.raises(InvalidClientError):
        CLIENTS.authenticate(ClientRequest({}, right + " " * CREDENTIALS_LIMIT))


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_scheme_is_case_insensitive(scheme: str) -> None:
    value = header("alexa", "the secret").replace("Basic", scheme)
    assert CLIENTS.authenticate(ClientRequest({}, value)).client_id == "alexa"


def test_credentials_in_header_may_be_raw_or_form_encoded() -> None:
    assert CLIENTS.authenticate(ClientRequest({}, header("odd+id", ODD))).client_id == "odd+id"
    assert (
        CLIENTS.authenticate(ClientRequest({}, header("odd%2Bid", "p%2Ba%252B+ss%3Aw%C3%B6rd%26%3D"))).client_id
        == "odd+id"
    )
    assert CLIENTS.authenticate(ClientRequest({}, header("alexa", "the+secret"))).client_id == "alexa"
    assert CLIENTS.authenticate(ClientRequest({}, header("alexa", "the%20secret"))).client_id == "alexa"


@pytest.mark.parametrize(
    "authorization",
    [
        header("alexa", "wrong"),
        header("alexa", ""),
        header("alexa", "the secret\0"),
        header("Alexa", "the secret"),
        header("nobody", "the secret"),
        header("public", ""),
        header("public", "\0" * 32),
        header("zeros", ""),
        header("zeros", "\0" * 32),
        header("", ""),
        "Basic",
        "Basic ",
        "Basic " + b64encode(b"alexa").decode(),
        "Basic " + b64encode(b"\xff:\xff").decode(),
        "Basic alexa:the secret",
        "Basic \u0100",
        "Bearer " + header("alexa", "the secret").removeprefix("Basic "),
        "",
    ],
)
def test_wrong_credentials_in_header_are_refused(authorization: str) -> None:
    with pytest.raises(InvalidClientError) as caught:
        CLIENTS.authenticate(ClientRequest({}, authorization))
    assert caught.value.status == 401
    assert caught.value.error == "invalid_client"


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"client_id": "alexa"},
        {"client_secret": "the secret"},
        {"client_id": "alexa", "client_secret": ""},
        {"client_id": "alexa", "client_secret": "\ud800"},
        {"client_id": "public", "client_secret": ""},
        {"client_id": "nobody", "client_secret": "the secret"},
    ],
)
def test_wrong_credentials_in_body_are_refused(form: dict[str, str]) -> None:
    with pytest.raises(InvalidClientError):
        CLIENTS.authenticate(ClientRequest(form, None))


@pytest.mark.parametrize(
    "form",
    [
        {"client_id": "alexa", "client_secret": "the secret"},
        {"client_secret": "the secret"},
        {"client_secret": ""},
        {"client_id": "public"},
    ],
)
def test_credentials_in_header_and_body_are_refused(form: dict[str, str]) -> None:
    with pytest.raises(ClientRequestError) as caught:
        CLIENTS.authenticate(ClientRequest(form, header("alexa", "the secret")))
    assert caught.value.error == "invalid_request"
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("client", "own", "named", "stranger"),
    [
        (Client("x", IMPLICIT), True, False, False),
        (Client("x", IMPLICIT, introspects=frozenset({"named"})), True, True, False),
        (Client("x"), True, True, True),
        (Client("x", introspects=frozenset({"named"})), False, True, False),
    ],
)
def test_client_may_introspect_permitted_tokens_only(client: Client, own: bool, named: bool, stranger: bool) -> None:
    assert [client.may_introspect(name) for name in ("x", "named", "stranger")] == [own, named, stranger]


def test_repr_of_client_contains_no_secret() -> None:
    client = Client("x", secret_sha256=b"digest of the secret")
    assert "digest of the secret" not in repr(client)
