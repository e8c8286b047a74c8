"""Forms: decoding queries and bodies, same-origin posts, and the signed form token.

WebOb's own parsing is not used for input: it splits on `;`, decodes a body with replacement characters, and lets the
last of two values win. What is refused is raised as an HTTP exception of Pyramid whose `detail` is a code that themes
put into words.
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
FORM_TOKEN_SECONDS = 900
_SIGNATURE = 24
"""Characters of one signature of a form token."""
_MOST_SIGNATURES = 9
_BODY_ERRORS = {
    "too_long": HTTPRequestEntityTooLarge,
    "too_slow": HTTPRequestTimeout,
    "wrong_content_length": HTTPBadRequest,
}
_FORM_TYPE = "application/x-www-form-urlencoded"


def decode_pairs(raw: bytes) -> list[tuple[str, str]]:
    """The (name, value) pairs of a query or a form body, in order; `&` alone separates, UTF-8 alone is text.

    Raises HTTPBadRequest for broken UTF-8 or more than FIELD_LIMIT pairs.
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
    """The form body of a WSGI environ, name to value.

    Raises HTTPUnsupportedMediaType, HTTPRequestEntityTooLarge, HTTPRequestTimeout or HTTPBadRequest.
    """
    media_type, _, parameters = environ.get("CONTENT_TYPE", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != _FORM_TYPE or charset not in ("", "utf-8"):
        raise HTTPUnsupportedMediaType("wrong_content_type")
    pairs = decode_pairs(_body(environ))
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise HTTPBadRequest("repeated_parameter")
    return fields


def _body(environ: dict[str, Any]) -> bytes:
    try:
        return bodies.read(environ)
    except bodies.BodyError as error:
        raise _BODY_ERRORS[error.code](error.code) from None


class FormTokens:
    """Is a post our own form's? By the browser's word about its origin, and by a signed token in the form.

    The token expires and is bound to the query, so that it detects a stale page; nothing is kept and no cookie is
    needed. `secret` signs it, `public_url` says which origin is our own. With `previous` secrets a token is signed by
    each of them too, and one signature of any of them is enough: so servers whose ini names the former secret and
    servers whose ini names the new one take each other's pages.
    """

    def __init__(
        self, secret: str, public_url: str, clock: Callable[[], float] = time.time, previous: Sequence[str] = ()
    ) -> None:
        url = urlsplit(public_url)
        # browsers leave out the scheme's own port
        default_port = {"https": ":443", "http": ":80"}[url.scheme]
        self._origin = f"{url.scheme}://{url.netloc.removesuffix(default_port)}".lower()
        self._keys = [sha256(b"linkauth form token" + each.encode("utf-8")).digest() for each in (secret, *previous)]
        self._clock = clock

    def check_origin(self, environ: dict[str, Any]) -> None:
        """Raises HTTPBadRequest unless Origin, else Sec-Fetch-Site, else Referer says that the post is our own."""
        origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
        if origin is not None and origin != "null":
            own = origin.lower() == self._origin and site in (None, "same-origin")
        elif site is not None:
            own = site == "same-origin"
        else:
            own = environ.get("HTTP_REFERER", "").lower().startswith(self._origin + "/")
        if not own:
            raise HTTPBadRequest("cross_site")

    def token(self, query: str) -> str:
        """A form token for the raw query string."""
        expiry = str(int(self._clock()) + FORM_TOKEN_SECONDS)
        return f"{expiry}.{''.join(self._signatures(expiry, query))}"

    def is_fresh(self, token: str, query: str) -> bool:
        """Was `token` made for this query, and is it young enough?"""
        expiry, _, signatures = token.partition(".")
        if not expiry.isascii() or not expiry.isdecimal() or len(expiry) > 12:
            return False
        if not signatures.isascii() or len(signatures) % _SIGNATURE or len(signatures) > _SIGNATURE * _MOST_SIGNATURES:
            return False
        given = [signatures[begin : begin + _SIGNATURE] for begin in range(0, len(signatures), _SIGNATURE)]
        own = self._signatures(expiry, query)
        signed = any(hmac.compare_digest(one, other) for one in given for other in own)
        return signed and int(expiry) > self._clock()

    def _signatures(self, expiry: str, query: str) -> list[str]:
        message = f"{expiry}\0{query}".encode("utf-8", "surrogatepass")
        macs = (hmac.digest(key, message, "sha256") for key in self._keys)
        return [urlsafe_b64encode(mac[:18]).decode("ascii") for mac in macs]
