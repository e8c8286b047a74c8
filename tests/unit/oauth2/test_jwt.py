"""Tests of JWT access tokens, signing keys and the deny list, verified by joserfc and with cryptography alone."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import Engine, text

from linkauth.config.settings import SettingsError
from linkauth.oauth2.jwt import Signer
from linkauth.oauth2.tokens import Link, SigningKey
from linkauth.storage import KeyStore, open_engine, upgrade

NOW = 1_800_000_000
LINK = Link("staff", "1", "ada", "home", ("order_car", "profile"), "authorization_code", "de", NOW)
ISSUER = "https://link.example.com"
SECRET = "only for tests, 32 characters or more"


def part(encoded: str) -> bytes:
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def verify_without_jose(token: str, jwks: dict[str, Any]) -> tuple[Any, Any]:
    """Verifies the ES256 signature of a JWS without a JOSE library; returns its header and claims."""
    header, claims, signature = token.split(".")
    result = json.loads(part(header))
    [key] = [key for key in jwks["keys"] if key["kid"] == result["kid"]]
    x, y = (int.from_bytes(part(key[name]), "big") for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    r, s = int.from_bytes(part(signature)[:32], "big"), int.from_bytes(part(signature)[32:], "big")
    public.verify(encode_dss_signature(r, s), f"{header}.{claims}".encode("ascii"), ec.ECDSA(SHA256()))
    return result, json.loads(part(claims))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/keys.sqlite")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def open_store(engine: Engine) -> Callable[..., KeyStore]:
    """`open_store(secret)` returns the key store of the database, opened with `secret`."""
    return lambda secret=SECRET: KeyStore(engine, secret)


@pytest.fixture
def store(open_store: Callable[..., KeyStore]) -> KeyStore:
    return open_store()


def signer(*keys: SigningKey) -> Signer:
    return Signer(ISSUER, lambda: keys)


def test_access_token_conforms_to_rfc_9068() -> None:
    signing = signer(SigningKey.new(NOW))
    token, jti = signing.access_token(LINK, ("order_car",), NOW, NOW + 3600)
    header, claims = verify_without_jose(token, signing.jwks(NOW))
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert set(header) == {"typ", "alg", "kid"}
    assert claims == {
        "iss": ISSUER,
        "sub": "staff:1",
        "aud": "home",
        "client_id": "home",
        "scope": "order_car",
        "iat": NOW,
        "exp": NOW + 3600,
        "jti": jti,
    }
    decoded = jwt.decode(token, KeySet.import_key_set(signing.jwks(NOW)), algorithms=["ES256"])
    assert decoded.claims == claims


def test_jti_is_unique() -> None:
    signing = signer(SigningKey.new(NOW))
    result = {signing.access_token(LINK, (), NOW, NOW + 1)[1] for _ in range(20)}
    assert len(result) == 20
    assert all(len(jti) >= 22 for jti in result)


def test_changed_token_fails_verification() -> None:
    signing = signer(SigningKey.new(NOW))
    token, _ = signing.access_token(LINK, ("order_car",), NOW, NOW + 3600)
    other, _ = signing.access_token(LINK, ("order_car", "profile"), NOW, NOW + 3600)
    header, _, signature = token.split(".")
    mixed = ".".join((header, other.split(".")[1], signature))
    with pytest.raises(InvalidSignature):
        verify_without_jose(mixed, signing.jwks(NOW))
    with pytest.raises(JoseError):
        jwt.decode(mixed, KeySet.import_key_set(signing.jwks(NOW)), algorithms=["ES256"])


def test_jwks_contains_only_public_parameters() -> None:
    keys = [SigningKey.new(NOW - 10), SigningKey.new(NOW)]
    for published in signer(*keys).jwks(NOW)["keys"]:
        assert set(published) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (published["kty"], published["crv"], published["alg"]) == ("EC", "P-256", "ES256")
    assert "PRIVATE" not in repr(keys)
    assert keys[0].key.as_dict(private=True)["d"] not in repr(keys)


def test_rotated_keys_overlap(store: KeyStore) -> None:
    """A key is published before it signs, and until the last token that it signed expires."""
    import time

    now = int(time.time())
    old = store.rotate(now - 100, 0)
    before, _ = Signer(ISSUER, store.load_readable).access_token(LINK, (), now, now + 3600)
    new = store.rotate(now + 900, now + 5400)
    signing = Signer(ISSUER, store.load_readable)
    assert [key["kid"] for key in signing.jwks(now)["keys"]] == [old.kid, new.kid]
    for at, kid in ((now, old.kid), (now + 899, old.kid), (now + 900, new.kid)):
        token, _ = signing.access_token(LINK, (), at, at + 3600)
        header, _ = verify_without_jose(token, signing.jwks(at))
        assert header["kid"] == kid
    assert verify_without_jose(before, signing.jwks(now + 5399))[0]["kid"] == old.kid
    assert [key["kid"] for key in signing.jwks(now + 5400)["keys"]] == [new.kid]
    with pytest.raises(ValueError, match="not enough values"):
        verify_without_jose(before, signing.jwks(now + 5400))


def test_retired_key_is_deleted(store: KeyStore) -> None:
    store.rotate(NOW - 10**9, 0)
    young = store.rotate(NOW - 10**8, 1)
    assert [key.kid for key in store.load_readable()] == [young.kid]


def test_key_does_not_sign_before_its_start(store: KeyStore) -> None:
    assert Signer(ISSUER, store.load_readable).signing_kid(NOW) is None
    created = store.rotate(NOW, 0)
    assert Signer(ISSUER, store.load_readable).signing_kid(NOW - 1) is None
    assert Signer(ISSUER, store.load_readable).signing_kid(NOW) == created.kid


def test_keys_are_encrypted_with_the_secret(engine: Engine, open_store: Callable[..., KeyStore]) -> None:
    created = open_store().rotate(NOW, 0)
    with engine.connect() as connection:
        written = str(connection.execute(text("SELECT * FROM signing_keys")).all())
    assert created.key.as_dict(private=True)["d"] not in written
    with pytest.raises(SettingsError, match=r"^linkauth\.secret: cannot decrypt") as error:
        open_store("another secret of 32 characters or more").load_readable()
    assert "another secret of" not in str(error.value)
    assert [key.kid for key in open_store().load_readable()] == [created.kid]


def reread(store: KeyStore) -> Sequence[SigningKey]:
    """Returns the keys after the background thread has reread them."""
    store.current()
    with store._lock:
        return store._cache[1]


def test_last_known_keys_are_used_while_database_is_down(
    engine: Engine, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = store.rotate(NOW, 0)
    assert [key.kid for key in store.current()] == [created.kid]
    monkeypatch.setattr("linkauth.storage.keys.RELOAD_SECONDS", -1)
    monkeypatch.setattr("linkauth.storage.keys.RETRY_SECONDS", -1)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE signing_keys RENAME TO away"))
    assert [key.kid for key in reread(store)] == [created.kid]
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO signing_keys"))
    young = store.rotate(NOW + 1, NOW * 2)
    assert [key.kid for key in reread(store)] == [created.kid, young.kid]


def test_reread_of_keys_does_not_block_callers(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    created = store.rotate(NOW, 0)
    assert [key.kid for key in store.current()] == [created.kid]
    released, waits = threading.Event(), []
    monkeypatch.setattr("linkauth.storage.keys.RELOAD_SECONDS", -1)
    monkeypatch.setattr(store, "_load_into_cache", lambda keys: waits.append(released.wait(30)))
    assert [key.kid for key in store.current()] == [created.kid]
    assert waits == []
    released.set()
    with store._lock:
        assert waits == [True]


def test_deny_list_is_signed_and_short_lived() -> None:
    signing = signer(SigningKey.new(NOW))
    header, claims = verify_without_jose(signing.deny_list(["a", "b"], NOW), signing.jwks(NOW))
    assert header["typ"] == "deny-list+jwt"
    assert claims == {"iss": ISSUER, "iat": NOW, "exp": NOW + 600, "revoked": ["a", "b"]}
