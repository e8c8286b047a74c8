"""Encryption of values in the database, with keys derived from `linkauth.secret` and `linkauth.previous_secrets`.

A value is encrypted as a JWE (RFC 7516; dir with A256GCM). Each encrypted copy is called a seal. A value that servers
with the old and the new secret must read during a rolling restart has one seal for each secret, separated by spaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # joserfc takes 10 MB, so functions import it on demand; many servers do not need it
    from joserfc.jwe import JWERegistry
    from joserfc.jwk import OctKey

_HEADER = {"alg": "dir", "enc": "A256GCM"}
SEAL_LIMIT = 4 * 1024 * 1024
"""Maximum number of characters of a seal. That of joserfc, 65,536, is too few for a person with many groups."""


def derived_keys(purpose: str, secrets: Iterable[str]) -> tuple[bytes, ...]:
    """Returns a key of 32 bytes for each distinct secret of the ini file. Other purposes have other keys."""
    digests = (sha256(purpose.encode("ascii") + secret.encode("utf-8")).digest() for secret in secrets)
    return tuple(dict.fromkeys(digests))


def key_id(key: bytes) -> str:
    """Returns a name of 16 characters for a key, which does not reveal it."""
    return sha256(b"linkauth key id" + key).hexdigest()[:16]


def seal(plaintext: bytes, *keys: bytes) -> str:
    """Returns a seal for each key, separated by spaces."""
    from joserfc import jwe

    registry = _registry()
    return " ".join(jwe.encrypt_compact(_HEADER, plaintext, _import(key), registry=registry) for key in keys)


def open_seal(sealed: str, *keys: bytes) -> bytes | None:
    """Returns the plaintext of the first seal that one of the keys decrypts, or None."""
    from joserfc import jwe
    from joserfc.errors import JoseError

    registry = _registry()
    for key in keys:
        for each in sealed.split():
            try:
                return jwe.decrypt_compact(each, _import(key), registry=registry).plaintext
            except (JoseError, ValueError):
                continue
    return None


def _import(key: bytes) -> OctKey:
    from joserfc.jwk import OctKey

    return OctKey.import_key(key)


def _registry() -> JWERegistry:
    from joserfc.jwe import JWERegistry

    registry = JWERegistry(algorithms=list(_HEADER.values()))
    registry.max_ciphertext_length = SEAL_LIMIT
    return registry
