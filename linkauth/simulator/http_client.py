"""How the probe speaks HTTP: as a phone's browser and as Amazon's servers do, following no redirect."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from linkauth.redaction import reason

AGENT = "Apache-HttpClient/4.5.14 (Java/17.0.9)"
PHONE = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Mobile Safari/537.36"
TIMEOUT = 30
RESPONSE_LIMIT = 1024 * 1024
"""Bytes of an answer that are read."""
_FORM = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}


@dataclass(frozen=True)
class Answer:
    """An answer, or none: then `status` is 0 and `text` says why."""

    status: int
    headers: Any
    text: str
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object that it holds, empty if it is none."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def location(self) -> str:
        found: str = self.headers.get("Location", "")
        return found

    @property
    def status_text(self) -> str:
        """The status in words."""
        return f"status {self.status}" if self.status else self.text


class Page(HTMLParser):
    """What matters of a login page: its hidden form token, its language, and whether it asks for a password."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.token, self.language, self.has_password_field = "", "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "html":
            self.language = found.get("lang") or ""
        if tag == "input" and found.get("name") == "form_token":
            self.token = found.get("value") or ""
        self.has_password_field = self.has_password_field or (tag == "input" and found.get("type") == "password")


class HttpClient:
    """Asks the server at `url`; `https` says that it believes to be behind a proxy that speaks https.

    `slowest` is the answer that took longest: seconds, and what was asked.
    """

    def __init__(self, url: str, https: bool) -> None:
        self._url = url
        # reached behind its proxy, on loopback
        self._proxied = {"X-Forwarded-Proto": "https"} if https and url.startswith("http://") else {}
        self._open = urllib.request.build_opener(_NoRedirect()).open
        self.slowest = (0.0, "nothing was asked")

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self._ask(path, None, headers or {})

    def post(self, path: str, form: dict[str, str], headers: dict[str, str]) -> Answer:
        return self._ask(path, urlencode(form).encode("ascii"), {**_FORM, **headers})

    def _ask(self, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        whole = {"User-Agent": PHONE, **self._proxied, **headers}
        request = urllib.request.Request(self._url + path, body, whole)  # noqa: S310  the operator's own URL
        started = time.monotonic()
        try:
            with self._open(request, timeout=TIMEOUT) as answer:
                status, told, text = answer.status, answer.headers, answer.read(RESPONSE_LIMIT)
        except urllib.error.HTTPError as error:
            with error:
                status, told, text = error.code, error.headers, error.read(RESPONSE_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            status, told, text = 0, {}, f"no answer: {_why(error)}".encode()
        seconds = time.monotonic() - started
        self.slowest = max(self.slowest, (seconds, f"{request.get_method()} {path.partition('?')[0]}"))
        return Answer(status, told, text.decode("utf-8", "replace"), seconds)


def _why(error: Exception) -> str:
    """urllib wraps what the system raised."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return reason(error.reason)
    return reason(error)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None
