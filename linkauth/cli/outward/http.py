"""One HTTP request to the public URL, with a limit for its whole duration. It carries no secret."""

from __future__ import annotations

import http.client
import socket
import time

from linkauth.cli.outward.observations import Answer, Target
from linkauth.cli.outward.tls import ATTEMPT_SECONDS, lenient_context
from linkauth.net.addresses import connect
from linkauth.net.deadlines import Deadline
from linkauth.redaction import reason

BODY_LIMIT = 512 * 1024
"""Maximum number of bytes that are read of a response."""
_BLOCK = 64 * 1024


def send(
    target: Target,
    address: str,
    deadline: Deadline,
    path: str,
    headers: dict[str, str],
    form: str | None = None,
) -> Answer:
    """Sends GET, or POST with the encoded `form`, to `path` below the public URL. Redirects are not followed.

    The connection is new, and the certificate is not verified. Raises nothing: a failure is an answer without a status.
    """
    sent_at, started = time.time(), time.monotonic()
    connection = http.client.HTTPConnection(target.host)
    try:
        raw: socket.socket = connect(address, target.connect_port, deadline, ATTEMPT_SECONDS)
        # http.client uses the connection that it finds here
        connection.sock = raw
        connection.sock = tls = lenient_context().wrap_socket(raw, server_hostname=target.host)
        sent = {"Host": target.netloc, "Connection": "close", **headers}
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded;charset=UTF-8"
        tls.settimeout(deadline.remaining(float("inf")))
        connection.request("GET" if form is None else "POST", target.path + path, form, sent)
        with connection.getresponse() as response:
            fields = [(name.lower(), value) for name, value in response.getheaders()]
            body = b""
            # a response that has been read completely has closed the socket
            while len(body) < BODY_LIMIT and not response.isclosed():
                tls.settimeout(deadline.remaining(float("inf")))
                body += response.read(_BLOCK)
    except TimeoutError:
        late = f"no complete answer within {time.monotonic() - started:.0f} s"
        return Answer(problem=f"{late}: does linkauth hang, or does the proxy not reach it?", sent_at=sent_at)
    except (OSError, http.client.HTTPException) as error:
        return Answer(problem=f"no answer: {reason(error)}", sent_at=sent_at)
    finally:
        connection.close()
    return Answer(response.status, fields, body.decode("utf-8", "replace"), time.monotonic() - started, sent_at)
