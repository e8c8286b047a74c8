"""Tells systemd the state of the service (sd_notify(3)), for units with `Type=notify`."""

from __future__ import annotations

import logging
import os
import socket

from linkauth.redaction import reason

log = logging.getLogger(__name__)


def notify(state: str) -> None:
    """Send a state such as "READY=1" to the socket in NOTIFY_SOCKET. Without this variable, nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            # an abstract socket begins with a null byte, which is written as @
            connection.sendto(state.encode("ascii"), "\0" + address[1:] if address.startswith("@") else address)
    except OSError as error:
        log.warning("systemd was not told %s: NOTIFY_SOCKET: %s", state, reason(error))
