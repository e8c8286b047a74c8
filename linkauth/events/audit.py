"""The audit log: one JSON line for each event, written with the logger `linkauth.audit`."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import ClassVar

from linkauth.events.sink import Field, Record, Sink
from linkauth.events.types import Event
from linkauth.identities import HIDDEN
from linkauth.redaction import redact

logger = logging.getLogger("linkauth.audit")

CONTEXT = ("request", "client", "address")
"""The fields of the log context that a line contains."""
NOT_LISTED = frozenset({"authorization.opened"})
"""Events of which anybody can cause thousands, and that are about nobody yet. The journal has them."""


class AuditLog(Sink):
    """Writes each event as a line of JSON. The name of the event is the member `event`.

    Lines consist of ASCII characters without control characters, so that no name can forge a line, and configured
    secrets are masked. With JSONFormatter the members are those of its line. With any other formatter the message is
    the line.
    """

    name: ClassVar[str] = "audit"

    def takes(self, event: type[Event]) -> bool:
        return super().takes(event) and event.name not in NOT_LISTED

    def write(self, batch: Sequence[Record]) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        for record in batch:
            found = members(record)
            line = json.dumps({"time": _time(record.at), **found})
            logger.info("%s", line, extra={"linkauth_event": (record.event.name, {"at": _time(record.at), **found})})


def is_configured() -> bool:
    """Return whether the logging sections of the ini file name the logger `linkauth.audit`."""
    return bool(logger.handlers) or logger.level != logging.NOTSET


def members(record: Record) -> dict[str, Field]:
    """Return the members of the line of an event, without its time. Empty fields are left out."""
    event = record.event
    own = {each.name: getattr(event, each.name) for each in fields(event)}
    common = {name: record.context.get(name) for name in CONTEXT}
    found = {"event": event.name, **common, **{name: value for name, value in own.items() if value not in (None, "")}}
    return {name: redact(value) if isinstance(value, str) else value for name, value in found.items() if _shown(value)}


def _shown(value: Field) -> bool:
    return value is not None and value not in ("", HIDDEN)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
