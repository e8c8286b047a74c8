"""Endpoints that return the claims of the person who owns an access token."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.response import Response

from linkauth.web.request import Request

IFTTT_ID_LIMIT = 200


def userinfo(request: Request) -> Response:
    """Return the person's claims as JSON (a subset of OpenID Connect Core section 5.3)."""
    return Response(json_body=dict(_claims(request)))


def ifttt_user_info(request: Request) -> Response:
    """Return the person in the format of IFTTT: a stable ID of at most 200 characters, and a name."""
    claims = _claims(request)
    sub: str = claims["sub"]
    # hashed, not truncated: truncated IDs of two people could be equal
    stable_id = sub if len(sub) <= IFTTT_ID_LIMIT else sha256(sub.encode("utf-8")).hexdigest()
    return Response(json_body={"data": {"id": stable_id, "name": claims["preferred_username"]}})


def _claims(request: Request) -> Any:
    if any(name == "access_token" for name, _ in request.query):
        raise HTTPBadRequest("secret_in_query")
    return request.services.oauth2.userinfo(request.headers.get("Authorization"))


def includeme(config: Any) -> None:
    config.add_view(userinfo, route_name="userinfo", request_method="GET")
    config.add_view(ifttt_user_info, route_name="ifttt_user_info", request_method="GET")
