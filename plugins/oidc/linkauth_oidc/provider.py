"""The provider: it sends people to the authorization endpoint, and turns the answer into a person."""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from linkauth.backends import BackendUnavailable, Check
from linkauth.net import Deadline
from linkauth.sign_ins import (
    InvalidAnswer,
    ProvidedIdentity,
    Redirect,
    SignInProvider,
    SignInRequest,
    SignInResponse,
)
from linkauth_oidc import checks, registration
from linkauth_oidc.cache import Cache
from linkauth_oidc.claims import NEVER_VERIFIED, is_issuer, is_missing, issuer_of, merged, name_in_form, person
from linkauth_oidc.client import Answer, Client
from linkauth_oidc.documents import is_same, text_of
from linkauth_oidc.errors import authorization_error, token_error
from linkauth_oidc.id_token import Expected, verify
from linkauth_oidc.keys import Keys
from linkauth_oidc.metadata import Metadata, discover, from_settings
from linkauth_oidc.settings import OIDCSettings
from linkauth_oidc.tokens import Tokens, read_tokens, send_code, signing_key

CODE_LIMIT = 8192
"""The maximum number of characters of a code. Those of Microsoft have about 1,500."""


class OIDCProvider(SignInProvider):
    """People of an OpenID provider, or of an OAuth 2 server with a userinfo endpoint."""

    Settings: ClassVar[type] = OIDCSettings

    def __init__(
        self,
        settings: OIDCSettings,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._clock = settings, clock
        preset = settings.of_preset
        self.brand, self.brand_name = preset.brand, preset.brand_name
        self.refuses_embedded_browsers = preset.refuses_embedded_browsers
        self.response_mode = settings.response_mode
        if settings.uses_signed_secret:
            signing_key(settings.private_key)
        self._client = Client(settings)
        self._metadata = Cache("discovery document", self._discover, monotonic)
        self._keys = Keys(self._client, lambda deadline: self._metadata.get(deadline).jwks_uri, monotonic)

    def begin(self, request: SignInRequest) -> Redirect:
        settings = self._settings
        metadata = self._metadata.get(self._deadline())
        verifier = secrets.token_urlsafe(48)
        challenge = urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")
        memory = {"verifier": verifier}
        parameters = {
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(settings.scopes),
            "state": request.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if settings.is_openid:
            parameters["nonce"] = memory["nonce"] = secrets.token_urlsafe(32)
            if request.language:
                parameters["ui_locales"] = request.language
        if settings.response_mode != "query":
            parameters["response_mode"] = settings.response_mode
        if settings.prompt:
            parameters["prompt"] = settings.prompt
        if len(settings.hosted_domains) == 1:
            parameters["hd"] = settings.hosted_domains[0]
        separator = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        # some providers take a plus sign in a scope literally
        query = urlencode(parameters, quote_via=quote)
        return Redirect(f"{metadata.authorization_endpoint}{separator}{query}", memory)

    def finish(self, response: SignInResponse) -> ProvidedIdentity:
        settings, deadline = self._settings, self._deadline()
        metadata = self._metadata.get(deadline)
        self._check_origin(response, metadata)
        tokens = self._tokens(response, metadata, deadline)
        if not settings.is_openid:
            return person(settings, self._userinfo(metadata, tokens, deadline))
        expected = Expected(
            partial(issuer_of, settings), settings.client_id, response.memory.get("nonce", ""), tokens.access_token
        )
        if not expected.nonce:
            raise InvalidAnswer("this sign-in has no nonce: it was not begun by this provider")
        claims = verify(tokens.id_token, self._keys, expected, self._clock(), deadline)
        if not text_of(claims, "sub"):
            raise InvalidAnswer("the ID token has no sub")
        asks = settings.userinfo == "always" or (settings.userinfo == "missing" and is_missing(settings, claims))
        if asks and metadata.userinfo_endpoint:
            userinfo = self._userinfo(metadata, tokens, deadline)
            if userinfo.get("sub") != claims["sub"]:
                raise InvalidAnswer("the userinfo endpoint answers with another person (sub) than the ID token")
            claims = merged(settings, claims, userinfo)
        form_name = name_in_form(response.parameters.get("user", "")) if settings.preset == "apple" else ""
        return person(settings, claims, form_name)

    def _check_origin(self, response: SignInResponse, metadata: Metadata) -> None:
        """Checks that the answer belongs to this request and this provider (RFC 9207), and raises what its error means.

        Raises InvalidAnswer, SignInCancelled, BackendUnavailable or BackendMisconfigured.
        """
        parameters = response.parameters
        if not is_same(parameters.get("state", ""), response.request.state):
            raise InvalidAnswer("the answer has another state than the request")
        issuer = parameters.get("iss")
        if issuer is None and metadata.announces_iss:
            raise InvalidAnswer("the answer has no issuer (iss), although the provider announces one")
        if issuer is not None and not is_issuer(self._settings, issuer):
            hint = "" if self._settings.issuer else ": if the provider sends iss, set issuer to it"
            raise InvalidAnswer(f"the answer is of another issuer (iss){hint}")
        if "error" in parameters:
            raise authorization_error(parameters)

    def _tokens(self, response: SignInResponse, metadata: Metadata, deadline: Deadline) -> Tokens:
        code, verifier = response.parameters.get("code", ""), response.memory.get("verifier", "")
        if not 0 < len(code) <= CODE_LIMIT or not code.isprintable():
            raise InvalidAnswer("the answer has no code, or one that is too long")
        if not verifier:
            raise InvalidAnswer("this sign-in has no PKCE verifier: it was not begun by this provider")
        return read_tokens(
            self.send_code(metadata, code, response.request.redirect_uri, verifier, deadline), self._settings.is_openid
        )

    def send_code(self, metadata: Metadata, code: str, redirect_uri: str, verifier: str, deadline: Deadline) -> Answer:
        """Returns the answer of the token endpoint. Raises BackendUnavailable or BackendMisconfigured."""
        return send_code(self._settings, self._client, metadata, code, redirect_uri, verifier, self._clock(), deadline)

    def _userinfo(self, metadata: Metadata, tokens: Tokens, deadline: Deadline) -> Mapping[str, Any]:
        """Returns the claims of the userinfo endpoint (OpenID Connect Core section 5.3).

        Raises InvalidAnswer, BackendUnavailable or BackendMisconfigured.
        """
        url = metadata.userinfo_endpoint
        if self._settings.preset == "facebook":
            # apps may be set up to require this proof that the secret is known, too
            proof = hmac.digest(self._settings.client_secret.encode(), tokens.access_token.encode(), "sha256").hex()
            url = f"{url}{'&' if '?' in url else '?'}appsecret_proof={proof}"
        answer = self._client.get(url, deadline, {"Authorization": f"Bearer {tokens.access_token}"})
        document = answer.document
        if document is not None and isinstance(document.get("error"), dict):
            raise token_error(answer)
        if answer.status in (400, 401, 403):
            raise InvalidAnswer(f"the userinfo endpoint refuses the access token: {answer}")
        if answer.status != 200 or document is None:
            raise BackendUnavailable(f"the userinfo endpoint did not answer as it should: {answer}")
        return document

    def _discover(self, deadline: Deadline) -> Metadata:
        return (
            discover(self._settings, self._client, deadline)
            if self._settings.is_openid
            else from_settings(self._settings)
        )

    def _deadline(self) -> Deadline:
        return Deadline(self._settings.total_timeout)

    def may_verify(self, claim: str) -> bool:
        if claim == "email":
            return self._settings.preset not in NEVER_VERIFIED and self._settings.may_verify_email
        return claim in self._settings.verified_claims

    def hosts(self) -> tuple[str, ...]:
        return self._settings.page_hosts

    def registration(self, redirect_uri: str) -> Mapping[str, str]:
        return registration.fields(self._settings, redirect_uri)

    def check(self) -> Iterator[Check]:
        return checks.run(self._settings, self._discover, self._keys, self.send_code)

    def close(self) -> None:
        self._client.close()
