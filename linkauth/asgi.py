"""The application for ASGI servers: `LINKAUTH_INI=production.ini <server> linkauth.asgi:application`.

docs/deployment.md describes granian. The setting `threads` in [server:main] is the number of concurrent requests per
process. If the server has N worker processes, set LINKAUTH_WORKERS=N too: the processes then share the CPU cores for
password hashes.
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
