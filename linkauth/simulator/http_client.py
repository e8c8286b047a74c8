"""The HTTP client of the probe. It sends requests like the browser of a phone and like Amazon's servers."""

from __future__ import annotations

import http.client
import json
import ssl
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
MESSAGE_LIMIT = 300
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
"""Elements without an end tag (HTML, section 13.1.2)."""
_INLINE = {"a", "b", "bdi", "code", "em", "i", "span", "strong"}
"""Elements that may be inside a word."""
RESPONSE_LIMIT = 1024 * 1024
"""Maximum number of bytes that are read of a response."""
_FORM = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP response. If there was none, `status` is 0 and `text` is the cause."""

    status: int
    headers: Any
    text: str
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is not one."""
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
        """The status, or the cause if there was no response, for messages."""
        return f"status {self.status}" if self.status else self.text


class Page(HTMLParser):
    """A parsed login page: its form token, its language, its error message, and whether it has a password field."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.token, self.language, self.has_password_field = "", "", False
        self._alert: list[str] = []
        self._depth = 0
        self.feed(html)

    @property
    def message(self) -> str:
        """The text of the elements with the role alert, as sentences in one line; "" if there is none."""
        blocks = filter(None, (" ".join(block.split()) for block in self._alert))
        return " ".join(block if block[-1] in ".?!:" else f"{block}." for block in blocks)[:MESSAGE_LIMIT]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "html":
            self.language = found.get("lang") or ""
        if tag == "input" and found.get("name") == "form_token":
            self.token = found.get("value") or ""
        self.has_password_field = self.has_password_field or (tag == "input" and found.get("type") == "password")
        if tag not in _VOID and (self._depth or found.get("role") == "alert"):
            self._depth += 1
        if self._depth and (tag not in _INLINE or not self._alert):
            self._alert.append("")

    def handle_endtag(self, tag: str) -> None:
        self._depth = max(self._depth - 1, 0)

    def handle_data(self, data: str) -> None:
        if self._depth and len(self._alert[-1]) < MESSAGE_LIMIT:
            self._alert[-1] += data


class HttpClient:
    """Sends requests to the server at `url` and does not follow redirects.

    `https` means that the public URL of the server is https. `ca_file` has the certificates to trust, in PEM format; if
    it is "", those of the system are trusted. `slowest` are the seconds and the request of the slowest response. Raises
    OSError, for example ssl.SSLError, if the file cannot be read.
    """

    def __init__(self, url: str, https: bool, ca_file: str = "") -> None:
        self._url = url
        # a direct http:// URL bypasses the proxy, so this client sends the header that the proxy would send
        self._proxied = {"X-Forwarded-Proto": "https"} if https and url.startswith("http://") else {}
        context = ssl.create_default_context(cafile=ca_file or None)
        self._open = urllib.request.build_opener(_NoRedirect(), urllib.request.HTTPSHandler(context=context)).open
        self.slowest = (0.0, "no request")

    def get(self, path: str, headers: dict[str, str] | None = None) -> HttpResponse:
        return self._send(path, None, headers or {})

    def post(self, path: str, form: dict[str, str], headers: dict[str, str]) -> HttpResponse:
        return self._send(path, urlencode(form).encode("ascii"), {**_FORM, **headers})

    def _send(self, path: str, body: bytes | None, headers: dict[str, str]) -> HttpResponse:
        all_headers = {"User-Agent": PHONE, **self._proxied, **headers}
        request = urllib.request.Request(self._url + path, body, all_headers)  # noqa: S310  the operator chose the URL
        started = time.monotonic()
        try:
            with self._open(request, timeout=TIMEOUT) as response:
                status, fields, text = response.status, response.headers, response.read(RESPONSE_LIMIT)
        except urllib.error.HTTPError as error:
            with error:
                status, fields, text = error.code, error.headers, error.read(RESPONSE_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            hint = "; --ca-file names the authority to trust" if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
            status, fields, text = 0, {}, f"no response: {_cause(error)}{hint}".encode()
        seconds = time.monotonic() - started
        self.slowest = max(self.slowest, (seconds, f"{request.get_method()} {path.partition('?')[0]}"))
        return HttpResponse(status, fields, text.decode("utf-8", "replace"), seconds)


def _cause(error: Exception) -> str:
    """Returns the text of an error, or of the system error that URLError wraps."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return reason(error.reason)
    return reason(error)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None
