"""Opens the journal of attempts to link, and deletes it if the settings do not want one."""

from __future__ import annotations

import logging
import time

from sqlalchemy import Engine

from linkauth.config.settings import Settings
from linkauth.events.journal import Journal
from linkauth.events.stream import Events
from linkauth.oauth2.errors import StorageUnavailableError
from linkauth.storage.journal import JournalStore

log = logging.getLogger(__name__)


def add_journal(settings: Settings, engine: Engine, events: Events) -> None:
    """Let the journal record `events`, unless `linkauth.journal_days` is 0."""
    if settings.journal_days:
        events.add(Journal(JournalStore(engine), settings.journal_days))


def forget_journal(engine: Engine) -> None:
    """Delete the journal, after the settings have turned it off. A failure is logged, and the next start repeats it."""
    try:
        if count := JournalStore(engine).purge(int(time.time()) + 1):
            log.info("journal deleted, since linkauth.journal_days is 0: steps=%d", count)
    except StorageUnavailableError as error:
        log.warning("journal not deleted: %s", error)
