"""Sends raw requests to the WSGI application, as no regular client would, and checks the responses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

from tests.alexa import HOSTS, REDIRECT_URI

VENDOR = "M2AAAAAAAAAAAA"
PLAIN_URI = f"https://layla.amazon.com/api/skill/link/{VENDOR}"
"""A registered redirect URI without a query."""
ORIGIN = "https://link.example.com"
REGISTERED = (
    *(f"https://{host}/api/skill/link/{VENDOR}" for host in HOSTS),
    *(f"https://{host}/spa/skill/account-linking-status.html?vendorId={VENDOR}" for host in HOSTS),
    "https://other.example.com/cb",
    "https://other.example.com/cb?tenant=1",
    "https://single.example.com/cb",
    "https://expiring.example.com/cb",
)
VALID = {
    "client_id": "alexa",
    "response_type": "token",
    "scope": "order_car basic_profile",
    "redirect_uri": REDIRECT_URI,
    "state": "S",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FORM_TOKEN = re.compile(r'(?<=name="form_token" value=")[^"]*')


@dataclass(frozen=True)
class Response:
    """The response of the WSGI application."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def get(self, name: str) -> str | None:
        """Returns the value of the only header with that name, or None."""
        result = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(result) <= 1, f"{name} came {len(result)} times"
        return result[0] if result else None

    @property
    def location(self) -> str:
        location = self.get("Location")
        assert location is not None, f"no Location in {self.status}"
        return location

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def query(**changes: str | None) -> bytes:
    """Returns the query of a valid authorization request with changed parameters; None removes one."""
    return urlencode({name: value for name, value in {**VALID, **changes}.items() if value is not None}).encode("ascii")


def send(
    app: Any,
    method: str = "GET",
    path: str = "/authorize",
    query: bytes = b"",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    **environ: Any,
) -> Response:
    """Sends a request over https and returns the response; an `environ` value of None removes that key."""
    variables: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "link.example.com",
        "REMOTE_ADDR": "198.51.100.7",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(body or b""),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body is not None:
        variables["CONTENT_LENGTH"] = str(len(body))
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        variables[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    variables = {name: value for name, value in {**variables, **environ}.items() if value is not None}
    starts: list[Any] = []

    def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> None:
        starts.append((status, fields))

    content = b"".join(getattr(app, "app", app)(variables, start))
    status, fields = starts[-1]
    return Response(int(status.split()[0]), tuple(fields), content)


def post(app: Any, raw_query: bytes, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Response:
    """Posts the login form; `Origin` is our own unless `headers` changes it."""
    body = urlencode(fields).encode("ascii")
    return send(app, "POST", "/authorize", raw_query, body, {**FORM, "Origin": ORIGIN, **(headers or {})})


def form_token(app: Any, raw_query: bytes) -> str:
    """Opens the login page and returns its form token."""
    page = send(app, query=raw_query)
    assert page.status == 200, page.text
    result = FORM_TOKEN.search(page.text)
    assert result is not None
    return result[0]


def login(app: Any, raw_query: bytes, username: str, password: str, **fields: str) -> Response:
    """Opens the login page and submits its form."""
    token = form_token(app, raw_query)
    return post(app, raw_query, {"form_token": token, "username": username, "password": password, **fields})


def assert_page(response: Response, status: int = 400) -> None:
    """Checks that the response is an HTML page without redirect, cookie and password field."""
    assert response.status == status
    assert (response.get("Content-Type") or "").lower() == "text/html; charset=utf-8"
    assert response.get("Location") is None
    assert response.get("Set-Cookie") is None
    assert b'type="password"' not in response.body


def redirect_parameters(response: Response, uri: str = REDIRECT_URI, mode: str = "fragment") -> dict[str, str]:
    """Checks that the response redirects to `uri`; returns the unique parameters in the part named by `mode`."""
    assert response.status == 303
    separator = "#" if mode == "fragment" else "&" if "?" in uri else "?"
    assert response.location.startswith(uri + separator)
    query_string = response.location.removeprefix(uri + separator)
    assert "#" not in query_string
    assert "?" not in query_string
    pairs = parse_qsl(query_string, strict_parsing=True, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def assert_error(
    response: Response, error: str, state: str | None = "S", uri: str = REDIRECT_URI, mode: str = "fragment"
) -> None:
    """Checks that the response redirects to `uri` with `error` and `state`."""
    parameters = redirect_parameters(response, uri, mode)
    assert parameters.pop("error") == error
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", parameters.pop("error_description"))
    assert parameters == ({} if state is None else {"state": state})


def assert_safe(response: Response, *secret_marks: bytes) -> None:
    """Checks that a response has no crash, foreign redirect, split header, cookie or secret mark."""
    assert response.status < 500 or (response.status == 503 and response.get("Retry-After")), response.text
    for name, value in response.headers:
        assert re.fullmatch(r"[\x21-\x7E]+", name)
        assert re.fullmatch(r"[\x20-\x7E]*", value), f"{name} holds a byte that no header may hold"
    assert response.get("Set-Cookie") is None
    assert response.get("X-Content-Type-Options") == "nosniff"
    location = response.get("Location")
    assert (location is not None) == (300 <= response.status < 400)
    if location is not None:
        assert response.status == 303
        separators = {uri: "#&" if "?" in uri else "#?" for uri in REGISTERED}
        assert any(location.startswith(uri + mark) for uri, marks in separators.items() for mark in marks), location
    for mark in secret_marks:
        assert mark not in response.body


def percent_encoded(raw: str) -> str:
    """Returns `raw` with every byte percent-encoded."""
    return "".join(f"%{byte:02x}" for byte in raw.encode("utf-8"))


def quoted(raw: str) -> str:
    return quote(raw, safe="")
