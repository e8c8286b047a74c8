"""The cookie that binds a sign-in at a provider to the browser that began it.

It is a random value without any meaning. The login page sets it. In a browser that does not keep it, such as one that
an app has opened, the person must confirm the link (`linkauth.login.confirmations`). The provider sends the browser
back with a request from another site: with a GET request, cookies with SameSite=Lax come along; with a posted form,
only those with SameSite=None.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from linkauth.sign_ins import ResponseMode
from linkauth.web.cookies import sent_cookies

VALUE_LENGTH = 43
_VALUE_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_SAME_SITE: Mapping[ResponseMode, str] = {"query": "Lax", "form_post": "None"}


class BrowserCookies:
    """Reads and sets the cookies, one for each way in which providers answer.

    Without https (only in development, on the loopback interface) there is no `__Host-` prefix. There is no cookie for
    posted forms either, because browsers accept SameSite=None only with https.
    """

    def __init__(self, https: bool) -> None:
        self._https = https
        self._names: dict[ResponseMode, str] = {"query": "linkauth-browser"}
        if https:
            # only this host can set such a cookie (RFC 6265bis section 4.1.3.2)
            self._names = {"query": "__Host-linkauth-browser", "form_post": "__Host-linkauth-browser-post"}

    def value(self, environ: Mapping[str, Any], mode: ResponseMode) -> str:
        """Return the value of the cookie that the browser has sent for a provider, or ""."""
        return self._sent(environ).get(self._names.get(mode, ""), "")

    def new(self, environ: Mapping[str, Any], modes: frozenset[ResponseMode]) -> Iterator[tuple[str, str]]:
        """Yield the headers that set the cookies for `modes` which the browser has not sent."""
        sent = self._sent(environ)
        for mode, name in self._names.items():
            if mode in modes and name not in sent:
                secure = "Secure; " if self._https else ""
                value = secrets.token_urlsafe(32)
                yield "Set-Cookie", f"{name}={value}; Path=/; {secure}HttpOnly; SameSite={_SAME_SITE[mode]}"

    def _sent(self, environ: Mapping[str, Any]) -> dict[str, str]:
        return {
            name: value
            for name, value in sent_cookies(environ)
            if name in self._names.values() and len(value) == VALUE_LENGTH and _VALUE_CHARACTERS.issuperset(value)
        }
