"""Opens the service of the page on which people see and end their own links."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Engine

from linkauth.config.settings import Settings
from linkauth.events.types import Emit
from linkauth.login.own_links import OwnLinks
from linkauth.storage import OwnLinkStore, PendingStore
from linkauth.themes.opening import has_links_pages
from linkauth.themes.theme import Theme


def open_own_links(
    settings: Settings,
    themes: Mapping[str, Theme],
    engine: Engine,
    pending: PendingStore,
    wake: Callable[[], object] | None,
    emit: Emit,
) -> OwnLinks | None:
    """Return the service of the page /links; None without it. `wake` wakes the sender of mails, None without mails."""
    if not has_links_pages(settings, themes):
        return None
    return OwnLinks(OwnLinkStore(engine, settings.secret, settings.previous_secrets, emit), pending, wake)
