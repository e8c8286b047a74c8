"""Rejects invalid requests before a view is called: over-long URLs, invalid UTF-8, and plain http.

Errors are raised as Pyramid's HTTP exceptions; their `detail` is an error code that themes translate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPForbidden, HTTPRequestURITooLong
from pyramid.tweens import EXCVIEW

from linkauth.services import services_of
from linkauth.web.forms import decode_pairs

QUERY_LIMIT = 16_384
"""Maximum length of the query in bytes. A state of 4,096 characters takes three times as many if all are escaped."""
PATH_LIMIT = 1_024


def check_request(handler: Callable[..., Any], registry: Any) -> Callable[..., Any]:
    """A tween that rejects invalid requests and sets `request.query`."""
    https = services_of(registry).settings.https

    def check(request: Any) -> Any:
        environ = request.environ
        path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        if len(query) > QUERY_LIMIT or len(path) > PATH_LIMIT:
            raise HTTPRequestURITooLong("too_long")
        try:
            path.encode("latin-1").decode("utf-8")
            request.query = decode_pairs(query.encode("latin-1"))
        except UnicodeError:
            raise HTTPBadRequest("not_utf8") from None
        if https and environ["wsgi.url_scheme"] != "https" and not path.startswith("/health/"):
            raise HTTPForbidden("insecure_transport")
        return handler(request)

    return check


def includeme(config: Any) -> None:
    config.add_tween("linkauth.web.limits.check_request", under=EXCVIEW)
