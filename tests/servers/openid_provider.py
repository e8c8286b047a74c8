"""Starts a real OpenID Connect provider, npm oidc-provider, on a free loopback port."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.servers.development_server import ROOT, free_port
from tests.servers.process import Process, tail

PROGRAM = Path(__file__).with_name("openid") / "provider.mjs"
MODULE = ROOT / "var/openid/node_modules/oidc-provider/lib/index.js"
"""The module that `make test` installs."""
INSTALL = "make var/openid/.installed"
CLIENT_ID, CLIENT_SECRET = "linkauth", "the secret of linkauth at the provider"
ACCOUNTS: dict[str, dict[str, Any]] = {
    "ada": {"sub": "f1c5a9e2", "email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"},
    "grace": {"sub": "0b7d4413", "email": "grace@example.com", "email_verified": True, "name": "Grace Hopper"},
    "alan": {"sub": "77e0c4aa", "email": "alan@example.com", "email_verified": True, "name": "Alan Turing"},
    "konrad": {"sub": "e84f1d26", "email": "konrad@example.com", "email_verified": True, "name": "Konrad Zuse"},
    "unproven": {"sub": "9a3e77d0", "email": "ada@example.com", "email_verified": False, "name": "Not Ada"},
    "silent": {"sub": "41be6f08", "email": "ada@example.com", "name": "Not Ada Either"},
    "stranger": {"sub": "c2286b1f", "email": "stranger@example.net", "email_verified": True, "name": "Some Stranger"},
    "nameless": {"sub": "5d90c3b7"},
}
"""The people of the provider: the user name, and the claims.

The demo user with the address of `konrad` is disabled. The provider does not vouch for the addresses of `unproven` and
`silent`, which are those of another person.
"""


def missing() -> str:
    """Returns what must be installed before a provider can start, or ""."""
    if not shutil.which("node"):
        return "node is missing. To install it, run: sudo apt-get install nodejs npm"
    return "" if MODULE.is_file() else f"oidc-provider is missing. To install it, run: {INSTALL}"


def required() -> None:
    """Skips the test if the provider is not installed. In CI the test fails instead."""
    if message := missing():
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


class OpenIDProvider:
    """The provider whose issuer is `issuer`, with one client, and the people of ACCOUNTS.

    Its host name `localhost` makes requests from its pages to a server at 127.0.0.1 cross-site. `accounts` may be
    changed; call `reload` afterwards. The ID token contains the claims, unless `id_token_claims` is False.
    """

    def __init__(self, folder: Path, redirect_uris: Iterable[str], id_token_claims: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = self.issuer = f"http://localhost:{self.port}"
        self.log = folder / "log"
        self.accounts = {name: dict(claims) for name, claims in ACCOUNTS.items()}
        self.redirect_uris = list(redirect_uris)
        self.id_token_claims = id_token_claims
        self._path = folder / "provider.json"
        self._cookie_key = token_hex(16)
        self._key = _new_key()
        node = shutil.which("node") or "node"
        command = [node, str(PROGRAM), str(MODULE), str(self._path)]
        self._process = Process("oidc-provider", lambda: command, self.log)

    def start(self) -> None:
        self._write()
        self._process.start(self._is_current)

    def stop(self) -> None:
        """Ends the provider, which forgets sessions and codes. `start` starts it again."""
        self._process.stop()

    def hang(self) -> None:
        """Suspends the provider: it accepts connections but does not answer."""
        self._process.hang()

    def resume(self) -> None:
        self._process.resume()

    def rotate_keys(self) -> None:
        """Replaces the signing key. ID tokens that are issued from now on are signed by the new one only."""
        self._key = _new_key()
        self.reload()

    def reload(self) -> None:
        """Makes the changes of `accounts`, `redirect_uris` and the key effective, and waits for it."""
        self._write()
        os.kill(self._process.pid, signal.SIGHUP)
        deadline = time.monotonic() + 30
        while not self._is_current():
            if not self._process.is_running() or time.monotonic() > deadline:
                raise RuntimeError(f"oidc-provider has not loaded its configuration:\n{tail(self.log)}")
            # polls the condition of the loop
            time.sleep(0.02)

    def _write(self) -> None:
        """Writes the configuration. A new `version` shows in the metadata of the provider that it was loaded."""
        self._version = token_hex(8)
        client = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": self.redirect_uris,
            "response_types": ["code"],
            "grant_types": ["authorization_code"],
        }
        config = {
            "issuer": self.issuer,
            "port": self.port,
            "clients": [client],
            "jwks": {"keys": [self._key]},
            "cookie_key": self._cookie_key,
            "accounts": self.accounts,
            "id_token_claims": self.id_token_claims,
            "version": self._version,
        }
        self._path.write_text(json.dumps(config), "utf-8")

    def _is_current(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.issuer}/.well-known/openid-configuration", timeout=2) as response:
                return bool(json.load(response)["service_documentation"] == f"{self.issuer}/{self._version}")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def _new_key() -> dict[str, Any]:
    """Returns a new private RSA key as a JWK for RS256."""
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": token_hex(8)}, private=True)
    return dict(key.as_dict(private=True))
