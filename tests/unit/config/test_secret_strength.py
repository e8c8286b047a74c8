"""Tests that guessable secrets are refused at the start, and that random secrets never are."""

from __future__ import annotations

import random
import string
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from uuid import UUID

import pytest

from linkauth.config.clients import ClientSettings
from linkauth.config.reader import SettingsError
from linkauth.config.secret_strength import (
    CLIENT_MIN_BITS,
    CLIENT_MIN_LENGTH,
    PUBLISHED_SECRETS,
    SERVER_MIN_BITS,
    SERVER_MIN_LENGTH,
    estimated_bits,
    weakness,
)
from linkauth.config.settings import Settings
from linkauth.testing import settings_of

ROOT = Path(__file__).parent.parent.parent.parent
GOOD = "5b1c0a9fd2e84637a1f0c93d7be52864"
GUESSABLE = [
    # periodic
    *("aaaaaaaaaaaaaaaa", "abababababababab", "abcabcabcabcabcabc", "0011001100110011", "lovelovelovelove"),
    *("Summer2024Summer2024!", "x1Yx1Yx1Yx1Yx1Yx1Y", "00000000-0000-0000-0000-000000000000", "aabbccddeeffgghh"),
    *("deadbeefdeadbeefdeadbeef", "c2VjcmV0c2VjcmV0c2VjcmV0", "1111-2222-3333-4444"),
    # sequences and keyboard rows
    *("0123456789abcdef", "fedcba9876543210", "abcdefghijklmnop", "12345678901234567890", "a1b2c3d4e5f6g7h8"),
    *("qwertyuiopasdfgh", "QWERTZUIOPASDFGHJKL", "1q2w3e4r5t6y7u8i", "1qaz2wsx3edc4rfv", "ABCDEFGHIJ0123456789"),
    # words
    *("incomprehensibilities", "internationalization", "Wirtschaftswissenschaft", "INTERNATIONALIZATION"),
    *("Internationalization2024", "p4ssw0rdp4ssw0rd", "P@ssw0rd12345678", "correcthorsebatterystaple"),
    *("correct horse battery staple", "Correct-Horse-Battery-Staple-1"),
    # placeholders
    *("changemechangeme", "change-me-please", "your-client-secret-here", "REPLACE_WITH_A_RANDOM_SECRET"),
    *(
        "<insert your secret here>",
        "my-secret-my-secret",
        "MySuperSecretKey123",
        "secretsecretsecret",
        "xxxxxxxxxxxxxxxxxxxx",
    ),
    *("TODO-TODO-TODO-TODO", "placeholder-secret", "example-secret-1234", "this-is-a-secret!!", "test-test-test-test"),
]


@pytest.mark.parametrize("secret", GUESSABLE)
def test_guessable_secret_is_refused_without_its_value(secret: str) -> None:
    for length in (1, 4):
        message = weakness(secret * length, CLIENT_MIN_LENGTH, CLIENT_MIN_BITS)
        assert message, estimated_bits(secret * length)
        assert message.endswith("openssl rand -hex 32")
        assert secret not in message


@pytest.mark.parametrize("secret", GUESSABLE)
def test_guessable_secret_is_refused_at_any_length(secret: str) -> None:
    assert weakness(secret.ljust(SERVER_MIN_LENGTH, secret[0]), SERVER_MIN_LENGTH, SERVER_MIN_BITS)


def test_random_secret_is_accepted() -> None:
    generator = random.Random(5)
    letters = string.ascii_letters + string.digits
    for _ in range(300):
        for size in (16, 20, 24, 32):
            raw = generator.randbytes(size)
            secrets = [
                raw.hex(),
                raw.hex().upper(),
                b64encode(raw).decode(),
                urlsafe_b64encode(raw).decode().rstrip("="),
            ]
            secrets += [str(UUID(bytes=raw[:16])), "".join(generator.choice(letters) for _ in range(size + 4))]
            for secret in secrets:
                if len(secret) >= SERVER_MIN_LENGTH:
                    # the rules for a client secret are weaker
                    assert weakness(secret, SERVER_MIN_LENGTH, SERVER_MIN_BITS) is None, secret
                else:
                    assert weakness(secret, CLIENT_MIN_LENGTH, CLIENT_MIN_BITS) is None, secret


def test_only_beginning_of_long_secret_is_examined() -> None:
    assert weakness(GOOD + "a" * 1_000_000, CLIENT_MIN_LENGTH, CLIENT_MIN_BITS) is None
    assert weakness("a" * 1_000_000 + GOOD, CLIENT_MIN_LENGTH, CLIENT_MIN_BITS)
    assert estimated_bits("") == 0


@pytest.mark.parametrize(("secret", "refused"), [("short", True), ("a" * 64, True), (GOOD, False)])
def test_server_and_client_secrets_are_examined(secret: str, refused: bool) -> None:
    client = settings_of(ClientSettings, name={"": "A"}, secret=secret)
    assert [key for key, _ in client.faults()] == ["secret"] * refused
    assert ("secret" in dict(server(secret).faults())) == refused


def server(secret: str, url: str = "https://link.example.com", client: str = GOOD) -> Settings:
    clients = {"one": settings_of(ClientSettings, name={"": "A"}, secret=client)}
    return Settings(url, {"": "A"}, "sqlite://", secret, backends=(), clients=clients)


@pytest.mark.parametrize("secret", sorted(PUBLISHED_SECRETS))
def test_development_secrets_are_refused_for_public_url(secret: str) -> None:
    assert f".secret = {secret}\n" in (ROOT / "development.ini").read_text("utf-8")
    key = "secret" if len(secret) >= SERVER_MIN_LENGTH else "client.one.secret"
    server_secret, client = (secret, GOOD) if key == "secret" else (GOOD, secret)
    local_faults = dict(server(server_secret, "http://127.0.0.1:6543", client).faults())
    assert not local_faults
    public_faults = dict(server(server_secret, client=client).faults())
    assert list(public_faults) == [key]
    assert secret not in public_faults[key]


def test_fault_names_key_without_secret() -> None:
    error = SettingsError(list(server("abcd" * 10).faults()))
    assert str(error).startswith("secret: is easy to guess")
    assert "abcd" not in str(error)
