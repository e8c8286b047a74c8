"""MariaDB and MySQL through PyMySQL, with a time limit for a whole answer."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from pymysql.connections import Connection
from pymysql.constants.CR import CR_CONN_HOST_ERROR, CR_SERVER_LOST
from pymysql.err import OperationalError
from sqlalchemy import URL

from linkauth.net import Deadline, connect
from linkauth.redaction import reason

INIT = "SET time_zone = '+00:00', sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
"""Sets times to UTC, and strict mode, which refuses a hash that is longer than its column."""


class DeadlineConnection(Connection):  # type: ignore[misc]
    """A connection with `read_timeout` as the limit of a whole answer, and of connecting as a whole.

    PyMySQL's own limit is for the next byte. A server that sends one now and then would never reach it.
    """

    _deadline: Deadline
    _is_connecting = False

    def connect(self, sock: Any = None) -> None:
        self._begin()
        self._is_connecting = True
        try:
            if sock is None and not self.unix_socket and not self.bind_address:
                sock = self._open_socket()
                self._begin()
            super().connect(sock)
        finally:
            self._is_connecting = False

    def _open_socket(self) -> socket.socket:
        """Returns a TCP connection. PyMySQL would wait for name resolution without a limit."""
        try:
            return connect(self.host, self.port, Deadline(2 * self.connect_timeout), self.connect_timeout)
        except OSError as error:
            problem = f"Can't connect to MySQL server on {self.host!r} ({reason(error)})"
            raise OperationalError(CR_CONN_HOST_ERROR, problem) from None

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        if not self._is_connecting:
            self._begin()
        super()._execute_command(command, sql)

    def _begin(self) -> None:
        self._deadline = Deadline(self._read_timeout)

    def _read_bytes(self, num_bytes: int) -> bytes:
        data = b""
        try:
            while len(data) < num_bytes:
                self._sock.settimeout(self._deadline.remaining(self._read_timeout))
                # peek() fills the buffer if it is empty; read1() alone would be a system call for each column
                buffered = self._rfile.peek()
                if not buffered:
                    raise EOFError("the server closed it")
                data += self._rfile.read1(min(len(buffered), num_bytes - len(data)))
            self._sock.settimeout(self._read_timeout)
        except (OSError, EOFError) as error:
            self._force_close()
            raise OperationalError(
                CR_SERVER_LOST, f"Lost connection to MySQL server during query ({reason(error)})"
            ) from None
        return data


def arguments(url: URL, timeout: int, context: ssl.SSLContext | None) -> dict[str, Any]:
    """Returns the arguments of PyMySQL's connect(): time limits in seconds, and TLS.

    With a context, PyMySQL refuses a server that does not offer TLS.
    """
    options: dict[str, Any] = {"connect_timeout": timeout, "read_timeout": timeout, "write_timeout": timeout}
    options |= {"charset": url.query.get("charset", "utf8mb4"), "init_command": INIT}
    return options | ({"ssl": context} if context else {})
