"""Documents for clients and token verifiers: metadata (RFC 8414), public keys (RFC 7517) and the deny list."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from linkauth.web.request import Request


def _cached(response: Response, seconds: int) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    return response


def metadata(request: Request) -> Response:
    return _cached(Response(json_body=dict(request.services.oauth2.metadata())), 300)


def metadata_with_path(request: Request) -> Response:
    """Return the metadata at the URL of an issuer with a path. Raises HTTPNotFound if the issuer has another path."""
    if urlsplit(request.services.oauth2.url).path != "/" + request.matchdict["path"]:
        raise HTTPNotFound
    return metadata(request)


def jwks(request: Request) -> Response:
    return _cached(Response(json_body=dict(request.services.oauth2.jwks())), 300)


def deny_list(request: Request) -> Response:
    """Return a signed JWT whose claim `revoked` lists the `jti` of the revoked access tokens that have not expired.

    The response is 304 if the client has the current list (RFC 9110 section 13.1.2).
    """
    signed = request.services.oauth2.deny_list()
    if signed is None:
        # without a signing key there are no JWTs to revoke
        raise HTTPNotFound
    if signed.tag in request.if_none_match:
        response = Response(status=304)
    else:
        response = Response(signed.text.encode("ascii"), content_type="application/jwt", charset=None)
    # a weak tag, because each server process signs its own document
    response.headers["ETag"] = f'W/"{signed.tag}"'
    return _cached(response, 60)


def includeme(config: Any) -> None:
    config.add_view(metadata, route_name="metadata", request_method="GET")
    config.add_view(metadata_with_path, route_name="metadata_with_path", request_method="GET")
    config.add_view(jwks, route_name="jwks", request_method="GET")
    config.add_view(deny_list, route_name="deny_list", request_method="GET")
