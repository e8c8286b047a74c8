"""An authenticator and a browser in Python, which can also answer in ways that no real ones do."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def decoded(value: str) -> bytes:
    return urlsafe_b64decode(value + "=" * (-len(value) % 4))


@dataclass
class Authenticator:
    """One passkey. Its attributes, and those of the client data, can be set to wrong values."""

    origin: str
    credential_id: bytes = b"c" * 32
    count: int = 1
    flags: int = PRESENT | VERIFIED
    rp_id: str = ""
    client_data: dict[str, Any] = field(default_factory=dict)
    statement: tuple[str, dict[str, Any]] = ("none", {})
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: str) -> str:
        """Returns the answer to creation options, both as JSON."""
        asked = json.loads(options)
        format_name, statement = self.statement
        data = self._data(asked["rp"]["id"], ATTESTED) + self._credential_data()
        attestation = cbor2.dumps({"fmt": format_name, "attStmt": statement, "authData": data})
        return self._answer("webauthn.create", asked, attestationObject=encoded(attestation))

    def use(self, options: str) -> str:
        """Returns the answer to request options, both as JSON."""
        asked = json.loads(options)
        data, client = self._data(asked["rpId"]), self._client_data("webauthn.get", asked)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {"authenticatorData": encoded(data), "signature": encoded(signature)}
        return self._answer("webauthn.get", asked, **response)

    def _answer(self, kind: str, asked: dict[str, Any], **response: str) -> str:
        name = encoded(self.credential_id)
        response["clientDataJSON"] = encoded(self._client_data(kind, asked))
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})

    def _client_data(self, kind: str, asked: dict[str, Any]) -> bytes:
        content = {"type": kind, "challenge": asked["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps({**content, **self.client_data}).encode("utf-8")

    def _data(self, rp_id: str, flags: int = 0) -> bytes:
        digest = hashlib.sha256((self.rp_id or rp_id).encode("ascii")).digest()
        return digest + bytes([self.flags | flags]) + self.count.to_bytes(4, "big")

    def _credential_data(self) -> bytes:
        point = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        return bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cbor2.dumps(key)
