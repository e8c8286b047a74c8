"""The limit of open files of the process. Each connection is an open file."""

from __future__ import annotations

import logging
import resource

log = logging.getLogger(__name__)

RESERVED_FILES = 256
"""Number of files besides the connections of clients, such as connections to databases and directories."""


def raise_file_limit(connections: int) -> int:
    """Raise the soft limit of open files (RLIMIT_NOFILE, see getrlimit(2)) so that it suffices for `connections`.

    Return the number of connections for which it suffices. Logs a warning if these are fewer than `connections`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    # at least half, so that a server with a small limit still accepts connections
    sufficient = min(connections, max(limit - RESERVED_FILES, limit // 2))
    if sufficient < connections:
        log.warning(
            "connection_limit in [server:main] lowered, because the process may open too few files; "
            "to raise the limit of files, set LimitNOFILE in its systemd unit: connection_limit=%d files=%d",
            *(sufficient, limit),
        )
    return sufficient
