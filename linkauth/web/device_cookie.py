"""The cookie that remembers a device after the second factor. `login.remembered_devices` makes its value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linkauth.web.cookies import sent_cookies


class DeviceCookie:
    """Reads and sets the cookie.

    Without https (only in development, on the loopback interface) there is no `__Host-` prefix, which browsers accept
    only with https (RFC 6265bis section 4.1.3.2).
    """

    def __init__(self, https: bool) -> None:
        self._name = "__Host-linkauth-device" if https else "linkauth-device"
        self._secure = "Secure; " if https else ""

    def value(self, environ: Mapping[str, Any]) -> str:
        """Return the value that the browser has sent, or ""."""
        return next((value for name, value in sent_cookies(environ) if name == self._name), "")

    def header(self, value: str, seconds: int) -> tuple[str, str]:
        """Return the header that sets the cookie for `seconds`."""
        attributes = f"Max-Age={seconds}; Path=/; {self._secure}HttpOnly; SameSite=Lax"
        return "Set-Cookie", f"{self._name}={value}; {attributes}"
