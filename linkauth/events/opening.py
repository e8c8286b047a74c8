"""Opens the stream of events with the sinks that the ini file asks for."""

from __future__ import annotations

from linkauth.events import audit
from linkauth.events.stream import Events


def open_events() -> Events:
    """Return the stream. Its sinks start their threads at the first event."""
    return Events([audit.AuditLog()] if audit.is_configured() else [])
