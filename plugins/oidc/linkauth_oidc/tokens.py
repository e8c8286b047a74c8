"""The token request: a code becomes an access token and an ID token (RFC 6749 section 4.1.3, RFC 7636)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from linkauth.backends import BackendUnavailable
from linkauth.net import Deadline
from linkauth.sign_ins import InvalidAnswer
from linkauth_oidc.client import Answer, Client
from linkauth_oidc.documents import text_of
from linkauth_oidc.errors import token_error
from linkauth_oidc.metadata import Metadata
from linkauth_oidc.settings import OIDCSettings

SECRET_SECONDS = 300
"""The lifetime of a signed client secret. Apple allows 6 months; one is made for each request."""
SKEW_SECONDS = 60


@dataclass(frozen=True)
class Tokens:
    access_token: str = field(repr=False)
    id_token: str = field(repr=False)


@lru_cache(16)
def signing_key(private_key: str) -> ECKey:
    """Returns the key in PEM form that signs client secrets. Raises ValueError."""
    try:
        key = ECKey.import_key(private_key)
    except (JoseError, ValueError, TypeError):
        raise ValueError("private_key is not a private key in PEM form, such as the .p8 file of Apple") from None
    if not key.is_private or key.curve_name != "P-256":
        raise ValueError("private_key is not a private key for the curve P-256")
    return key


def signed_secret(settings: OIDCSettings, now: float) -> str:
    """Returns a client secret that is a JWT (Apple: "Creating a client secret"). `now` is in seconds since 1970."""
    claims = {
        "iss": settings.team_id,
        "sub": settings.client_id,
        "aud": settings.issuer,
        # the other clock may be behind
        "iat": int(now) - SKEW_SECONDS,
        "exp": int(now) + SECRET_SECONDS,
    }
    header = {"alg": "ES256", "kid": settings.key_id}
    return jwt.encode(header, claims, signing_key(settings.private_key), algorithms=["ES256"])


def send_code(
    settings: OIDCSettings,
    client: Client,
    metadata: Metadata,
    code: str,
    redirect_uri: str,
    verifier: str,
    now: float,
    deadline: Deadline,
) -> Answer:
    """Returns the answer of the token endpoint. Raises BackendUnavailable or BackendMisconfigured."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    headers = {}
    method = client_authentication(settings, metadata)
    if method == "basic":
        # both parts are encoded first (RFC 6749 section 2.3.1)
        pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
        headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode("ascii")
    else:
        form["client_id"] = settings.client_id
    if method == "post":
        signed = signed_secret(settings, now) if settings.uses_signed_secret else settings.client_secret
        form["client_secret"] = signed
    return client.post(metadata.token_endpoint, form, deadline, headers)


def client_authentication(settings: OIDCSettings, metadata: Metadata) -> str:
    """Returns how the client authenticates itself. Without an announcement, it is "basic" (RFC 8414 section 2)."""
    if settings.client_authentication != "auto":
        return settings.client_authentication
    if settings.uses_signed_secret:
        return "post"
    announced = metadata.client_authentications
    return "post" if "client_secret_post" in announced and "client_secret_basic" not in announced else "basic"


def read_tokens(answer: Answer, is_openid: bool) -> Tokens:
    """Returns the tokens of an answer (RFC 6749 section 5.1). `is_openid`: there must be an ID token.

    Raises InvalidAnswer, BackendUnavailable or BackendMisconfigured.
    """
    document = answer.document
    access_token, id_token = text_of(document, "access_token"), text_of(document, "id_token")
    if answer.status != 200 or document is None or "error" in document:
        raise token_error(answer)
    if text_of(document, "token_type").lower() != "bearer" or not _is_header_value(access_token):
        raise BackendUnavailable("the token endpoint returned no bearer token")
    if is_openid and not id_token:
        raise InvalidAnswer("the token endpoint returned no ID token: check that scopes contains openid")
    return Tokens(access_token, id_token)


def _is_header_value(token: str) -> bool:
    """Returns whether a token can be sent in a header (RFC 6750 section 2.1, without its exact characters)."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token
