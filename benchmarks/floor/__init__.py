"""The floor: a bare Pyramid application for the same work as linkauth, which `make bench` measures in relation to it.

It is plain code without optimizations: Pyramid, pyramid_jinja2, argon2-cffi and sqlite3. It uses the tables of linkauth
and the table of demo users, so that both write the same rows and indexes. It checks everything that must be checked,
but it has no throttle, languages, themes, plugins, audit or limits of time and size.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from base64 import b64decode
from typing import Any
from urllib.parse import urlencode

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest, HTTPForbidden, HTTPSeeOther
from pyramid.renderers import render_to_response
from pyramid.response import Response

from benchmarks.floor.database import Database

ACCESS_SECONDS = 3600
FORM_SECONDS = 900
LANGUAGES = {
    **{"de": "Deutsch", "en": "English", "es": "Español", "fr": "Français", "it": "Italiano", "nl": "Nederlands"},
    **{"pt-BR": "Português (Brasil)", "ar": "العربية", "hi": "हिन्दी", "ja": "日本語"},
}
SCOPES = {"order_car": "Order a taxi on your behalf and charge your account", "profile": "See your name"}
hasher = PasswordHasher()
unknown_hash = hasher.hash(secrets.token_urlsafe())
"""Verified for unknown names, so that they take the same time."""


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def form_token(request: Any, expires: int) -> str:
    message = f"{expires} {request.query_string}".encode()
    key = request.registry.settings["form_secret"].encode()
    return f"{expires}.{hmac.new(key, message, hashlib.sha256).hexdigest()[:24]}"


def check_authorization(request: Any) -> None:
    settings, query = request.registry.settings, request.GET
    if query.get("client_id") != settings["client_id"] or query.get("redirect_uri") != settings["redirect_uri"]:
        raise HTTPBadRequest("unknown client or redirect URI")
    if query.get("response_type") != "token" or not set(query.get("scope", "").split()) <= SCOPES.keys():
        raise HTTPBadRequest("unsupported response type or scope")


def login_page(request: Any, status: int = 200, error: str = "") -> Response:
    context = {
        "form_token": form_token(request, int(time.time()) + FORM_SECONDS),
        "query": request.GET,
        "scopes": [SCOPES[scope] for scope in request.GET.get("scope", "").split()],
        "username": request.POST.get("username", ""),
        "languages": LANGUAGES,
        "error": error,
    }
    response = render_to_response("login.jinja2", context, request)
    response.status_int = status
    response.headers.update({"Cache-Control": "no-store", "Content-Security-Policy": "frame-ancestors 'none'"})
    return response


def show_login(request: Any) -> Response:
    check_authorization(request)
    return login_page(request)


def sign_in(request: Any) -> Response:
    check_authorization(request)
    if request.headers.get("Origin") != request.host_url:
        raise HTTPForbidden("the form was sent by another site")
    token = request.POST.get("form_token", "")
    expires = token.partition(".")[0]
    if not expires.isdecimal() or not hmac.compare_digest(token, form_token(request, int(expires))):
        raise HTTPForbidden("the form token is invalid")
    if int(expires) < time.time():
        return login_page(request, 400, "This page was open for too long.")
    username = request.POST.get("username", "")
    person = request.database.person(username)
    try:
        hasher.verify(person["password_hash"] if person else unknown_hash, request.POST.get("password", ""))
    except VerifyMismatchError:
        return login_page(request, 403, "The name or the password is wrong.")
    if person is None or not person["active"]:
        return login_page(request, 403, "The name or the password is wrong.")
    access, query = secrets.token_urlsafe(32), request.GET
    request.database.create_link(person, query["client_id"], query.get("scope", ""), digest(access), int(time.time()))
    answer = {"access_token": access, "token_type": "Bearer", "state": query.get("state", "")}
    return HTTPSeeOther(f"{query['redirect_uri']}#{urlencode(answer)}")


def client_of(request: Any) -> str | None:
    """Returns the id of the client that the request authenticates with HTTP Basic, None if it does not."""
    kind, parameters = request.authorization or ("", "")
    if kind != "Basic":
        return None
    try:
        client, _, secret = b64decode(parameters).decode("utf-8").partition(":")
    except ValueError:
        return None
    expected = request.registry.settings.get(f"secret.{client}", "")
    return client if expected and hmac.compare_digest(secret.encode(), expected.encode()) else None


def json_response(content: dict[str, Any], status: int = 200) -> Response:
    response = Response(json_body=content, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def token(request: Any) -> Response:
    client, form, now = client_of(request), request.POST, int(time.time())
    if client is None:
        return json_response({"error": "invalid_client"}, 401)
    access, refresh = secrets.token_urlsafe(32), form.get("refresh_token", "")
    expires = now + ACCESS_SECONDS
    if form.get("grant_type") == "authorization_code":
        code, redirect, refresh = form.get("code", ""), form.get("redirect_uri"), secrets.token_urlsafe(32)
        scope = request.database.redeem(digest(code), client, redirect, digest(access), digest(refresh), expires, now)
    elif form.get("grant_type") == "refresh_token":
        scope = request.database.refresh(digest(refresh), client, digest(access), expires, now)
    else:
        return json_response({"error": "unsupported_grant_type"}, 400)
    if scope is None:
        return json_response({"error": "invalid_grant"}, 400)
    answer = {"access_token": access, "token_type": "Bearer", "expires_in": ACCESS_SECONDS, "refresh_token": refresh}
    return json_response({**answer, "scope": scope})


def introspect(request: Any) -> Response:
    if client_of(request) is None:
        return json_response({"error": "invalid_client"}, 401)
    found = request.database.token(digest(request.POST.get("token", "")))
    if found is None or found["ended_at"] or (found["expires_at"] and found["expires_at"] < time.time()):
        return json_response({"active": False})
    claims = {
        "active": True,
        "scope": found["scope"],
        "client_id": found["client_id"],
        "username": found["username"],
        "token_type": "Bearer",
        "sub": f"{found['backend']}:{found['subject']}",
        "iss": request.host_url,
        "aud": found["client_id"],
        "iat": found["issued_at"],
    }
    return json_response(claims | ({"exp": found["expires_at"]} if found["expires_at"] else {}))


def main(global_config: dict[str, str], **settings: str) -> Any:
    """Returns the application. serving.py writes its ini file."""
    with Configurator(settings=settings) as config:
        config.include("pyramid_jinja2")
        config.add_jinja2_search_path("benchmarks.floor:")
        database = Database(settings["database"], settings["people"])
        config.add_request_method(lambda request: database, "database", property=True)
        config.add_route("authorize", "/authorize")
        config.add_route("token", "/token", request_method="POST")
        config.add_route("introspect", "/introspect", request_method="POST")
        config.add_view(show_login, route_name="authorize", request_method="GET")
        config.add_view(sign_in, route_name="authorize", request_method="POST")
        config.add_view(token, route_name="token")
        config.add_view(introspect, route_name="introspect")
        return config.make_wsgi_app()
