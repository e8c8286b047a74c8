"""Forms: decoding of queries and bodies, the same-origin check, and the signed form token.

WebOb's parsing is too lenient: it splits at `;`, decodes a body with replacement characters, and uses the last of two
values. Errors are raised as Pyramid's HTTP exceptions; their `detail` is an error code that themes translate.
"""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPRequestEntityTooLarge,
    HTTPRequestTimeout,
    HTTPUnsupportedMediaType,
)

from linkauth.web import bodies

FIELD_LIMIT = 100
"""Maximum number of fields in a query or a form."""
FORM_TOKEN_SECONDS = 900
"""Lifetime of a form token."""
_SIGNATURE_LENGTH = 24
"""Characters of one signature in a form token."""
_MAX_SIGNATURES = 9
"""Maximum number of signatures in a form token."""
_BODY_ERRORS = {
    "too_long": HTTPRequestEntityTooLarge,
    "too_slow": HTTPRequestTimeout,
    "wrong_content_length": HTTPBadRequest,
}
_FORM_TYPE = "application/x-www-form-urlencoded"


def decode_pairs(raw: bytes) -> list[tuple[str, str]]:
    """Return the (name, value) pairs of a query or a form body, in order. The only separator is `&`.

    Raises HTTPBadRequest if the text is not valid UTF-8 or has more than FIELD_LIMIT pairs.
    """
    parts = raw.split(b"&")
    if len(parts) > FIELD_LIMIT:
        raise HTTPBadRequest("too_many_parameters")
    try:
        return [(_decode(name), _decode(value)) for name, _, value in (part.partition(b"=") for part in parts if part)]
    except UnicodeDecodeError:
        raise HTTPBadRequest("not_utf8") from None


def _decode(encoded: bytes) -> str:
    if b"%" in encoded or b"+" in encoded:
        encoded = unquote_to_bytes(encoded.replace(b"+", b" "))
    return encoded.decode("utf-8")


def read_form(environ: dict[str, Any]) -> dict[str, str]:
    """Return the fields of the form body of a WSGI environ.

    Raises HTTPUnsupportedMediaType, HTTPRequestEntityTooLarge, HTTPRequestTimeout or HTTPBadRequest.
    """
    media_type, _, parameters = environ.get("CONTENT_TYPE", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != _FORM_TYPE or charset not in ("", "utf-8"):
        raise HTTPUnsupportedMediaType("wrong_content_type")
    pairs = decode_pairs(_read_body(environ))
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise HTTPBadRequest("repeated_parameter")
    return fields


def _read_body(environ: dict[str, Any]) -> bytes:
    try:
        return bodies.read(environ)
    except bodies.BodyError as error:
        raise _BODY_ERRORS[error.code](error.code) from None


class FormTokens:
    """Protects forms against cross-site requests with the browser's origin headers and a signed token in the form.

    The token expires and is bound to the query, so it also detects a stale page. It needs no cookie and no stored
    state. `secret` signs the token; `public_url` determines the expected origin.

    `previous_secrets` are former secrets, which are set while a secret is being replaced. A token has one signature per
    secret, and one valid signature is sufficient. So servers with the former secret and servers with the new secret
    accept each other's forms.
    """

    def __init__(
        self, secret: str, public_url: str, clock: Callable[[], float] = time.time, previous_secrets: Sequence[str] = ()
    ) -> None:
        url = urlsplit(public_url)
        # browsers omit the default port of the scheme
        default_port = {"https": ":443", "http": ":80"}[url.scheme]
        self._origin = f"{url.scheme}://{url.netloc.removesuffix(default_port)}".lower()
        self._keys = [
            sha256(b"linkauth form token" + text.encode("utf-8")).digest() for text in (secret, *previous_secrets)
        ]
        self._clock = clock

    def check_origin(self, environ: dict[str, Any]) -> None:
        """Check that a POST request comes from a page of this server. Raises HTTPBadRequest.

        The check uses Origin if present, else Sec-Fetch-Site, else Referer.
        """
        origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
        if origin is not None and origin != "null":
            same_origin = origin.lower() == self._origin and site in (None, "same-origin")
        elif site is not None:
            same_origin = site == "same-origin"
        else:
            same_origin = environ.get("HTTP_REFERER", "").lower().startswith(self._origin + "/")
        if not same_origin:
            raise HTTPBadRequest("cross_site")

    def token(self, query: str) -> str:
        """Return a form token for the raw query string."""
        expiry = str(int(self._clock()) + FORM_TOKEN_SECONDS)
        return f"{expiry}.{''.join(self._signatures(expiry, query))}"

    def is_valid(self, token: str, query: str) -> bool:
        """Report whether `token` was issued for this query and has not expired."""
        expiry, _, signatures = token.partition(".")
        if not expiry.isascii() or not expiry.isdecimal() or len(expiry) > 12:
            return False
        size = _SIGNATURE_LENGTH
        if not signatures.isascii() or len(signatures) % size or len(signatures) > size * _MAX_SIGNATURES:
            return False
        presented = [signatures[begin : begin + size] for begin in range(0, len(signatures), size)]
        expected = self._signatures(expiry, query)
        signed = any(hmac.compare_digest(one, other) for one in presented for other in expected)
        return signed and int(expiry) > self._clock()

    def _signatures(self, expiry: str, query: str) -> list[str]:
        message = f"{expiry}\0{query}".encode("utf-8", "surrogatepass")
        macs = (hmac.digest(key, message, "sha256") for key in self._keys)
        return [urlsafe_b64encode(mac[:18]).decode("ascii") for mac in macs]
