"""Handlers that implement the login APIs of the presets."""

from __future__ import annotations

import base64
import html
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from linkauth.testing import Known

from .api import ReceivedRequest, Reply

MUELLER = Known("müller", "Grün-Tür 7 %&+<>\"'é", "4711")
JSON = (("Content-Type", "application/json"),)
HTML = (("Content-Type", "text/html; charset=utf-8"),)
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def known(name: str) -> bool:
    """Returns whether the name is known, ignoring case like most databases."""
    return name.lower() == MUELLER.username


def is_right(name: str, password: str) -> bool:
    return known(name) and password == MUELLER.password


def json_api(request: ReceivedRequest) -> Reply:
    body = json.loads(request.body)
    if not known(body["username"]):
        return Reply(404, json.dumps({"ok": False}), JSON)
    if not is_right(body["username"], body["password"]):
        return Reply(401, json.dumps({"ok": False}), JSON)
    person = {"ok": True, "id": 4711, "login": "müller", "mail": "m@example.com", "roles": ["staff", "alexa"]}
    return Reply(200, json.dumps(person), JSON)


def basic(request: ReceivedRequest) -> Reply:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    name, _, password = base64.b64decode(text).decode().partition(":")
    if scheme == "Basic" and is_right(name, password):
        return Reply(200, "hello", (("X-Person", "4711"),))
    return Reply(401, "", (("WWW-Authenticate", 'Basic realm="x", charset="UTF-8"'),))


def cas(request: ReceivedRequest) -> Reply:
    form = request.form
    if request.method != "POST" or request.path != "/cas/v1/tickets":
        return Reply(404)
    if not known(form["username"]):
        return Reply(401, json.dumps({"authentication_exceptions": ["AccountNotFoundException"]}), JSON)
    if not is_right(form["username"], form["password"]):
        exceptions = ["AccountNotFoundException", "FailedLoginException"]
        return Reply(401, json.dumps({"authentication_exceptions": exceptions}), JSON)
    ticket = f"https://{request.headers['Host']}/cas/v1/tickets/TGT-1-{secrets.token_hex(8)}-cas"
    return Reply(201, "<!DOCTYPE html><title>201 Created</title>", (*HTML, ("Location", ticket)))


def jwt(claims: Mapping[str, Any]) -> str:
    parts = [json.dumps({"alg": "RS256"}), json.dumps(claims), "a signature"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


def keycloak(request: ReceivedRequest) -> Reply:
    form = request.form
    if form.get("client_id") != "linkauth" or form.get("client_secret") != "s3cret of the client":
        body = {"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"}
        return Reply(401, json.dumps(body), JSON)
    assert form["grant_type"] == "password"
    if form["username"] == "blocked":
        return Reply(400, json.dumps({"error": "invalid_grant", "error_description": "Account disabled"}), JSON)
    if form["username"] == "newcomer" and form["password"] == "first":
        body = {"error": "invalid_grant", "error_description": "Account is not fully set up"}
        return Reply(400, json.dumps(body), JSON)
    if not is_right(form["username"], form["password"]):
        body = {"error": "invalid_grant", "error_description": "Invalid user credentials"}
        return Reply(401, json.dumps(body), JSON)
    claims = {"sub": "4711", "preferred_username": "müller", "name": "Maria Müller", "email": "m@example.com"}
    body = {"access_token": jwt({"typ": "Bearer"}), "token_type": "Bearer", "scope": form["scope"]}
    return Reply(200, json.dumps(body | {"id_token": jwt(claims | {"groups": ["staff"]})}), JSON)


def soap(request: ReceivedRequest) -> Reply:
    assert request.headers["SOAPAction"] == '""'
    login = ElementTree.fromstring(request.body).find(".//{urn:people}login")
    assert login is not None
    name, password = login.findtext("{urn:people}name", ""), login.findtext("{urn:people}password", "")
    kind = (("Content-Type", "text/xml; charset=utf-8"),)
    if not is_right(name, password):
        code = "soap:Client.Authentication" if known(name) else "soap:Client.NoSuchPerson"
        fault = f"<soap:Fault><faultcode>{code}</faultcode><faultstring>no</faultstring></soap:Fault>"
        return Reply(500, envelope(fault), kind)
    return Reply(200, envelope('<p:person xmlns:p="urn:people" id="4711"><p:login>müller</p:login></p:person>'), kind)


def envelope(body: str) -> str:
    return f'<?xml version="1.0"?><soap:Envelope xmlns:soap="{SOAP}"><soap:Body>{body}</soap:Body></soap:Envelope>'


@dataclass
class HTMLLogin:
    """A login form with a hidden token that is bound to a cookie. A correct password returns a redirect."""

    def __post_init__(self) -> None:
        self.sessions: dict[str, str] = {}

    def __call__(self, request: ReceivedRequest) -> Reply:
        if request.path == "/home":
            return Reply(500)
        if request.method in ("GET", "HEAD"):
            return self._form("")
        form = request.form
        cookie = re.search(r"sid=(\w+)", request.headers.get("Cookie", ""))
        if not cookie or self.sessions.pop(cookie[1], None) != form.get("token") or form.get("step") != "1":
            return Reply(403, "<h1>Forbidden</h1>", HTML)
        if not is_right(form["login"], form["pw"]):
            return self._form(f"<p>No: {html.escape(form['login'])}</p>")
        return Reply(302, "", (("Location", "/home"), ("Set-Cookie", f"auth={secrets.token_hex(8)}; HttpOnly")))

    def _form(self, message: str) -> Reply:
        sid, token = secrets.token_hex(8), secrets.token_hex(8)
        self.sessions[sid] = token
        page = f"""<!DOCTYPE html><title>Sign in</title>{message}
            <form action="/search"><input type=hidden name=step value=9><input name=q></form>
            <form method="post"><INPUT TYPE="hidden" name="token" value="{token}"><input type=hidden name=step value=1>
            <input name="login"><input type="password" name="pw"><button>Sign in</button></form>"""
        return Reply(200, page, (*HTML, ("Set-Cookie", f"sid={sid}; Path=/; HttpOnly")))
