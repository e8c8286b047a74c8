"""PUBLIC: what a plugin needs to reach its servers: deadlines, connections, TLS contexts, and lists with failover.

It imports the standard library only. The ldap, http and sql plugins use it, so that their servers fail over alike.
"""

from linkauth.net.addresses import NameNotResolved, connect, connect_unix, is_ip_address, resolve
from linkauth.net.certificates import remaining_days
from linkauth.net.deadlines import Deadline
from linkauth.net.servers import AllServersFailed, Server, ServerFailed, ServerList
from linkauth.net.settings import FailoverSettings, TimeoutSettings
from linkauth.net.tls import (
    certificate_advice,
    client_context,
    is_certificate_error,
    is_certificate_requested,
    speaks_no_tls,
)

__all__ = [
    "AllServersFailed",
    "Deadline",
    "FailoverSettings",
    "NameNotResolved",
    "Server",
    "ServerFailed",
    "ServerList",
    "TimeoutSettings",
    "certificate_advice",
    "client_context",
    "connect",
    "connect_unix",
    "is_certificate_error",
    "is_certificate_requested",
    "is_ip_address",
    "remaining_days",
    "resolve",
    "speaks_no_tls",
]
