"""Who the bearer of an access token is."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.response import Response

from linkauth.web.request import Request

IFTTT_ID_LIMIT = 200


def userinfo(request: Request) -> Response:
    """The person's claims as JSON (OpenID Connect Core section 5.3, in part)."""
    return Response(json_body=dict(_person(request)))


def ifttt_user_info(request: Request) -> Response:
    """The same in the words that IFTTT asks for: a stable id of at most 200 characters, and a name."""
    person = _person(request)
    sub: str = person["sub"]
    # cut off, two people could become one
    stable = sub if len(sub) <= IFTTT_ID_LIMIT else sha256(sub.encode("utf-8")).hexdigest()
    return Response(json_body={"data": {"id": stable, "name": person["preferred_username"]}})


def _person(request: Request) -> Any:
    if any(name == "access_token" for name, _ in request.query):
        raise HTTPBadRequest("secret_in_query")
    return request.services.oauth2.userinfo(request.headers.get("Authorization"))


def includeme(config: Any) -> None:
    config.add_view(userinfo, route_name="userinfo", request_method="GET")
    config.add_view(ifttt_user_info, route_name="ifttt_user_info", request_method="GET")
