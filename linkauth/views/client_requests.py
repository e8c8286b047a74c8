"""The request of a client to an endpoint: only the body counts, and a secret in the query is refused."""

from __future__ import annotations

from pyramid.httpexceptions import HTTPBadRequest

from linkauth.oauth2.requests import ClientRequest
from linkauth.web.request import Request

SECRETS = {"client_secret", "token", "access_token", "refresh_token", "code", "code_verifier"}


def client_request(request: Request) -> ClientRequest:
    """The client's request. A query without secrets is ignored: consoles are filled with `?state=STATE` left in."""
    if any(name in SECRETS for name, _ in request.query):
        # it is in logs by now
        raise HTTPBadRequest("secret_in_query")
    # an empty field is as if it were left out (RFC 6749 section 3.2)
    given = {name: value for name, value in request.form.items() if value}
    return ClientRequest(given, request.headers.get("Authorization"), request.remote_addr or "")
