"""The security headers of responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.tweens import EXCVIEW, INGRESS

from linkauth.services import services_of

CONTENT_SECURITY_POLICY = (
    # no form-action: browsers apply it to the whole redirect chain and would silently block the redirect to Amazon, and
    # to a sign-in provider, which may redirect to hosts that nobody here knows
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
UNUSED_FEATURES = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone"),
    *("midi", "payment", "usb"),
)
"""Browser features that no page uses. Passkeys and one-time codes are not listed, because login pages may use them."""
OPENER_POLICY = "Cross-Origin-Opener-Policy"
AUTHORIZE_PATH, RETURN_PATH = "/authorize", "/authorize/return/"
HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Frame-Options", "DENY"),
    # not no-referrer: browsers would then send `Origin: null` with the login form
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Permissions-Policy", ", ".join(f"{feature}=()" for feature in UNUSED_FEATURES)),
    # pages load only files of their own origin; the clients of JSON documents are not browsers
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")


def add_headers(handler: Callable[..., Any], registry: Any) -> Callable[..., Any]:
    """A tween that adds the security headers to each response, except those that the view has set."""
    common = (*HEADERS, STRICT_TRANSPORT) if services_of(registry).settings.https else HEADERS
    default_headers = _by_name(*common, (OPENER_POLICY, "same-origin"))
    # a platform may open the login page in a popup window and wait for it. Any other opener policy, even on a redirect,
    # would permanently separate the popup from its opener. A cross-origin opener cannot read the page
    authorize_headers = _by_name(*common, (OPENER_POLICY, "unsafe-none"))
    # the URL has the answer of a sign-in provider, which no further request may name as its referrer
    return_headers = [
        (name, (header[0], "strict-origin") if name == "referrer-policy" else header)
        for name, header in authorize_headers
    ]

    def add(request: Any) -> Any:
        response = handler(request)
        present = {name.lower() for name, _ in response.headerlist}
        path = request.environ.get("PATH_INFO", "")
        headers = authorize_headers if path.startswith(AUTHORIZE_PATH) else default_headers
        if path.startswith(RETURN_PATH):
            headers = return_headers
        response.headerlist.extend([header for name, header in headers if name not in present])
        return response

    return add


def _by_name(*headers: tuple[str, str]) -> list[tuple[str, tuple[str, str]]]:
    """Returns pairs of a name in lower case and the header."""
    return [(header[0].lower(), header) for header in headers]


def includeme(config: Any) -> None:
    config.add_tween("linkauth.web.headers.add_headers", under=INGRESS, over=EXCVIEW)
