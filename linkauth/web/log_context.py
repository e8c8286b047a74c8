"""Adds the id, the client and the IP address of the request to everything that is logged while it is processed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from secrets import token_hex
from typing import Any

from pyramid.tweens import EXCVIEW

from linkauth import logs
from linkauth.identities import shown_address
from linkauth.web.forwarded import SOURCE_KEY

ID_LIMIT = 64
"""Maximum length of the id of a request."""
_ID_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def add_log_context(handler: Callable[..., Any], registry: Any) -> Callable[..., Any]:
    """A tween for the context of log lines. Its fields are only computed if something is logged."""

    def add(request: Any) -> Any:
        environ = request.environ

        def client() -> str:
            """Return the client of an authorization request; "" if it is not registered."""
            client_id = dict(request.query).get("client_id", "")
            return client_id if request.services.oauth2.client(client_id) else ""

        with logs.context(
            client=client,
            request=lambda: request_id(environ),
            address=lambda: shown_address(environ.get("REMOTE_ADDR") or ""),
        ):
            return handler(request)

    return add


def request_id(environ: Mapping[str, Any]) -> str:
    """Return the X-Request-Id of a trusted proxy, so that its log has the same id; otherwise a random id."""
    received: str = environ.get("HTTP_X_REQUEST_ID", "")
    is_usable = 0 < len(received) <= ID_LIMIT and _ID_CHARACTERS.issuperset(received)
    return received if is_usable and environ[SOURCE_KEY].trusted else token_hex(8)


def includeme(config: Any) -> None:
    config.add_tween(
        "linkauth.web.log_context.add_log_context", under="linkauth.web.forwarded.apply_forwarded_headers", over=EXCVIEW
    )
