"""MariaDB and MySQL through PyMySQL."""

from __future__ import annotations

import ssl
from typing import Any

from sqlalchemy import URL

INIT = "SET time_zone = '+00:00', sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
"""Times in UTC, and no hash cut to the width of its column."""


def arguments(url: URL, timeout: int, tls_ca_file: str) -> dict[str, Any]:
    """What PyMySQL's connect() gets: time limits, and TLS that verifies the certificate and its name.

    With TLS given, PyMySQL refuses a server that does not offer it.
    """
    given: dict[str, Any] = {"connect_timeout": timeout, "read_timeout": timeout, "write_timeout": timeout}
    given |= {"charset": url.query.get("charset", "utf8mb4"), "init_command": INIT}
    if tls_ca_file:
        cafile = None if tls_ca_file == "system" else tls_ca_file
        given["ssl"] = ssl.create_default_context(cafile=cafile)
    return given
