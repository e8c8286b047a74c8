"""The security headers of every response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.tweens import EXCVIEW, INGRESS

from linkauth.services import services_of

CONTENT_SECURITY_POLICY = (
    # no form-action: browsers check it over the whole chain of redirects and would silently stop the way to Amazon
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
UNUSED_FEATURES = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone"),
    *("midi", "payment", "usb"),
)
"""Of browsers, that no page uses. Not listed is what sign-in pages may want: passkeys and one-time codes."""
OPENER = "Cross-Origin-Opener-Policy"
LINKING = "/authorize"
HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Frame-Options", "DENY"),
    # not no-referrer: with that, browsers send `Origin: null` on our own form
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Permissions-Policy", ", ".join(f"{feature}=()" for feature in UNUSED_FEATURES)),
    # pages load static files of their own origin only; documents are for clients that are no browsers
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")


def add_headers(handler: Callable[..., Any], registry: Any) -> Callable[..., Any]:
    """A tween: adds the security headers to every response; a header that the view has set stays."""
    wanted = (*HEADERS, STRICT_TRANSPORT) if services_of(registry).settings.https else HEADERS
    elsewhere = (*wanted, (OPENER, "same-origin"))
    # a platform may open the page in a window of its own and wait for it: any other policy, even on a redirect, parts
    # the two for good. Such a window shows its opener nothing of ours
    linking = (*wanted, (OPENER, "unsafe-none"))

    def add(request: Any) -> Any:
        response = handler(request)
        present = {name.lower() for name, _ in response.headerlist}
        fitting = linking if request.environ.get("PATH_INFO", "").startswith(LINKING) else elsewhere
        response.headerlist.extend(header for header in fitting if header[0].lower() not in present)
        return response

    return add


def includeme(config: Any) -> None:
    config.add_tween("linkauth.web.headers.add_headers", under=INGRESS, over=EXCVIEW)
