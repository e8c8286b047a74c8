"""Reads the requests of clients to the token, introspection and revocation endpoints."""

from __future__ import annotations

from pyramid.httpexceptions import HTTPBadRequest

from linkauth import logs
from linkauth.oauth2.requests import ClientRequest
from linkauth.web.request import Request

SECRET_PARAMETERS = {"client_secret", "token", "access_token", "refresh_token", "code", "code_verifier"}


def client_request(request: Request) -> ClientRequest:
    """Return the request of a client from its body and headers. Raises HTTPBadRequest if the query contains a secret.

    Any other query is ignored, because developers often enter a URL with `?state=STATE` into a console.
    """
    if any(name in SECRET_PARAMETERS for name, _ in request.query):
        # the secret is already in the access logs, so the client's developer must replace it
        raise HTTPBadRequest("secret_in_query")
    # an empty field counts as omitted (RFC 6749 section 3.2)
    form = {name: value for name, value in request.form.items() if value}
    found = ClientRequest(form, request.headers.get("Authorization"), request.remote_addr or "")
    logs.annotate(client=lambda: request.services.oauth2.claimed_client(found))
    return found
