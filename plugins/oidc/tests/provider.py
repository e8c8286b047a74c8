"""A provider for tests: OpenID Connect or plain OAuth 2. It checks requests strictly, and can be made hostile."""

from __future__ import annotations

import secrets
import ssl
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from .server import Received, Reply, Server

CLIENT_ID, CLIENT_SECRET = "linkauth", "a secret + of: the client"
RSA = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
SECOND_RSA = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"})
DISCOVERY = "/.well-known/openid-configuration"
Claims = dict[str, Any]


def public(key: Any) -> Claims:
    """Returns the JWK of a public key."""
    return dict(key.as_dict(private=False))


class Provider(Server):
    """A provider for one client. Its person is `person`; the ID token has further claims, which `changes` replaces.

    None in `changes` removes a claim. `sign` makes the token from its claims. `published` are the keys in the JWK set.
    """

    def __init__(self, prefix: str = "", context: ssl.SSLContext | None = None) -> None:
        super().__init__(context)
        self.issuer = self.url + prefix
        self.clock: Callable[[], float] = time.time
        self.client_id, self.client_secret = CLIENT_ID, CLIENT_SECRET
        self.person: Claims = {"sub": "s-1", "email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"}
        self.person["preferred_username"] = "ada"
        self.changes: Claims = {}
        self.header: Claims = {}
        self.userinfo: Claims | None = None
        self.published: list[Claims] = [public(RSA)]
        self.sign: Callable[[Claims], str] = self._sign
        self.key: Any = RSA
        self.token: Claims = {"token_type": "Bearer", "expires_in": 3600}
        self.is_openid = True
        self.codes: dict[str, dict[str, str]] = {}
        self.access_token = secrets.token_urlsafe(24)
        self.discovery: Claims = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        self.replies = {
            prefix + DISCOVERY: lambda _: Reply(self.discovery),
            "/keys": lambda _: Reply({"keys": self.published}),
            "/token": self.exchange,
            "/userinfo": self.show_person,
        }

    def authorize(self, url: str, **changes: str | None) -> dict[str, str]:
        """Plays the browser and the page of the provider: returns the parameters of the answer, with `changes`."""
        asked = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        assert urlsplit(url)._replace(query="").geturl() == self.discovery["authorization_endpoint"]
        assert asked["response_type"] == "code"
        assert asked["client_id"] == self.client_id
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"]}
        if self.discovery.get("authorization_response_iss_parameter_supported"):
            answer["iss"] = self.issuer
        return {name: value for name, value in {**answer, **changes}.items() if value is not None}

    def exchange(self, request: Received) -> Reply:
        """Answers the token request (RFC 6749 section 5)."""
        form = request.form
        if self._credentials(request) != (self.client_id, self.client_secret):
            return Reply({"error": "invalid_client"}, 401)
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if not asked or asked["redirect_uri"] != form.get("redirect_uri") or asked["code_challenge"] != challenge:
            return Reply({"error": "invalid_grant", "error_description": f"not the code {form.get('code')}"}, 400)
        answer = {**self.token, "access_token": self.access_token}
        if self.is_openid:
            answer["id_token"] = self.sign(self.claims_for(asked))
        return Reply(answer)

    def claims_for(self, asked: dict[str, str]) -> Claims:
        """Returns the claims of an ID token."""
        now = int(self.clock())
        claims = {"iss": self.issuer, "aud": self.client_id, "iat": now, "exp": now + 300, "nonce": asked.get("nonce")}
        merged = {**claims, **self.person, **self.changes}
        return {name: value for name, value in merged.items() if value is not None}

    def show_person(self, request: Received) -> Reply:
        """Answers at the userinfo endpoint."""
        if request.headers.get("Authorization") != f"Bearer {self.access_token}":
            return Reply({"error": "invalid_token"}, 401)
        return Reply(self.person if self.userinfo is None else self.userinfo)

    def _sign(self, claims: Claims) -> str:
        algorithm = "ES256" if isinstance(self.key, ECKey) else "RS256"
        return jwt.encode({"alg": algorithm, "kid": self.key.kid, **self.header}, claims, self.key)

    def _credentials(self, request: Received) -> tuple[str, str]:
        kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            name, _, secret = b64decode(encoded).decode().partition(":")
            return unquote_plus(name), unquote_plus(secret)
        return request.form.get("client_id", ""), request.form.get("client_secret", "")


def signed(header: Claims, claims: bytes, key: Any) -> str:
    """Returns a signed JWT whose claims are these bytes, with any algorithm."""
    return jws.serialize_compact(header, claims, key, algorithms=[header["alg"]])
