"""MariaDB and MySQL through PyMySQL, with a time limit that holds for a whole answer."""

from __future__ import annotations

import ssl
import time
from typing import Any

from pymysql.connections import Connection
from pymysql.constants.CR import CR_SERVER_LOST
from pymysql.err import OperationalError
from sqlalchemy import URL

from linkauth.redaction import reason

INIT = "SET time_zone = '+00:00', sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
"""Times in UTC, and no hash cut to the width of its column."""


class DeadlineConnection(Connection):  # type: ignore[misc]
    """A connection whose server has `read_timeout` for all of an answer, and once for all that belongs to connecting.

    PyMySQL's own limit is for the next byte, and a server that sends one now and then keeps it.
    """

    _deadline = 0.0
    _is_connecting = False

    def connect(self, sock: Any = None) -> None:
        self._begin()
        self._is_connecting = True
        try:
            super().connect(sock)
        finally:
            self._is_connecting = False

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        if not self._is_connecting:
            self._begin()
        super()._execute_command(command, sql)

    def _begin(self) -> None:
        self._deadline = time.monotonic() + self._read_timeout

    def _read_bytes(self, num_bytes: int) -> bytes:
        data = b""
        try:
            while len(data) < num_bytes:
                self._sock.settimeout(max(self._deadline - time.monotonic(), 0.001))
                piece = self._rfile.read1(num_bytes - len(data))
                if not piece:
                    raise EOFError("it was closed")
                data += piece
            self._sock.settimeout(self._read_timeout)
        except (OSError, EOFError) as error:
            self._force_close()
            raise OperationalError(
                CR_SERVER_LOST, f"Lost connection to MySQL server during query ({reason(error)})"
            ) from None
        return data


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
