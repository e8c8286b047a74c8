"""Who a client is, and whose tokens it may ask about."""

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


def test_a_client_proves_itself_by_header_or_body() -> None:
    assert CLIENTS.authenticate(ClientRequest({}, header("alexa", "the secret"))).client_id == "alexa"
    assert (
        CLIENTS.authenticate(ClientRequest({"client_id": "alexa", "client_secret": "the secret"}, None)).client_id
        == "alexa"
    )
    assert (
        CLIENTS.authenticate(ClientRequest({"client_id": "alexa"}, header("alexa", "the secret"))).client_id == "alexa"
    )


def test_a_header_over_the_limit_is_not_read() -> None:
    right = header("alexa", "the secret")
    assert CLIENTS.authenticate(ClientRequest({}, right + " " * 100)).client_id == "alexa"
    with pytest.raises(InvalidClientError):
        CLIENTS.authenticate(ClientRequest({}, right + " " * CREDENTIALS_LIMIT))


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_the_scheme_has_no_case(scheme: str) -> None:
    value = header("alexa", "the secret").replace("Basic", scheme)
    assert CLIENTS.authenticate(ClientRequest({}, value)).client_id == "alexa"


def test_a_header_is_read_raw_and_form_decoded() -> None:
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
def test_anything_else_in_the_header_is_refused(authorization: str) -> None:
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
def test_anything_else_in_the_body_is_refused(form: dict[str, str]) -> None:
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
def test_two_ways_at_once_are_refused(form: dict[str, str]) -> None:
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
def test_whose_tokens_a_client_may_ask_about(client: Client, own: bool, named: bool, stranger: bool) -> None:
    assert [client.may_introspect(name) for name in ("x", "named", "stranger")] == [own, named, stranger]


def test_no_secret_is_shown() -> None:
    client = Client("x", secret_sha256=b"digest of the secret")
    assert "digest of the secret" not in repr(client)
