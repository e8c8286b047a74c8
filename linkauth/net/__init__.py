"""PUBLIC: what a plugin needs to reach its servers: deadlines, connections, TLS contexts, and lists with failover.

It imports the standard library only. The ldap, http and sql plugins use it, so that their servers fail over alike.
"""

from linkauth.net.addresses import NameNotResolved, connect, is_ip_address, resolve
from linkauth.net.deadlines import Deadline
from linkauth.net.servers import AllServersFailed, Server, ServerFailed, ServerList
from linkauth.net.settings import FailoverSettings, TimeoutSettings
from linkauth.net.tls import client_context, is_certificate_error

__all__ = [
    "AllServersFailed",
    "Deadline",
    "FailoverSettings",
    "NameNotResolved",
    "Server",
    "ServerFailed",
    "ServerList",
    "TimeoutSettings",
    "client_context",
    "connect",
    "is_certificate_error",
    "is_ip_address",
    "resolve",
]
