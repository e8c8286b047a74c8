"""Log lines as JSON, one an event: what is in a message cannot forge a second line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class JSONFormatter(logging.Formatter):
    """For an ini's [formatter_...] section: `class = linkauth.logs.JSONFormatter`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # ASCII only: no terminal escape, line separator or direction mark reaches the reader
        return json.dumps(line)
