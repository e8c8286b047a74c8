"""What a server does before it says that it serves, so that the first person does not wait for it."""

from __future__ import annotations

import logging
import time
from typing import Any

from pyramid.request import Request

from linkauth.services import Services

log = logging.getLogger(__name__)

WARM_UP_SECONDS = 3
"""How long a start waits for the first checks. A backend that takes longer or is down does not stop the start."""
_PATHS = ("/", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json")
"""Pages and documents that no client has to ask for. They use the templates, the languages and the signing keys."""


def warm_up(app: Any, services: Services) -> None:
    """Open the pools of the database and of the backends, measure a password hash, load the keys, and render a page.

    The checks of the backends do the first two. Raises nothing.
    """
    started_at = time.monotonic()
    services.health.report(WARM_UP_SECONDS)
    for path in _PATHS:
        request = Request.blank(path, base_url=services.settings.public_url)
        try:
            status = request.get_response(app).status_int
        except Exception:
            log.exception("warm-up: GET %s failed", path)
        else:
            if status >= 500:
                log.warning("warm-up: GET %s has the status %d", path, status)
    log.info("warmed up: seconds=%.2f", time.monotonic() - started_at)
