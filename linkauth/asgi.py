"""For ASGI servers: `LINKAUTH_INI=production.ini <server> linkauth.asgi:application`; docs/deployment.md shows granian.

`threads` of the ini's [server:main] says how many requests run at a time. With N worker processes set
LINKAUTH_WORKERS=N too, so that they share the cores for password hashes.
"""

from __future__ import annotations

import sys

from linkauth.config.loader import StartError
from linkauth.redaction import redact
from linkauth.web.asgi import Application
from linkauth.web.serving import from_environment, threads

try:
    _loaded = from_environment()
    application = Application(_loaded.app, threads(_loaded))
except StartError as error:
    sys.exit(f"linkauth cannot start:\n{redact(error)}")
